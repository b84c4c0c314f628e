package redisstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

// garbage is bytes that no server answers to any command of a store.
var garbage = map[string]string{
	"an unknown type":             "HTTP/1.1 400 Bad Request\r\n\r\n",
	"a negative length":           "$-2\r\n",
	"a length beyond all":         "$9223372036854775807\r\n",
	"a length of 2^64 and more":   "$99999999999999999999\r\n",
	"a length that is no number":  "$x\r\n",
	"a line without CR":           "$\n",
	"an array of negative length": "*-2\r\n",
	"an array beyond all":         "*9223372036854775807\r\n",
	"a map of negative length":    "%-3\r\n",
	"an empty array":              "*0\r\n",
	"an array of one":             "*1\r\n:1\r\n",
	"an array of two arrays":      "*2\r\n*0\r\n*0\r\n",
	"a map":                       "%1\r\n+a\r\n+b\r\n",
	"a set":                       "~1\r\n+a\r\n",
	"queued":                      "+QUEUED\r\n",
	"a boolean":                   "#t\r\n",
	"a number":                    ":7\r\n",
	"a float":                     ",1.5\r\n",
	"a short string":              "$3\r\nfoo\r\n",
	"an empty line":               "\r\n",
	"two answers":                 "$3\r\nfoo\r\n$3\r\nbar\r\n",
	"an error too many":           "-ERR first\r\n-ERR second\r\n",
	"a push that nobody asked":    ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n",
	"a push of one":               ">1\r\n+x\r\n<end>",
	"an empty push":               ">0\r\n<end>",
	"a truncated string":          "$100\r\nfoo<end>",
	"a truncated length":          "$10<end>",
	"a truncated array":           "*3\r\n:1\r\n<end>",
	"nothing":                     "<end>",
}

// Whatever a server answers: the process lives, the error is a plain one, nothing that
// may have written is sent twice, and the next answer that makes sense is taken.
func TestGarbageIsAPlainErrorAndEndsNothing(t *testing.T) {
	srv := redistest.Start(t)
	for name, bytes := range garbage {
		t.Run(name, func(t *testing.T) {
			for _, cached := range []bool{false, true} {
				tryGarbage(t, srv, bytes, cached)
			}
		})
	}
}

func tryGarbage(t *testing.T, srv *redistest.Server, bytes string, cached bool) {
	p := startProxy(t, srv)
	options := []redisstore.Option{redisstore.Prefix(t.Name())}
	calls := map[string]func(*redisstore.Store, session.Version) error{
		"GET": func(s *redisstore.Store, _ session.Version) error {
			_, err := s.LoadFresh(within(t, patience), "x")
			return err
		},
		"SET": func(s *redisstore.Store, _ session.Version) error {
			_, err := s.Save(within(t, patience), "x", record("b"), session.Any)
			return err
		},
		"EVALSHA": func(s *redisstore.Store, v session.Version) error {
			_, err := s.Save(within(t, patience), "x", record("b"), v)
			return err
		},
		"DEL": func(s *redisstore.Store, _ session.Version) error {
			_, err := s.Save(within(t, patience), "x", expired(), session.Any)
			return err
		},
		"EXISTS": func(s *redisstore.Store, _ session.Version) error {
			_, err := s.Save(within(t, patience), "x", expired(), session.Absent)
			return err
		},
		"SCAN": func(s *redisstore.Store, _ session.Version) error {
			for _, err := range s.List(within(t, patience)) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"INFO": func(s *redisstore.Store, _ session.Version) error {
			_, err := s.Evictions(within(t, patience), s.Shard("x"))
			return err
		},
	}
	if cached {
		options = append(options, redisstore.ClientCache(patience))
		load := func(s *redisstore.Store, _ session.Version) error {
			_, err := s.Load(within(t, patience), "x")
			return err
		}
		calls = map[string]func(*redisstore.Store, session.Version) error{
			"CLIENT": load, "MULTI": load, "PTTL": load, "GET": load, "EXEC": load,
		}
	}
	for command, call := range calls {
		o, err := redisstore.ClientOption(p.url(), options...)
		if err != nil {
			t.Fatal(err)
		}
		s := redisstore.New(newClientOf(t, o), options...)
		v := mustSave(t, s, "x", record("a"), session.Any)
		v = mustSave(t, s, "x", record("a"), v)
		p.answer(command, bytes)
		err = call(s, v)
		took := p.took()
		p.answer(command, "")
		isNumber := strings.HasPrefix(bytes, ":") && (command == "DEL" || command == "EXISTS")
		if err == nil && !cached && !isNumber || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrTooLarge) ||
			errors.Is(err, errDeadline) || errors.Is(err, session.ErrConflict) && !isNumber {
			t.Errorf("cache %v: %s: got %v, want a plain error, at once", cached, command, err)
		}
		if err != nil && strings.Contains(err.Error(), "foo") {
			t.Errorf("%s: the error shows what may be another's session: %v", command, err)
		}
		writes := slices.Contains([]string{"SET", "EVALSHA", "DEL"}, command)
		if writes && len(took) != 1 {
			t.Errorf("%s: sent %d times", command, len(took))
		}
		eventually(t, "a load that is answered", func() bool {
			_, err := s.Load(within(t, patience), "x")
			return err == nil
		})
	}
}
