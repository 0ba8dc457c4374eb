// The function that is measured: it answers its event.
const lines = +(process.env.LINES || 0)
const sleep = +(process.env.SLEEP || 0)

exports.handler = async (event) => {
  for (let i = 0; i < lines; i++) console.log('line', i, 'of a function that says a lot')
  if (sleep) await new Promise((done) => setTimeout(done, sleep * 1000))
  return event
}
