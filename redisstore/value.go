package redisstore

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-go/session"
	"github.com/redis/rueidis"
)

// A value in Redis is the record's version, 16 bytes, and then its data. The last bytes of a
// version are a checksum of the record's ID: no protocol of Redis's says to which command an
// answer belongs, so that behind an answer too many each caller would get another's record.
const (
	versionSize = len(session.Version{})
	randomSize  = versionSize - 4
)

// maxData is what fits a string of 512 MB, the most that a Redis takes unless
// its proto-max-bulk-len says otherwise.
const maxData = 512<<20 - versionSize

// foreign returns the error for a key that holds another program's string.
func foreign(operation, key string) error {
	return fmt.Errorf("session: redis %s: %q: %w", operation, key, errForeign)
}

var errForeign = errors.New("it holds no record of this store; give each application a prefix of its own")

// errAnswer is the answer to another command, or to none.
var errAnswer = errors.New("the server, or a proxy before it, sent an answer that makes no sense")

// newVersion returns a version of a record, which differs from every other even after a
// restart of the server.
func newVersion(id session.ID) session.Version {
	for {
		var v session.Version
		rand.Read(v[:randomSize])
		binary.BigEndian.PutUint32(v[randomSize:], checksum(id))
		if v != session.Absent && v != session.Any {
			return v
		}
	}
}

// isOf reports whether v is a version of the record with this ID.
func isOf(v session.Version, id session.ID) bool {
	return binary.BigEndian.Uint32(v[randomSize:]) == checksum(id)
}

// checksum is FNV-1a.
func checksum(id session.ID) uint32 {
	sum := uint32(2166136261)
	for i := range len(id) {
		sum = (sum ^ uint32(id[i])) * 16777619
	}
	return sum
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
