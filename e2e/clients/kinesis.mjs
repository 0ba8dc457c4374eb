// The user of streams with the AWS SDK for JavaScript v3, which speaks HTTP/2 to Kinesis.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const require = createRequire(process.env.SDK_HOME + '/')
const K = require('@aws-sdk/client-kinesis')

const kinesis = new K.KinesisClient({})
const send = (command, input) => kinesis.send(new K[command + 'Command'](input))

await send('CreateStream', { StreamName: 'js', ShardCount: 1 })
await K.waitUntilStreamExists({ client: kinesis, maxWaitTime: 30 }, { StreamName: 'js' })
const { StreamDescriptionSummary: { StreamARN } } = await send('DescribeStreamSummary', { StreamName: 'js' })
const ShardId = 'shardId-000000000000'

// Records go in and come out, byte for byte.
const put = await send('PutRecord', { StreamARN, PartitionKey: 'k', Data: Buffer.from([0, 255, 1]) })
const many = await send('PutRecords', {
  StreamName: 'js', Records: [...Array(100).keys()].map(i => ({ PartitionKey: 'k' + i, Data: Buffer.from('' + i) })),
})
assert.equal(many.FailedRecordCount, 0)
let { ShardIterator } = await send('GetShardIterator', { StreamName: 'js', ShardId, ShardIteratorType: 'TRIM_HORIZON' })
const got = await send('GetRecords', { ShardIterator })
assert.equal(got.Records.length, 101)
assert.deepEqual([...got.Records[0].Data], [0, 255, 1])
assert.equal(got.Records[0].SequenceNumber, put.SequenceNumber)
assert.ok(got.Records[0].ApproximateArrivalTimestamp instanceof Date)
assert.equal(got.MillisBehindLatest, 0)
await assert.rejects(send('DescribeStream', { StreamName: 'none' }), { name: 'ResourceNotFoundException' })

// A subscription has what is there, what comes, and at the shard's end its children.
const { Consumer: { ConsumerARN } } = await send('RegisterStreamConsumer', { StreamARN, ConsumerName: 'c' })
const out = await send('SubscribeToShard', {
  ConsumerARN, ShardId, StartingPosition: { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: put.SequenceNumber },
})
const texts = []
let children
for await (const { SubscribeToShardEvent: event } of out.EventStream) {
  for (const r of event.Records) texts.push(Buffer.from(r.Data).toString())
  if (texts.length === 100 && event.Records.length > 0) await send('PutRecord', { StreamARN, PartitionKey: 'k', Data: Buffer.from('late') })
  if (texts.at(-1) === 'late' && event.Records.length > 0) {
    await send('SplitShard', { StreamARN, ShardToSplit: ShardId, NewStartingHashKey: '' + 2n ** 127n })
  }
  if (event.ChildShards?.length) children = event.ChildShards.map(c => c.ShardId)
}
assert.deepEqual(texts, [...[...Array(100).keys()].map(String), 'late'])
assert.deepEqual(children, ['shardId-000000000001', 'shardId-000000000002'])
await send('DeleteStream', { StreamARN, EnforceConsumerDeletion: true })
console.log('streams, by the SDK for JavaScript')
