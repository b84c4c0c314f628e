// Reads Cookie headers, in JSON and as Node's server hands them on, one
// character a byte. Prints for each what the packages find under the name: that
// of express-session, and the two versions of cookies.
'use strict'

const { createRequire } = require('node:module')

const of = (parent, name) => createRequire(require.resolve(parent))(name)
const { parse } = of('express-session', 'cookie')
const jars = [of('cookie-session', 'cookies'), of('client-sessions', 'cookies')]

const { name, headers } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
const found = (value) => value === undefined ? null : value
console.log(JSON.stringify(headers.map((header) => [
  found(parse(header)[name]),
  ...jars.map((Cookies) => found(new Cookies({ headers: { cookie: header } }, {}).get(name))),
])))
