// A plain web server of Node.js. It knows nothing of Lambda.
import { createServer } from 'node:http';

createServer(async (request, response) => {
  const { method, url: path, headers } = request;
  let body = '';
  for await (const part of request) body += part;
  const doc = method === 'GET' ? { method, path, agent: headers['x-agent'], pid: process.pid } : { method, path, body };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(doc));
}).listen(Number(process.env.PORT));
