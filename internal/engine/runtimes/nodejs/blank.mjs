// A process that is started before it is known for which function.
import Module from 'node:module';
import { format as print } from 'node:util';
import { format, toResult } from './errors.mjs';
import { load } from './loader.mjs';
import { once } from './loop.mjs';
import { withCallbacks } from './callback.mjs';

// become waits for the assignment, and makes the process what it would be had it
// been started with it.
export async function become(link) {
  await warm();
  assume(await link.assignment());
}

// warm does once what each function will need. It leaves nothing behind.
async function warm() {
  const handler = await load(import.meta.dirname ?? new URL('.', import.meta.url).pathname, 'warm.h');
  delete globalThis.awslambda;
  for (const file of Object.keys(Module._cache)) {
    delete Module._cache[file];
  }
  const headers = { 'lambda-runtime-deadline-ms': '0', 'lambda-runtime-client-context': '{}' };
  for (const run of [once, withCallbacks, withCallbacks]) {
    await run({ onIdle: null }, { handler }, headers, Buffer.from('{"key": "value"}'));
  }
  const error = new Error('none');
  print('%s', [{ a: 1 }, error], format(error), toResult(error), new Date().toISOString());
  void process.stdout.writable; // opens it
}

function assume(env) {
  for (const name of Object.keys(process.env)) {
    delete process.env[name];
  }
  for (const [name, value] of Object.entries(env)) { // with TZ, Node.js reads its time zone anew
    process.env[name] = value;
  }
  process.chdir(env.LAMBDA_TASK_ROOT ?? '/var/task');
  Module._initPaths(); // from HOME and NODE_PATH
}
