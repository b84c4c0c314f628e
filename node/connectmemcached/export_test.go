package connectmemcached

import "io"

// SetRandom has c take its randomness from r.
func (c *Cipher) SetRandom(r io.Reader) { c.random = r }

// WireKey is the client's rule for keys.
func WireKey(key string, noLong bool) (string, error) { return wireKey(key, noLong) }
