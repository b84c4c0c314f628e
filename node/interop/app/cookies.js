// Express applications with their sessions in cookies, for the tests of the
// folder above. It prints its address, and ends when its input does.
'use strict'

const express = require('express')
const session = require('express-session')
const clientSessions = require('client-sessions')
const cookieSession = require('cookie-session')

const config = JSON.parse(process.env.CONFIG)
const app = express()
app.use(express.json())

// The store of the double backup is always away: each session is made of the
// copy in the cookie, and the copy of it.
const back = clientSessions({ cookieName: 'backup', secret: config.secret, duration: 24 * 3600 * 1000 })
app.use('/double', back, (req, res, next) => {
  req.sessionID = 'none'
  req.session = new session.Session(req)
  req.session.cookie = new session.Cookie({ httpOnly: false })
  Object.assign(req.session, req.backup.sessionBack)
  req.backup.sessionBack = req.session
  next()
})
app.use('/client', clientSessions({ cookieName: 'session', secret: config.secret }))
app.use('/cookie', cookieSession({ name: 'session', keys: [config.secret] }))

app.post(/.*/, (req, res) => { Object.assign(req.session, req.body); res.json({}) })
app.get(/.*/, (req, res) => res.json({ user: req.session.user }))

const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit(0)).resume()
