// An Express application with real packages, for the tests of the folder above.
// CONFIG says which. It prints its address, and ends when its input does.
'use strict'

const express = require('express')
const session = require('express-session')

const config = JSON.parse(process.env.CONFIG)

async function store () {
  if (config.redis) {
    const { RedisStore } = require('connect-redis')
    const client = require('redis').createClient({ url: 'redis://' + config.redis })
    client.on('error', () => {}) // without a listener the process dies with Redis
    await client.connect()
    return new RedisStore({ client })
  }
  const MemcachedStore = require('connect-memcached')(session)
  return new MemcachedStore({ hosts: config.memcached, secret: config.cipher, ...config.client })
}

async function main () {
  const app = express()
  app.set('trust proxy', true)
  app.use(express.json())
  const sessions = await store()
  app.use(session({ store: sessions, secret: config.secrets, resave: false, saveUninitialized: false, ...config.session }))

  const answer = (req, res) => {
    const { cookie, 'session/dots': mark, ...fields } = req.session || {}
    res.json({ id: req.session ? req.sessionID : '', fields })
  }
  app.get('/read', answer)
  app.get('/ping', (req, res) => res.send('pong')) // the middleware touches the session nevertheless
  app.post('/set', (req, res) => { Object.assign(req.session, req.body); answer(req, res) })
  app.post('/delete', (req, res) => { for (const name of req.body) delete req.session[name]; answer(req, res) })
  app.post('/clear', (req, res) => {
    for (const name of Object.keys(req.session)) if (name !== 'cookie') delete req.session[name]
    answer(req, res)
  })
  app.post('/maxage', (req, res) => { req.session.cookie.maxAge = req.body.ms; req.session.remembered = req.body.ms; answer(req, res) })
  app.post('/regenerate', (req, res, next) => {
    req.session.regenerate((err) => { if (err) return next(err); Object.assign(req.session, req.body); answer(req, res) })
  })
  app.post('/destroy', (req, res, next) => req.session.destroy((err) => err ? next(err) : answer(req, res)))
  app.post('/slow', (req, res) => { // what it has read it saves when it is told to
    waiting.push(() => { Object.assign(req.session, req.body); answer(req, res) })
  })
  app.post('/slowread', (req, res) => waiting.push(() => answer(req, res)))

  // Outside of the sessions' way:
  const waiting = []
  const control = express()
  control.get('/waiting', (req, res) => res.send(String(waiting.length)))
  control.get('/go', (req, res) => { for (const f of waiting.splice(0)) f(); res.send('gone') })
  control.get('/all', (req, res) => sessions.all((err, list) => res.send(err ? 'error: ' + err.message : String(list.length))))

  const main = app.listen(0, '127.0.0.1', () => {
    const side = control.listen(0, '127.0.0.1', () => console.log(main.address().port + ' ' + side.address().port))
  })
  process.stdin.on('end', () => process.exit(0)).resume()
}

main().catch((err) => { console.error(err); process.exit(1) })
