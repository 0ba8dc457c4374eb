// The user of the AWS SDK for JavaScript v3, start to end.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

// The SDK is installed in .cache/node, not beside this file.
const require = createRequire(process.env.SDK_HOME + '/')
const L = require('@aws-sdk/client-lambda')
const { CloudWatchLogsClient, FilterLogEventsCommand } = require('@aws-sdk/client-cloudwatch-logs')
const { STSClient, GetCallerIdentityCommand } = require('@aws-sdk/client-sts')
const { IAMClient, CreateRoleCommand, GetRoleCommand } = require('@aws-sdk/client-iam')

const [runtime, zip, zip2] = process.argv.slice(2)
const lambda = new L.LambdaClient({})
const FunctionName = 'js'
const text = (bytes) => Buffer.from(bytes).toString()

const fn = await lambda.send(new L.CreateFunctionCommand({
  FunctionName, Runtime: runtime, Handler: 'index.handler', Role: 'arn:aws:iam::000000000000:role/js', Timeout: 10,
  Code: { ZipFile: readFileSync(zip) }, Environment: { Variables: { WHO: 'js' } },
}))
assert.equal(fn.State, 'Pending')
await L.waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { FunctionName })

const out = await lambda.send(new L.InvokeCommand({ FunctionName, Payload: JSON.stringify({ a: 1 }), LogType: 'Tail' }))
assert.deepEqual(JSON.parse(text(out.Payload)), { got: { a: 1 }, who: 'js' })
assert.match(Buffer.from(out.LogResult, 'base64').toString(), /REPORT RequestId: /)

const bad = await lambda.send(new L.InvokeCommand({ FunctionName, Payload: JSON.stringify({ fail: 'on purpose' }) }))
assert.equal(bad.FunctionError, 'Unhandled')
const failure = JSON.parse(text(bad.Payload))
assert.equal(failure.errorType, 'Error')
assert.equal(failure.errorMessage, 'on purpose')
assert.ok(failure.trace.length > 0)

await lambda.send(new L.UpdateFunctionCodeCommand({ FunctionName, ZipFile: readFileSync(zip2) }))
await L.waitUntilFunctionUpdatedV2({ client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { FunctionName })
const two = await lambda.send(new L.InvokeCommand({ FunctionName }))
assert.equal(text(two.Payload), '"second"')

const version = await lambda.send(new L.PublishVersionCommand({ FunctionName }))
assert.equal(version.Version, '1')
await lambda.send(new L.CreateAliasCommand({ FunctionName, Name: 'live', FunctionVersion: '1' }))
const alias = await lambda.send(new L.GetAliasCommand({ FunctionName, Name: 'live' }))
assert.equal(alias.FunctionVersion, '1')

await assert.rejects(lambda.send(new L.GetFunctionCommand({ FunctionName: 'none' })), (e) => e instanceof L.ResourceNotFoundException && e.$metadata.httpStatusCode === 404)
await assert.rejects(lambda.send(new L.InvokeCommand({ FunctionName, Payload: '{' })), (e) => e instanceof L.InvalidRequestContentException)

let n = 0
for await (const page of L.paginateListVersionsByFunction({ client: lambda, pageSize: 1 }, { FunctionName })) n += page.Versions.length
assert.equal(n, 2, '$LATEST and version 1')

const who = await new STSClient({}).send(new GetCallerIdentityCommand({}))
assert.equal(who.Arn, 'arn:aws:iam::000000000000:root')
const iam = new IAMClient({})
await iam.send(new CreateRoleCommand({ RoleName: 'js', AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }] }) }))
assert.ok((await iam.send(new GetRoleCommand({ RoleName: 'js' }))).Role.CreateDate instanceof Date)
const logs = await new CloudWatchLogsClient({}).send(new FilterLogEventsCommand({ logGroupName: '/aws/lambda/js', filterPattern: 'REPORT' }))
assert.ok(logs.events.length >= 2, 'REPORT lines in the log')

await lambda.send(new L.DeleteFunctionCommand({ FunctionName }))
console.log('AWS SDK for JavaScript: all of it held')
