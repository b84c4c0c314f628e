// The site as it was before the first route moved to Go.
'use strict'

const express = require('express')
const session = require('express-session')
const { RedisStore } = require('connect-redis')
const { createClient } = require('redis')

async function main () {
  const client = createClient({ url: process.env.REDIS_URL })
  client.on('error', (err) => console.error('redis:', err.message))
  await client.connect()

  const app = express()
  app.set('trust proxy', 'loopback')
  app.use(express.urlencoded({ extended: false }))
  app.use(session({
    store: new RedisStore({ client }),
    secret: process.env.SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 3600000, sameSite: 'lax', secure: 'auto' }
  }))

  app.get('/', (req, res) => {
    const { user, cart = {} } = req.session
    res.type('html').send(page(user, cart))
  })
  app.post('/login', (req, res, next) => {
    req.session.regenerate((err) => {
      if (err) return next(err)
      req.session.user = String(req.body.user || 'guest').slice(0, 40)
      req.session.save((err) => err ? next(err) : res.redirect(303, '/')) // the answer must not be faster
    })
  })

  const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
  process.stdin.on('end', () => process.exit(0)).resume()
}

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

const page = (user, cart) => `<!doctype html><meta charset="utf-8"><title>Express and Go</title>
<p>This page is Express.</p>
${user
    ? `<p>Hello, ${escape(user)}.</p><form method="post" action="/logout"><button>Log out (Go)</button></form>`
    : '<form method="post" action="/login"><input name="user" placeholder="name"><button>Log in (Express)</button></form>'}
<ul>${Object.entries(cart).map(([sku, n]) => `<li>${escape(sku)}: ${escape(n)}</li>`).join('')}</ul>
<form method="post" action="/cart/tea"><button>Add tea (Go)</button></form>
<p><a href="/cart">The cart (Go)</a></p>`

main().catch((err) => { console.error(err); process.exit(1) })
