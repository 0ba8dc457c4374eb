// The user of streamed answers with the AWS SDK for JavaScript v3.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const require = createRequire(process.env.SDK_HOME + '/')
const L = require('@aws-sdk/client-lambda')
const { SQSClient, CreateQueueCommand, SendMessageCommand } = require('@aws-sdk/client-sqs')

const lambda = new L.LambdaClient({})
const sqs = new SQSClient({})
const stream = (FunctionName, event, more = {}) =>
  lambda.send(new L.InvokeWithResponseStreamCommand({ FunctionName, Payload: JSON.stringify(event), ...more }))

async function collect(out) {
  const chunks = []
  let end
  for await (const event of out.EventStream) {
    assert.equal(end, undefined, 'nothing comes after the end')
    if (event.PayloadChunk) chunks.push(Buffer.from(event.PayloadChunk.Payload))
    else end = event.InvokeComplete
  }
  return { body: Buffer.concat(chunks), end }
}

// Each step is told to come once the step before it is here.
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'js' }))
const out = await stream('stream', { way: 'steps', queue: QueueUrl }, { LogType: 'Tail' })
assert.equal(out.StatusCode, 200)
assert.equal(out.ExecutedVersion, '$LATEST')
assert.equal(out.ResponseStreamContentType, 'text/plain')
const steps = []
let end
for await (const event of out.EventStream) {
  if (event.PayloadChunk) {
    steps.push(Buffer.from(event.PayloadChunk.Payload).toString())
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'go on' }))
  } else {
    end = event.InvokeComplete
  }
}
assert.deepEqual(steps, ['step 1\n', 'step 2\n', 'step 3\n'])
assert.equal(end.ErrorCode, undefined)
assert.match(Buffer.from(end.LogResult, 'base64').toString(), /REPORT RequestId: /)

const big = await collect(await stream('stream', { way: 'big', size: 20 << 20 }))
assert.equal(big.body.length, 20 << 20)
for (let i = 0; i < big.body.length; i += 9999) assert.equal(big.body[i], (i >> 16) % 251)
assert.equal((await collect(await stream('stream', { way: 'empty' }))).body.length, 0)

for (const [way, body, type] of [['broken', 'some', 'RangeError'], ['early', '', 'RangeError'],
  ['dies', 'some', 'Runtime.ExitError'], ['rejects', 'some', 'Runtime.UnhandledPromiseRejection']]) {
  const got = await collect(await stream('stream', { way }))
  assert.equal(got.body.toString(), body, way)
  assert.equal(got.end.ErrorCode, 'Unhandled', way)
  assert.equal(JSON.parse(got.end.ErrorDetails).errorType, type, way)
}
const plain = await collect(await stream('buffered', { a: 1 }))
assert.deepEqual(JSON.parse(plain.body), { got: { a: 1 } })

assert.equal((await stream('stream', {}, { InvocationType: 'DryRun' })).StatusCode, 204)
await assert.rejects(stream('none', {}), (e) => e instanceof L.ResourceNotFoundException)
console.log('AWS SDK for JavaScript: all of it held')
