package express_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/sessiontest"
)

func formatOf(t testing.TB, change func(*express.Profile)) foreign.Format {
	t.Helper()
	s, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	p := &express.Profile{Secrets: s, Cookie: minute}
	if change != nil {
		change(p)
	}
	o, err := p.Options()
	if err != nil {
		t.Fatal(err)
	}
	return o.Format.(foreign.Format)
}

// fill returns a live state with values that were written by one instance.
func fill(entries ...state.Entry) state.State {
	ms := begin.UnixMilli()
	s := state.State{Created: ms, Authenticated: ms, LastSeen: ms, End: ms + 1e9}
	slices.SortFunc(entries, func(a, b state.Entry) int { return bytes.Compare(a.Name, b.Name) })
	for _, e := range entries {
		s.Entries = e.Append(s.Entries)
	}
	return s
}

func wrote(name, value string, clock uint64) state.Entry {
	return state.Entry{Name: []byte(name), Value: []byte(value), Dot: state.Dot{Clock: clock, Instance: 7}}
}

// replaced returns the entries with e in the place of the one of its name, if there
// is one.
func replaced(l state.Entries, e state.Entry) (out state.Entries) {
	for len(l) > 0 {
		old, rest, _ := l.Cut()
		if string(old.Name) == string(e.Name) {
			old = e
		}
		out = old.Append(out)
		l = rest
	}
	return out
}

func encode(t testing.TB, f foreign.Format, s state.State) string {
	t.Helper()
	data, _, err := f.Encode(context.Background(), s, begin)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func decode(t testing.TB, f foreign.Format, data string) state.State {
	t.Helper()
	s, err := f.Decode([]byte(data), begin)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return s
}

// show writes entries as name=value@clock.instance.
func show(s state.State) string {
	var b []string
	for l := s.Entries; len(l) > 0; {
		e, rest, _ := l.Cut()
		l = rest
		value := string(e.Value)
		switch e.Flags.Kind() {
		case state.Deleted:
			value = "-"
		case state.Withheld:
			value = "?"
		}
		b = append(b, fmt.Sprintf("%s=%s@%d.%d", e.Name, value, e.Dot.Clock, e.Dot.Instance))
	}
	return strings.Join(b, " ")
}

// edited is what Node makes of a record: parsed, changed, and written again.
func edited(t testing.TB, data string, change func(map[string]json.RawMessage)) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(data), &m); err != nil {
		t.Fatal(err)
	}
	change(m)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWritesKeepTheirDotsUntilNodeTouchesThem(t *testing.T) {
	f := formatOf(t, nil)
	ours := encode(t, f, fill(
		wrote("cart", `[1, 2.0]`, 1<<20), wrote("flag", `"<b>"`, 2<<20), wrote("user", `"bob"`, 3<<20),
		state.Entry{Name: []byte("gone"), Flags: state.Deleted, Dot: state.Dot{Clock: 4 << 20, Instance: 7}},
		state.Entry{Name: []byte("lost"), Flags: state.Withheld, Dot: state.Dot{Clock: 5 << 20, Instance: 7}},
	))
	all := func(cart, flag, user, more string) string {
		return "cart=" + cart + " flag=" + flag + " gone=-@4194304.7 lost=?@5242880.7" + more + " user=" + user
	}
	const (
		cart, flag, user = `[1,2.0]@1048576.7`, `"\u003cb\u003e"@2097152.7`, `"bob"@3145728.7`
		later            = "@5242881.0"
	)
	for _, test := range []struct {
		name   string
		change func(map[string]json.RawMessage)
		want   string
	}{
		{"written again as it is", func(map[string]json.RawMessage) {}, all(cart, flag, user, "")},
		{"other text, same value", func(m map[string]json.RawMessage) { m["cart"] = []byte(`[1,2]`) }, all("[1,2]@1048576.7", flag, user, "")},
		{"a change", func(m map[string]json.RawMessage) { m["user"] = []byte(`"eve"`) }, all(cart, flag, `"eve"`+later, "")},
		{"a new field", func(m map[string]json.RawMessage) { m["new"] = []byte(`1`) }, all(cart, flag, user, " new=1"+later)},
		{"a field removed", func(m map[string]json.RawMessage) { delete(m, "user") }, all(cart, flag, "-"+later, "")},
		{"a removed field back", func(m map[string]json.RawMessage) { m["gone"] = []byte(`1`) }, strings.Replace(all(cart, flag, user, ""), "gone=-@4194304.7", "gone=1"+later, 1)},
		{"no field of a key", func(m map[string]json.RawMessage) { m["save"], m[""] = []byte(`1`), []byte(`2`) }, all(cart, flag, user, "")},
		{"all dots lost", func(m map[string]json.RawMessage) { delete(m, "session/dots") }, `cart=[1,2.0]@1.0 flag="\u003cb\u003e"@1.0 user="bob"@1.0`},
		{"dots of nobody", func(m map[string]json.RawMessage) { m["session/dots"] = []byte(`"AQ"`) }, `cart=[1,2.0]@1.0 flag="\u003cb\u003e"@1.0 user="bob"@1.0`},
	} {
		t.Run(test.name, func(t *testing.T) {
			theirs := edited(t, ours, test.change)
			s := decode(t, f, theirs)
			if got := show(s); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if again := show(decode(t, f, theirs)); again != show(s) {
				t.Errorf("got %s the second time", again)
			}
			if pinned := show(decode(t, f, encode(t, f, s))); pinned != show(s) {
				t.Errorf("got %s after a save, want %s", pinned, show(s))
			}
		})
	}
}

func TestWhatGoDoesNotTouchKeepsItsBytesAndItsPlace(t *testing.T) {
	f := formatOf(t, nil)
	const theirs = `{"b/c":{"x": 1.50},"z":12345678901234567890,"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","zzz":true},` +
		`"":"\u0041","id":7,"a":[ 1 ]}`
	s := decode(t, f, theirs)
	s.Entries = replaced(s.Entries, wrote("a", `2`, 9<<20))
	s.LastSeen = begin.UnixMilli()
	got := encode(t, f, s)
	const want = `{"b/c":{"x": 1.50},"z":12345678901234567890,"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","httpOnly":true,"path":"/","zzz":true},` +
		`"":"\u0041","id":7,"a":2,"session/dots":`
	if !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatNodeCouldNotKeepIsRefused(t *testing.T) {
	f := formatOf(t, nil)
	for _, test := range []struct{ name, value, want string }{
		{"save", `1`, "something else of this name"},
		{"id", `1`, "something else of this name"},
		{"n", `9007199254740993`, "make it a string"},
		{"n", `{"a":[12345678901234567890]}`, "make it a string"},
		{"n", "\x00\x01", "not JSON"},
		{"\xff", `1`, "not UTF-8"},
	} {
		data, _, err := f.Encode(context.Background(), fill(wrote(test.name, test.value, 1)), begin)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %s, %v, want an error with %q", test.name, data, err, test.want)
		}
	}
}

func TestATombstoneIsNullAndMore(t *testing.T) {
	f := formatOf(t, nil)
	for reason := state.Destroyed; reason <= state.Revoked; reason++ {
		dead := state.State{Death: state.Death{Dot: state.Dot{Clock: 0x0123456789abcdef, Instance: 0xfedcba98}, Reason: reason}}
		text := encode(t, f, dead)
		var v any = 1
		if err := json.Unmarshal([]byte(text), &v); err != nil || v != nil {
			t.Errorf("%q: got %v, %v, want null", text, v, err)
		}
		got := decode(t, f, text)
		if !got.Dead() || got.Death != dead.Death {
			t.Errorf("got %+v, want %+v", got, dead)
		}
	}
}

func TestWhatNodeTakesForNoSessionIsNone(t *testing.T) {
	f := formatOf(t, nil)
	for _, data := range []string{"", "null", "false", "0", `""`, " null\n", "null" + strings.Repeat(" ", 104), "null" + strings.Repeat("\t", 104)} {
		if s, err := f.Decode([]byte(data), begin); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("%q: got %+v, %v, want ErrNotFound", data, s, err)
		}
	}
	for _, data := range []string{"nope", "{}", `{"cookie":null}`, `{"cookie":"x"}`, `{"cookie":{"originalMaxAge":"60000"}}`, "[1]", "1"} {
		if s, err := f.Decode([]byte(data), begin); err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%q: got %+v, %v, want an error that is not ErrNotFound", data, s, err)
		}
	}
}

func TestASessionEndsWhenItsLifetimeDoesWhateverNodeDoes(t *testing.T) {
	f := formatOf(t, nil)
	s := fill(wrote("a", "1", 1))
	s.End = begin.Add(time.Hour).UnixMilli()
	data := encode(t, f, s)
	if _, err := f.Decode([]byte(data), begin.Add(time.Hour)); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	_, expires, err := f.Encode(context.Background(), s, begin.Add(time.Hour-time.Second))
	if err != nil || expires.After(begin.Add(time.Hour)) {
		t.Errorf("got an expiry of %v, %v, want the end of the session", expires, err)
	}
}

func TestOnlyTheFirstCookieOfTheNameCounts(t *testing.T) {
	a := newApp(t, nil, counts)
	w := httptestGet(a, "")
	good, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	for header, known := range map[string]bool{
		good:                              true,
		`connect.sid="` + good[12:] + `"`: true,
		"connect.sid=s%3Abad; " + good:    false,
		good + "; connect.sid=s%3Abad":    true,
	} {
		if got := httptestGet(a, header).Body.String(); (got != "1") != known {
			t.Errorf("%s: got %s requests of this visitor, want more than one: %v", header, got, known)
		}
	}
}

func FuzzDecode(f *testing.F) {
	format := formatOf(f, nil)
	f.Add([]byte(`{"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z"},"a":1,"10":[],"":0,"save":1}`), "a", "2")
	f.Add([]byte(encode(f, format, fill(wrote("a", `{"b":1}`, 1<<20), wrote("c", `"\ud800"`, 2<<20)))), "c", `null`)
	f.Add([]byte("null"+strings.Repeat(" \t", 52)), "a", "1")
	f.Add([]byte(`{"cookie":{},"a":1,"session/dots":"AQAAAAAA"}`), "", "")
	f.Fuzz(func(t *testing.T, data []byte, name, value string) {
		s, err := format.Decode(data, begin)
		if err != nil || s.Dead() {
			return
		}
		text, _, err := format.Encode(context.Background(), s, begin)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", data, err)
		}
		again, err := format.Decode(text, begin)
		if err != nil || show(again) != show(s) {
			t.Fatalf("%q: got  %s, %v\nwant %s", data, show(again), err, show(s))
		}
		s.Entries = replaced(s.Entries, wrote(name, value, 1<<40))
		if text, _, err = format.Encode(context.Background(), s, begin); err == nil {
			if _, err := format.Decode(text, begin); err != nil {
				t.Errorf("%q was written and cannot be read: %v", text, err)
			}
		}
	})
}

// Express signs the token that it was given: without its secret no token can be
// made of another one.
func TestRotateIsNotForTokensOfExpress(t *testing.T) {
	s, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := (&express.Profile{Secrets: s, Cookie: minute}).Options()
	if err != nil {
		t.Fatal(err)
	}
	m := sessiontest.New(t, o)
	name := session.NewKey[string]("name")
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { name.Set(s, "bob") })
	for _, test := range []struct {
		method string
		change func(*session.Session)
		status int
	}{
		{http.MethodGet, (*session.Session).Rotate, http.StatusInternalServerError},
		{http.MethodPost, (*session.Session).Renew, http.StatusOK},
	} {
		answer := v.Do(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err != nil {
				t.Error(err)
			}
			test.change(s)
			if err := s.Err(); test.status != http.StatusOK && !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Rotate = %v", err)
			}
		})), v.Request(test.method, "/", nil))
		if answer.StatusCode != test.status || name.Or(v.Session(), "") != "bob" {
			t.Errorf("status %d, want %d; name %q", answer.StatusCode, test.status, name.Or(v.Session(), ""))
		}
	}
}
