// Fastify with its own Lambda adapter.
import Fastify from 'fastify'
import awsLambdaFastify from '@fastify/aws-lambda'

const app = Fastify()
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (req, body, done) => done(null, body))
app.get('/', async () => 'Hello World!')
app.get('/users/:id', async (req) => ({ id: req.params.id, q: req.query, agent: req.headers['x-agent'] }))
app.post('/users', async (req, reply) => reply.code(201).header('location', '/users/7').send({ id: 7, ...req.body }))
app.post('/bytes', async (req, reply) => reply.type('application/octet-stream').send(Buffer.from(req.body).reverse()))
app.get('/login', async (req, reply) => reply.header('set-cookie', ['a=1; Path=/', 'b=2; Path=/; HttpOnly']).redirect('/'))
app.get('/broken', async () => { throw new Error('on purpose') })

export const handler = awsLambdaFastify(app, { binaryMimeTypes: ['application/octet-stream'] })
await app.ready()
