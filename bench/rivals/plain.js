// A plain server in Node.js. It answers what it is sent.
const server = require('http').createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    const body = Buffer.concat(parts)
    response.writeHead(200, { 'Content-Length': body.length })
    response.end(body)
  })
})
server.keepAliveTimeout = 0 // callers keep their connections while others have their turn
server.listen(+process.argv[2], '127.0.0.1', 512)
