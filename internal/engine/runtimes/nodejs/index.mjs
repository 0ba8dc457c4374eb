// Runs a Node.js function against the Lambda Runtime API: what AWS has as
// /var/runtime/index.mjs. https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html
import { patchConsole, logError } from './console.mjs';
import { become } from './blank.mjs';
import { Client } from './client.mjs';
import { Link } from './link.mjs';
import { toResult, CallbackHandlerDeprecated, UnhandledPromiseRejection } from './errors.mjs';
import { load, STREAMING, HIGH_WATER_MARK } from './loader.mjs';
import { serve } from './loop.mjs';
import { modern } from './version.mjs';

const descriptor = process.env.MAYFLY_LINK;
delete process.env.MAYFLY_LINK;
const client = descriptor ? new Link(Number(descriptor)) : new Client(process.env.AWS_LAMBDA_RUNTIME_API);
const state = { client, headers: undefined, onIdle: null };

async function report(error, exitCode) {
  const result = toResult(error);
  try {
    await client.last(state.headers, result);
  } finally {
    process.exit(exitCode);
  }
}

process.on('uncaughtException', (error) => {
  logError('Uncaught Exception', error);
  report(error, 129);
});
process.on('unhandledRejection', (reason, promise) => {
  const error = new UnhandledPromiseRejection(reason, promise);
  logError('Unhandled Promise Rejection', error);
  report(error, 128);
});
process.on('beforeExit', () => state.onIdle?.());

// What calls the handler has AWS's names: they show in stack traces.
class Runtime {}
class BufferedInvokeProcessor {}
class StreamingInvokeProcessor {}

function loadedAs(handler, options) {
  const Caller = !modern ? Runtime : options.streaming ? StreamingInvokeProcessor : BufferedInvokeProcessor;
  return Object.assign(new Caller(), options, { handler });
}

// lost ends a process whose platform is gone.
function lost(error) {
  console.error(error.message);
  process.exit(1);
}

async function start() {
  if (descriptor && process.env._HANDLER === undefined) {
    await become(client);
  }
  patchConsole();
  const handler = await load(process.env.LAMBDA_TASK_ROOT ?? process.cwd(), process.env._HANDLER ?? '');
  const streaming = handler[STREAMING];
  if (modern && handler.length >= 3 && !streaming) {
    throw new CallbackHandlerDeprecated(
      'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. ' +
      'You need to modify this function to use a supported handler signature to use Node.js 24 or later. ' +
      'For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
  }
  return loadedAs(handler, { streaming: Boolean(streaming), highWaterMark: Number(handler[HIGH_WATER_MARK]) || undefined });
}

// No top-level await: a function whose event loop runs empty is to end by our
// own rules, not by Node's for unsettled modules.
state.onIdle = () => process.exit(13); // what the function awaits at its top level never comes
start().then((loaded) => serve(state, loaded).catch(lost), (error) => {
  logError(modern ? 'Init Error' : 'Uncaught Exception', error);
  return report(error, modern ? 1 : 129);
});
