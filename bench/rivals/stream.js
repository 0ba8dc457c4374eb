// A plain server in Node.js. It streams as many bytes as it is told to.
const { pipeline } = require('node:stream')

const part = Buffer.alloc(65536, 'x')

function* parts(size) {
  for (; size > 0; size -= part.length) yield size < part.length ? part.subarray(0, size) : part
}

const server = require('node:http').createServer((request, response) => {
  let text = ''
  request.on('data', (data) => { text += data })
  request.on('end', () => pipeline(parts(+text), response, () => {}))
})
server.keepAliveTimeout = 0
server.listen(+process.argv[2], '127.0.0.1', 512)
