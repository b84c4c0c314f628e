// Makes rings.json with the real hashring: npm install hashring@3.2.0, then
// node rings.js > rings.json. Each block is the SHA-256 of the servers'
// numbers, a digit each, that 1000 keys in a row have.
const HashRing = require('hashring'), crypto = require('crypto')
const sha256 = s => crypto.createHash('sha256').update(s).digest('hex')
const key = i => i % 10 == 9 ? '键' + i : i % 2 ? 'sess:' + sha256('' + i).slice(0, 32) : 'key' + i

const three = ['10.0.0.1:11211', '10.0.0.2:11211', '10.0.0.3:11211']
const rings = [
  { name: 'default ports', args: three },
  { name: 'other ports', args: ['10.0.0.1:11212', '10.0.0.1:11213', '10.0.0.1:11214'] },
  { name: 'mixed ports', args: ['10.0.0.1:11211', '10.0.0.2:11212'] },
  { name: 'weights', args: { '10.0.0.1:11211': 1, '10.0.0.2:11211': 2, '10.0.0.3:11211': 1 } },
  { name: 'weights that do not divide', args: { '10.0.0.1:11211': 1, '10.0.0.2:11211': 2, '10.0.0.3:11211': 4 } },
  { name: 'weights and vnodes', args: { '10.0.0.1:11211': { weight: 1, vnodes: 50 }, '10.0.0.2:11211': { weight: 2, vnodes: 100 } } },
  { name: 'sha1', args: three, algorithm: 'sha1' },
  { name: 'one server', args: ['127.0.0.1:11211'] },
  { name: 'a server removed', args: three, change: r => r.remove('10.0.0.2:11211'), servers: [{ Addr: three[0] }, { Addr: three[2] }] },
  { name: 'a server swapped', args: three, change: r => r.swap('10.0.0.2:11211', '10.0.0.9:11211'), servers: [{ Addr: three[0] }, { Addr: '10.0.0.9:11211', Label: '10.0.0.2' }, { Addr: three[2] }] },
  { name: 'compatibility hash_ring', args: three, compatibility: 'hash_ring' },
  { name: 'names without a port', args: ['cache-a', 'cache-b', 'cache-c:11212'] },
  { name: 'IPv6 and a unix socket', args: ['[::1]:11211', '/run/memcached.sock', '10.0.0.1:11211'], servers: [{ Addr: '[::1]:11211' }, { Addr: 'unix:///run/memcached.sock' }, { Addr: '10.0.0.1:11211' }] },
]
const out = rings.map(c => {
  const compatibility = c.compatibility || 'ketama'
  // The two options that memcached 2.2.2 passes.
  const ring = new HashRing(c.args, c.algorithm || 'md5', { compatibility, 'default port': compatibility == 'ketama' ? 11211 : null })
  if (c.change) c.change(ring)
  const servers = c.servers || (Array.isArray(c.args) ? c.args.map(Addr => ({ Addr })) : Object.keys(c.args).map(Addr => {
    const v = c.args[Addr]
    return typeof v == 'object' ? { Addr, Weight: v.weight, VNodes: v.vnodes } : { Addr, Weight: v }
  }))
  const number = server => servers.findIndex(s => s.Addr == server || s.Addr == 'unix://' + server)
  const blocks = []
  for (let b = 0; b < 20; b++) {
    let s = ''
    for (let i = b * 1000; i < b * 1000 + 1000; i++) s += number(ring.get(key(i)))
    if (s.includes('-')) throw new Error(c.name)
    blocks.push(sha256(s))
  }
  const points = sha256(ring.ring.map(p => p.value + ' ' + number(p.server) + '\n').join(''))
  return { name: c.name, algorithm: c.algorithm || 'md5', hashRing: !!c.compatibility, servers, points, blocks }
})
console.log(JSON.stringify(out, null, 1))
