// The function of the soak: it answers which request it got, and which code it is.
import { readFileSync } from 'node:fs'
import { spawn, spawnSync } from 'node:child_process'

const version = +readFileSync('version', 'utf8')

export const handler = async ({ do: what, nonce }) => {
  console.log('run', nonce)
  switch (what) {
    case 'raise': throw new Error(`${nonce} ${version}`)
    case 'exit': return process.exit(3)
    case 'kill': process.kill(process.pid, 'SIGKILL'); break
    case 'hang': await new Promise((done) => setTimeout(done, 600_000)); break
    case 'grow': globalThis.hog = []; for (let i = 0; i < 80; i++) globalThis.hog.push(Buffer.alloc(10 << 20, 1)); break
    case 'child': spawn('sleep', ['600'], { stdio: 'ignore' }); break
    case 'daemon': spawnSync('sh', ['-c', 'setsid sleep 600 >/dev/null 2>&1 </dev/null & exit 0']); break
  }
  return { nonce, version }
}
