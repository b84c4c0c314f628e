package redisstore

import (
	"context"
	"strconv"

	"github.com/holdfast-go/session"
	"github.com/redis/rueidis"
)

// script puts ARGV[2] under the key for ARGV[3] milliseconds where the version
// there is ARGV[1]; without those two it deletes the key. Redis runs it atomically.
const script = `local v = redis.call('GETRANGE', KEYS[1], 0, 15)
if v ~= ARGV[1] then
  if #v > 0 and #v < 16 then return -1 end
  return 0
end
if ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1`

// scriptName is script's SHA-1, the name under which Redis keeps it. It is
// written down, and checked by a test, because Go may be told to do without
// SHA-1 (GODEBUG=fips140=only).
const scriptName = "504666d957ba6cd4613cd26736a8bd1e10fd934a"

// compareAndSet is one round trip, and two where a server meets the script for
// the first time since it started: NOSCRIPT says that nothing has run.
func (s *Store) compareAndSet(ctx context.Context, key string, data []byte, version, over session.Version, left int64) error {
	args := [3]string{string(over[:])}
	n := 1
	if left > 0 {
		args[1], args[2] = encode(version, data), strconv.FormatInt(left, 10)
		n = 3
	}
	return s.runScript(ctx, scriptName, script, key, data, args[:n])
}

func (s *Store) runScript(ctx context.Context, name, text, key string, data []byte, args []string) error {
	reply := s.do(ctx, pinLarge(s.client.B().Arbitrary("EVALSHA", name, "1").Keys(key).Args(args...).Build(), data))
	if e, ok := rueidis.IsRedisErr(reply.Error()); ok && e.IsNoScript() {
		reply = s.do(ctx, pinLarge(s.client.B().Arbitrary("EVAL", text, "1").Keys(key).Args(args...).Build(), data))
	}
	done, err := reply.ToInt64()
	switch {
	case err != nil:
		return s.failure(ctx, "save", err)
	case done < 0:
		return foreign("save", key)
	case done == 0:
		return session.ErrConflict
	case done > 1:
		return s.failure(ctx, "save", errAnswer)
	}
	return nil
}
