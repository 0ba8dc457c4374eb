// A process that is started before it is known for which function.

// become waits for the assignment, and makes the process what it would be had it
// been started with it.
export async function become(link) {
  assume(await link.assignment());
}

function assume(env) {
  for (const name of Object.keys(process.env)) {
    if (!(name in env)) {
      delete process.env[name];
    }
  }
  for (const [name, value] of Object.entries(env)) {
    if (process.env[name] !== value) { // setting TZ costs
      process.env[name] = value;
    }
  }
  process.chdir(env.LAMBDA_TASK_ROOT ?? '/var/task');
}
