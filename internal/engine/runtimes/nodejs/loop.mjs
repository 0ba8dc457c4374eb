// Serves one invocation after the other.
import { current, logError } from './console.mjs';
import { contextOf, serialize } from './context.mjs';
import { NodeJsExit, toResult } from './errors.mjs';
import { withCallbacks } from './callback.mjs';
import { ResponseStream } from './stream.mjs';
import { modern } from './version.mjs';

export async function serve(state, loaded) {
  const run = loaded.streaming ? stream : modern ? once : withCallbacks;
  for (;;) {
    const { headers, body } = await state.client.next();
    begin(state, headers);
    state.onIdle = () => neverSettled(state);
    const settled = await run(state, loaded, headers, body);
    state.onIdle = null;
    await settle(state, headers, settled);
  }
}

// begin takes note of an invocation.
function begin(state, headers) {
  state.headers = headers;
  current.requestId = headers['lambda-runtime-aws-request-id'];
  current.tenantId = headers['lambda-runtime-aws-tenant-id'];
  if (headers['lambda-runtime-trace-id']) {
    process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  } else {
    delete process.env._X_AMZN_TRACE_ID;
  }
}

// once calls a handler of the one form that Node.js 24 knows. It returns
// { text } or { error }.
export async function once(_state, loaded, headers, body) {
  try {
    return { text: serialize(await loaded.handler(JSON.parse(body), contextOf(headers))) };
  } catch (error) {
    return { error };
  }
}

// settle tells the platform how an invocation ended.
async function settle({ client }, headers, { text, error, logged, done }) {
  if (done) {
    return;
  }
  let tooLong;
  if (text !== undefined) {
    tooLong = await client.respond(headers, text);
  } else {
    logError('Invoke Error', logged ?? error);
    tooLong = await client.fail(headers, toResult(error));
  }
  if (tooLong) { // the platform tells the caller; the function may go on
    console.error('Failed to post handler success response. Http response code: 413.');
  }
}

// neverSettled ends a process in which nothing can happen any more, though the
// handler's promise is open.
function neverSettled(state) {
  state.onIdle = null;
  const error = new NodeJsExit('The Lambda runtime client detected an unexpected Node.js exit code. ' +
    'This is most commonly caused by a Promise that was never settled. ' +
    'For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes');
  logError('Invoke Error', error);
  state.client.last(state.headers, toResult(error)).finally(() => process.exit(13));
}

// stream calls a handler that writes its answer.
async function stream(state, loaded, headers, body) {
  const out = new ResponseStream(state.client, headers, loaded.highWaterMark);
  try {
    const context = Object.assign({ callbackWaitsForEmptyEventLoop: true }, contextOf(headers));
    const pending = loaded.handler(JSON.parse(body), out, context);
    if (typeof pending?.then !== 'function') {
      throw new Error('Streaming does not support non-async handlers.');
    }
    if (await pending !== undefined) {
      console.warn('Streaming handlers ignore return values.');
    }
    state.onIdle = () => out.destroy(); // nothing is left that could end it
    await out.answered;
    return { done: true };
  } catch (error) {
    return (await out.fail(error)) ? { done: true } : { error };
  }
}
