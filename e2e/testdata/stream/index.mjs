// A function that streams, in the way that its event names. What it waits for
// comes by a queue, which it asks by requests that it signs itself.
import { createHash, createHmac } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'

const { AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env
const sha = (text) => createHash('sha256').update(text).digest('hex')
const mac = (key, text) => createHmac('sha256', key).update(text).digest()

async function sqs(operation, params) {
  const url = new URL(AWS_ENDPOINT_URL)
  const body = JSON.stringify(params)
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const headers = {
    'content-type': 'application/x-amz-json-1.0', host: url.host, 'x-amz-date': date,
    'x-amz-security-token': AWS_SESSION_TOKEN, 'x-amz-target': `AmazonSQS.${operation}`,
  }
  const names = Object.keys(headers).join(';')
  const scope = `${date.slice(0, 8)}/${AWS_REGION}/sqs/aws4_request`
  const canonical = ['POST', '/', '', ...Object.entries(headers).map(([k, v]) => `${k}:${v}`), '', names, sha(body)].join('\n')
  const key = scope.split('/').reduce(mac, `AWS4${AWS_SECRET_ACCESS_KEY}`)
  const signature = mac(key, ['AWS4-HMAC-SHA256', date, scope, sha(canonical)].join('\n')).toString('hex')
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${AWS_ACCESS_KEY_ID}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  const res = await fetch(url, { method: 'POST', headers, body })
  if (!res.ok) throw new Error(await res.text())
  return res.json()
}

async function told(queue) {
  for (;;) {
    const { Messages } = await sqs('ReceiveMessage', { QueueUrl: queue, WaitTimeSeconds: 20 })
    if (Messages?.length) {
      await sqs('DeleteMessage', { QueueUrl: queue, ReceiptHandle: Messages[0].ReceiptHandle })
      return
    }
  }
}

// parts are size bytes, of which each 64 KB are another byte.
function* parts(size) {
  for (let i = 0, at = 0; at < size; i++, at += 65536) yield Buffer.alloc(Math.min(65536, size - at), i % 251)
}

const ways = {
  async steps(out, { queue }) {
    out.setContentType('text/plain')
    for (const step of [1, 2, 3]) {
      out.write(`step ${step}\n`)
      await told(queue)
    }
    out.end()
  },
  async big(out, { size }) { await pipeline(parts(size), out) },
  async page(out) {
    out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { 'content-type': 'text/html' } })
    out.end('<p>')
  },
  async empty(out) { out.end() },
  async broken(out) {
    out.write('some')
    await sleep(5)
    throw new RangeError('amid the answer')
  },
  async early() { throw new RangeError('before the answer') },
  async dies(out) {
    out.write('some')
    await sleep(5)
    process.exit(7)
  },
  async rejects(out) {
    out.write('some')
    await sleep(5)
    Promise.reject(new Error('nobody caught it'))
    await sleep(1e6)
  },
  async hangs(out) {
    out.write('some')
    await sleep(1e6)
  },
  // The client goes away while this waits; it goes on to its end all the same.
  async alone(out, { queue, done }) {
    out.write('begun\n')
    await told(queue)
    await pipeline(parts(20 << 20), out)
    await sqs('SendMessage', { QueueUrl: done, MessageBody: 'it went on' })
  },
}

export const handler = awslambda.streamifyResponse((event, out) => ways[event.way](out, event))
export const buffered = async (event) => ({ got: event })
