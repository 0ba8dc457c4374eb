// A process that is started before it is known for which function.
import Module from 'node:module';

// become waits for the assignment, and makes the process what it would be had it
// been started with it.
export async function become(link) {
  assume(await link.assignment());
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
