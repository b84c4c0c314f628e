package vectors

import "strings"

// Skip is a row of the vectors that does not apply to Go. A Name that ends in
// "*" is that of all rows that begin so, but for those that begin as But says.
type Skip struct {
	File, Section, Name, Reason string

	But []string
}

func (s Skip) has(name string) bool {
	for _, but := range s.But {
		if strings.HasPrefix(name, but) {
			return false
		}
	}
	prefix, all := strings.CutSuffix(s.Name, "*")
	return s.Name == name || all && strings.HasPrefix(name, prefix)
}

const (
	wholeStore = "it asks for all sessions of the store, which no session does"
	serializer = "another text than JSON is the application's own codec"
	general    = "it is about another command, value or answer of the Node client than sessions have; the row does not hold what was called"
	corrupt    = "Node makes another command of this key, and Go refuses it"
	leaks      = "a bug by which one visitor's call changes the cookies of the others"
	checked    = "the MAC was changed, which Node computes and does not compare, and Go does"
)

// Skips is the list of them all.
var Skips = []Skip{
	{File: "connect-redis.json", Section: "cases", Name: "set, serializer*", Reason: serializer},
	{File: "connect-redis.json", Section: "cases", Name: "get, serializer*", Reason: serializer},
	{File: "connect-redis.json", Section: "cases", Name: "ids*", Reason: wholeStore},
	{File: "connect-redis.json", Section: "cases", Name: "length*", Reason: wholeStore},
	{File: "connect-redis.json", Section: "cases", Name: "all*", Reason: wholeStore},
	{File: "connect-redis.json", Section: "cases", Name: "clear*", Reason: wholeStore},
	{File: "connect-memcached.json", Section: "cases", Name: "length*", Reason: wholeStore},
	{File: "connect-memcached.json", Section: "cases", Name: "clear*", Reason: wholeStore},
	{
		File: "memcached-client.json", Section: "cases", Name: "*", Reason: general,
		But: []string{"key ", "long key", "unicode key"},
	},
	{File: "memcached-client.json", Section: "cases", Name: "key with $`*", Reason: corrupt},
	{File: "memcached-client.json", Section: "cases", Name: "key with $'*", Reason: corrupt},
	{File: "connect-memcached-encrypted.json", Section: "negative", Name: "flip a byte of the stored hmac*", Reason: checked},
	{File: "client-sessions.json", Section: "http", Name: "BUG in 0.8.0: setDuration*", Reason: leaks},
}
