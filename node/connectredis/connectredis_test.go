package connectredis_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/connectredis"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
)

const file = "connect-redis.json"

type row struct {
	vectors.Row
	StoreOptions struct {
		Prefix                   *string
		TTL                      any
		DisableTTL, DisableTouch bool
		Serializer               any
	}
	Now      int64
	Commands []string // as MONITOR prints them
	Result   struct {
		Err *string
		V   any
	}
}

// The rows do not hold the session that the store was given. Where it was
// saved it stands in the command, else in the name.
const (
	minute      = `{"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","httpOnly":true,"path":"/"},"user":"bob"}`
	untilClosed = `{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":"bob"}`
)

// named returns the session that a row's name tells of, or "".
func named(t *testing.T, name string, now time.Time) string {
	t.Helper()
	if strings.Contains(name, "no maxAge") {
		return untilClosed
	}
	if strings.Contains(name, "negative ttl") {
		return withMaxAge(t, "-5000", now)
	}
	_, after, ok := strings.Cut(name, "maxAge ")
	if !ok {
		return ""
	}
	ms := strings.TrimRight(strings.Fields(after)[0], ",:")
	if _, err := strconv.ParseFloat(ms, 64); err != nil {
		return ""
	}
	return withMaxAge(t, ms, now)
}

func TestStoreVectors(t *testing.T) {
	vectors.Run(t, file, "cases", func(t *testing.T, r row) {
		now := time.UnixMilli(r.Now)
		o := options(t, r)
		var want [][]string
		for _, c := range r.Commands {
			want = append(want, unquote(t, c))
		}
		operation := strings.TrimRight(strings.Fields(r.Name)[0], ",:")
		var got []string
		switch operation {
		case "set":
			if len(want) != 1 {
				t.Fatalf("%d commands, want one", len(want))
			}
			stored := named(t, r.Name, now)
			switch {
			case len(want[0]) > 2:
				stored = want[0][2]
			case stored == "" && o.TTL != 0: // destroyed, by the option
				stored = untilClosed
			case stored == "":
				stored = withMaxAge(t, "-1000", now)
			}
			got = o.Set(id(t, o, want[0][1]), record(t, stored, now), now)
		case "touch":
			stored := named(t, r.Name, now)
			if stored == "" {
				stored = minute
			}
			name := "apple"
			if len(want) == 1 {
				name = id(t, o, want[0][1])
			}
			got = o.Touch(name, record(t, stored, now), now)
			if o.TTL != 0 && len(want) == 1 && !slices.Equal(got, want[0]) { // it was a session without an end
				got = o.Touch(name, record(t, untilClosed, now), now)
			}
		case "destroy":
			got = o.Destroy(id(t, o, want[0][1]))
		case "get":
			name := id(t, o, want[0][1])
			got = o.Get(name)
			value := map[string]string{"bad": "{bad", "empty": ""}[name] // what was stored
			if r.Result.V == nil {
				found, err := o.Parse([]byte(value), now)
				if found != nil || (err != nil) != (r.Result.Err != nil) {
					t.Errorf("got %v, %v, want %v", found, err, r.Result.Err)
				}
			}
		default:
			t.Fatalf("%s is no operation that this test knows", operation)
		}
		if len(want) == 0 && got == nil {
			return
		}
		if len(want) != 1 || !slices.Equal(got, want[0]) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

func options(t *testing.T, r row) connectredis.Options {
	t.Helper()
	o := connectredis.Options{DisableTTL: r.StoreOptions.DisableTTL, DisableTouch: r.StoreOptions.DisableTouch}
	if p := r.StoreOptions.Prefix; p != nil {
		o.Prefix, o.NoPrefix = *p, *p == ""
	}
	switch ttl := r.StoreOptions.TTL.(type) {
	case float64:
		o.TTL = time.Duration(ttl) * time.Second
	case string: // a function
		o.TTLOf = func(rec *express.Record) time.Duration {
			f, err := script.Compile(ttl, script.Globals(r.Now))
			if err != nil {
				t.Fatal(err)
			}
			v, err := script.Call(f, script.Of(rec.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			return time.Duration(script.ToNumber(v)) * time.Second
		}
	}
	return o
}

func id(t *testing.T, o connectredis.Options, key string) string {
	t.Helper()
	id, ok := strings.CutPrefix(key, o.Key(""))
	if !ok {
		t.Fatalf("key %q has not the prefix %q", key, o.Key(""))
	}
	return id
}

func record(t *testing.T, stored string, now time.Time) *express.Record {
	t.Helper()
	r, err := express.ParseRecord([]byte(stored), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func withMaxAge(t *testing.T, ms string, now time.Time) string {
	t.Helper()
	c, err := express.NewCookie([]byte(`{"maxAge":`+ms+`}`), now)
	if err != nil {
		t.Fatal(err)
	}
	return string(express.NewRecord(c).Bytes())
}

// unquote undoes MONITOR's quotes.
func unquote(t *testing.T, line string) []string {
	t.Helper()
	var args []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " ") {
		prefix, err := strconv.QuotedPrefix(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s, err := strconv.Unquote(prefix)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, s)
		line = line[len(prefix):]
	}
	return args
}

func TestATouchedSessionIsNotDestroyedByASave(t *testing.T) {
	var o connectredis.Options
	later := time.UnixMilli(1700000000000).Add(90 * time.Second)
	r := record(t, minute, later)
	if got := o.Set("apple", r, later); got[0] != "DEL" {
		t.Errorf("got %q of a session that was not touched, want a DEL as connect-redis has it", got)
	}
	r.Touch(later)
	if got := o.Set("apple", r, later); got[0] != "SET" || got[len(got)-1] != "60" {
		t.Errorf("got %q, want a SET for 60 seconds", got)
	}
}

func TestTheDefaultsAreThoseOfConnectRedis(t *testing.T) {
	var o connectredis.Options
	r := record(t, `{"cookie":{}}`, time.UnixMilli(0))
	if got := o.Set("a", r, time.UnixMilli(0)); !slices.Equal(got, []string{"SET", "sess:a", `{"cookie":{}}`, "EX", "86400"}) {
		t.Errorf("got %q", got)
	}
	if err := r.Set("x", json.RawMessage(`1`)); err != nil {
		t.Fatal(err)
	}
	if got := string(r.Bytes()); got != `{"cookie":{},"x":1}` {
		t.Errorf("got %s", got)
	}
}
