// A page that is sent as it is written. Between its paragraphs it takes a breath,
// or asks CUE, an address, until that says "go".
const paragraphs = ['Once upon a time there was a mayfly.', 'It lived for one request.', 'But what a request it was.']

export const handler = awslambda.streamifyResponse(async (event, out) => {
  out = awslambda.HttpResponseStream.from(out, { statusCode: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, cookies: ['reader=1; Path=/'] })
  out.write('<!doctype html><meta charset="utf-8"><title>A story</title><body>\n')
  for (const [i, text] of paragraphs.entries()) {
    out.write(`<p id="p${i}">${text}</p>\n`)
    if (i < paragraphs.length - 1) await breath(i)
  }
  out.end('<p id="end">The end.</p>\n')
})

async function breath(i) {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms))
  if (!process.env.CUE) return pause(700)
  const cue = `${process.env.AWS_ENDPOINT_URL}${process.env.CUE}?after=${i}`
  while (await (await fetch(cue)).text() !== 'go') await pause(20)
}
