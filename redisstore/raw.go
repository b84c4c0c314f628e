package redisstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strconv"

	"github.com/holdfast-go/session"
)

// Raw keeps records as they are, with nothing in front of them, so that other
// programs can read and write them: those of package node/express, with
// Prefix("sess:"), are what connect-redis has.
//
// A Version is then a hash of the data. Two saves of the same bytes have the same
// Version, and the Version comes again when the bytes do: a save over it cannot
// tell that another record stood there in between. A session.Format sees to it
// that no two writes have the same bytes.
//
// The hash is SHA-1, which a script in Redis can compute: under
// GODEBUG=fips140=only there is no Raw. An attacker that makes two records of
// one hash can only overwrite the one with the other, and both are of one
// session.
func Raw() Option { return func(s *Store) { s.raw = true } }

// IsRaw reports whether the store was made with Raw. A format that shares the records
// with other programs asks for it, see package node/express.
func (s *Store) IsRaw() bool { return s.raw }

// rawScript is script for records without a version: it compares ARGV[1] with
// the hash of what stands there.
const rawScript = `local v = redis.call('GET', KEYS[1])
if not v or string.sub(redis.sha1hex(v), 1, 32) ~= ARGV[1] then return 0 end
if ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1`

const rawScriptName = "8098259afd93ed3d37f9cf6c78d49cd197b7a5fc"

func hashVersion(data []byte) session.Version {
	sum := sha1.Sum(data)
	return session.Version(sum[:])
}

// version is that of a record that is about to be written.
func (s *Store) version(id session.ID, data []byte) session.Version {
	if s.raw {
		return hashVersion(data)
	}
	return newVersion(id)
}

// value is what is stored of a record.
func (s *Store) value(version session.Version, data []byte) string {
	if s.raw {
		return string(data)
	}
	return encode(version, data)
}

func (s *Store) compareAndSetRaw(ctx context.Context, key string, data []byte, over session.Version, left int64) error {
	args := [3]string{hex.EncodeToString(over[:])}
	n := 1
	if left > 0 {
		args[1], args[2] = string(data), strconv.FormatInt(left, 10)
		n = 3
	}
	return s.runScript(ctx, rawScriptName, rawScript, key, data, args[:n])
}
