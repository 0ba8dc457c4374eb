// Hono with its own Lambda adapter, whole answers and streamed ones.
import { Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import { handle, streamHandle } from 'hono/aws-lambda'
import { streamText } from 'hono/streaming'

const app = new Hono()
app.get('/', (c) => c.text('Hello World!'))
app.get('/users/:id', (c) => c.json({ id: c.req.param('id'), q: c.req.query(), agent: c.req.header('x-agent') }))
app.post('/users', async (c) => c.json({ id: 7, ...await c.req.json() }, 201, { location: '/users/7' }))
app.post('/bytes', async (c) => c.body(new Uint8Array(await c.req.arrayBuffer()).reverse(), 200, { 'content-type': 'application/octet-stream' }))
app.get('/login', (c) => {
  setCookie(c, 'a', '1')
  setCookie(c, 'b', '2', { httpOnly: true })
  return c.redirect('/')
})
app.get('/broken', () => { throw new Error('on purpose') })
app.get('/lines', (c) => streamText(c, async (out) => {
  for (const n of [1, 2, 3]) await out.writeln(`line ${n}`)
}))

export const handler = process.env.STREAM ? streamHandle(app) : handle(app)
