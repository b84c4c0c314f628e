// The articles' sample application on Express. It is started like the other
// contestants: it prints its address, and ends when its input does.
'use strict'

const express = require('express')
const session = require('express-session')
const onHeaders = require('on-headers')

const life = 30 * 60 * 1000

async function store () {
  switch (process.env.BENCH_SERVE) {
    case 'express-redis': {
      const { RedisStore } = require('connect-redis')
      const client = require('redis').createClient({ url: 'redis://' + process.env.BENCH_REDIS })
      client.on('error', (err) => console.error(err))
      await client.connect()
      return new RedisStore({ client })
    }
    case 'express-memcached': {
      const MemcachedStore = require('connect-memcached')(session)
      return new MemcachedStore({ hosts: [process.env.BENCH_MEMCACHED] })
    }
  }
  return null
}

// content is Content in contestant/content.go.
function content ({ bytes, keys }) {
  const text = 'a jar of honey from the hills, two loaves of bread, a pound of butter and a dozen eggs; '
  const all = { name: 'Ada Lovelace', email: 'ada@analytical.engine', visits: 1815, cart: ['tea', 'milk', 'rice'] }
  const size = Math.max(1, Math.floor((bytes - 130) / keys) - 'item000'.length)
  for (let i = 0; i < keys; i++) {
    all['item' + String(i).padStart(3, '0')] = text.repeat(Math.floor(size / text.length) + 1).slice(0, size)
  }
  return all
}

// readOnly is the articles' trick: there is no session any more when the header
// is written. It saves the cookie. The store is told nevertheless.
function readOnly (req, res, next) {
  onHeaders(res, () => { delete req.session })
  next()
}

async function main () {
  const sessions = await store()
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  if (sessions) {
    app.use(session({ store: sessions, secret: 'k'.repeat(32), resave: false, saveUninitialized: false, cookie: { maxAge: life } }))
  } else {
    const same = content({ bytes: 5120, keys: 6 })
    app.use((req, res, next) => { req.session = { ...same }; next() })
  }
  const answer = (res, body) => res.set('Content-Type', 'application/json').send(JSON.stringify(body))
  const user = (req, res) => answer(res, { name: req.session.name || '' })

  app.post('/login', (req, res) => {
    Object.assign(req.session, content({ bytes: Number(req.query.bytes), keys: Number(req.query.keys) }))
    answer(res, {})
  })
  app.get('/food', (req, res) => answer(res, { food: ['bread', 'tea'] }))
  app.get('/user', user)
  app.get('/user/readonly', readOnly, user)
  app.post('/user/shoppingcart', (req, res) => {
    const [first, ...rest] = req.session.cart || []
    req.session.cart = first === undefined ? rest : [...rest, first]
    answer(res, { cart: req.session.cart })
  })

  const server = app.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + server.address().port))
  server.keepAliveTimeout = 0 // connections stay until the benchmark closes them
  process.stdin.on('end', () => process.exit(0)).resume()
}

main().catch((err) => { console.error(err); process.exit(1) })
