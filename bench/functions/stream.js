// The function that is measured: it streams as many bytes as its event says.
const { pipeline } = require('node:stream/promises')

const part = Buffer.alloc(65536, 'x')

function* parts(size) {
  for (; size > 0; size -= part.length) yield size < part.length ? part.subarray(0, size) : part
}

exports.handler = awslambda.streamifyResponse(async (size, out) => { await pipeline(parts(size), out) })
