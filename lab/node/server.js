// The lab's application on Express. It is started like the other peers: it prints the
// address of the application and that of the lab's own routes, and ends when its input
// does.
'use strict'

const express = require('express')
const session = require('express-session')

const patience = 20000

async function store () {
  if (process.env.LAB_SERVE === 'express-memcached') {
    const MemcachedStore = require('connect-memcached')(session)
    return new MemcachedStore({ hosts: process.env.LAB_MEMCACHED.split(',') })
  }
  const { RedisStore } = require('connect-redis')
  const client = require('redis').createClient({ url: 'redis://' + process.env.LAB_REDIS })
  client.on('error', (err) => console.error(err))
  await client.connect()
  return new RedisStore({ client })
}

// gates hold requests until the lab lets them go, as gates.go does.
const gates = new Map()

function gate (name) {
  if (!gates.has(name)) {
    const g = {}
    g.arrived = new Promise((resolve) => { g.arrive = resolve })
    g.released = new Promise((resolve) => { g.release = resolve })
    gates.set(name, g)
  }
  return gates.get(name)
}

const within = (promise) => Promise.race([promise, new Promise((resolve) => setTimeout(resolve, patience))])

async function hold (name) {
  if (!name) return
  gate(name).arrive()
  await within(gate(name).released)
}

function application (sessions) {
  const app = express()
  app.use(session({
    store: sessions, secret: 'k'.repeat(32), resave: false, saveUninitialized: false, cookie: { maxAge: 20 * 60 * 1000 }
  }))
  // As the documents of express-session and connect-redis say: without a store there
  // is no req.session.
  app.use((req, res, next) => req.session ? next() : next(new Error('no session')))
  const visit = (req) => ({ user: req.session.user || '', cart: req.session.cart || [] })

  app.post('/login', (req, res, next) => {
    req.session.regenerate((err) => {
      if (err) return next(err)
      req.session.user = req.query.user
      req.session.save((err) => err ? next(err) : res.json(visit(req)))
    })
  })
  app.get('/me', async (req, res) => {
    const v = visit(req)
    await hold(req.query.gate)
    res.json(v)
  })
  app.post('/add', async (req, res, next) => {
    const v = visit(req)
    await hold(req.query.gate)
    v.cart.push(req.query.thing)
    req.session.cart = v.cart
    req.session.save((err) => err ? next(err) : res.json(v))
  })
  app.post('/logout', (req, res, next) => {
    req.session.destroy((err) => err ? next(err) : res.json({ user: '', cart: [] }))
  })
  return app
}

function control () {
  const app = express()
  app.get('/ready', (req, res) => res.sendStatus(204))
  app.get('/arrived', async (req, res) => {
    await within(gate(req.query.gate).arrived)
    res.sendStatus(204)
  })
  app.post('/release', (req, res) => {
    gate(req.query.gate).release()
    res.sendStatus(204)
  })
  return app
}

async function main () {
  const app = application(await store()).listen(0, '127.0.0.1', () => {
    const own = control().listen(0, '127.0.0.1', () => {
      console.log('127.0.0.1:' + app.address().port + ' 127.0.0.1:' + own.address().port)
    })
  })
  app.keepAliveTimeout = 0
  process.stdin.on('end', () => process.exit(0)).resume()
}

main().catch((err) => { console.error(err); process.exit(1) })
