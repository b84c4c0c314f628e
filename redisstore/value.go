package redisstore

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/holdfast-go/session"
	"github.com/redis/rueidis"
)

// A value in Redis is the record's version, 16 bytes, and then its data.
const versionSize = len(session.Version{})

// maxData is what fits a string of 512 MB, the most that a Redis takes unless
// its proto-max-bulk-len says otherwise.
const maxData = 512<<20 - versionSize

// foreign returns the error for a key that holds another program's string.
func foreign(operation, key string) error {
	return fmt.Errorf("session: redis %s: %q holds no record of this store; give each application a prefix of its own", operation, key)
}

// errAnswer is the answer to another command, or to none.
var errAnswer = errors.New("the server, or a proxy before it, sent an answer that makes no sense")

// newVersion returns a random version, which differs from every other even after a
// restart of the server.
func newVersion() session.Version {
	for {
		var v session.Version
		rand.Read(v[:])
		if v != session.Absent && v != session.Any {
			return v
		}
	}
}

// encode copies: the client may still read the value when Save has returned,
// if the caller's context ended first.
func encode(v session.Version, data []byte) string {
	value := make([]byte, versionSize+len(data))
	copy(value, v[:])
	copy(value[versionSize:], data)
	return rueidis.BinaryString(value)
}

// pinLarge keeps the client from using c again for another command when the
// reply is there. A server whose proto-max-bulk-len is too low replies while
// the client is still writing c; the limit is never below 1 MB.
func pinLarge(c rueidis.Completed, data []byte) rueidis.Completed {
	if len(data) > 1<<19 {
		return c.Pin()
	}
	return c
}

// decode wants a value of at least versionSize bytes. It does not copy.
func decode(value []byte) session.Record {
	return session.Record{Data: value[versionSize:], Version: session.Version(value)}
}
