// Express's own hello and more, unmodified, behind serverless-http.
const express = require('express')
const serverless = require('serverless-http')

const app = express()
app.use(express.json())
app.use(express.raw({ type: 'application/octet-stream' }))
app.get('/', (req, res) => res.send('Hello World!'))
app.get('/users/:id', (req, res) => res.json({ id: req.params.id, q: req.query, agent: req.get('x-agent') }))
app.post('/users', (req, res) => res.status(201).location('/users/7').json({ id: 7, ...req.body }))
app.post('/bytes', (req, res) => res.type('application/octet-stream').send(Buffer.from(req.body).reverse()))
app.get('/login', (req, res) => res.cookie('a', '1').cookie('b', '2', { httpOnly: true }).redirect('/'))
app.get('/broken', () => { throw new Error('on purpose') })

exports.handler = serverless(app, { binary: ['application/octet-stream'] })
