package express_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/express"
)

var begin = time.UnixMilli(1700000000000)

func parse(t testing.TB, stored string) *express.Record {
	t.Helper()
	r, err := express.ParseRecord([]byte(stored), begin)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARecordThatIsNotChangedKeepsItsBytes(t *testing.T) {
	const stored = "{ \"user\" : \"\\u0062ob\", \"cookie\":{\"zzz\":1.0,\"path\":\"/\"} ,\"n\":1e2,\n\"n\":12345678901234567890}"
	r := parse(t, stored)
	if got := string(r.Bytes()); got != stored {
		t.Errorf("got %s, want %s", got, stored)
	}
	if err := r.Set("new", json.RawMessage(`[ 1 ]`)); err != nil {
		t.Fatal(err)
	}
	const want = `{"user":"\u0062ob","cookie":{"zzz":1.0,"path":"/"},"n":12345678901234567890,"new":[ 1 ]}`
	if got := string(r.Bytes()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestATouchChangesTheTimesAlone(t *testing.T) {
	r := parse(t, `{"a":1,"cookie":{"zzz":{"x":1},"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","secure":true},"b":2}`)
	r.Touch(begin.Add(10 * time.Second))
	const want = `{"a":1,"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:30.000Z","secure":true,"httpOnly":true,` +
		`"path":"/","zzz":{"x":1}},"b":2}`
	if got := string(r.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.Touch(begin.Add(20 * time.Second))
	if got := string(r.Bytes()); !strings.Contains(got, "22:14:40.000Z") {
		t.Errorf("a second touch: got %s", got)
	}
}

func TestASessionWithoutAnOriginalMaxAgeEndsWithTheBrowserAfterATouch(t *testing.T) {
	r := parse(t, `{"cookie":{"expires":"2023-11-14T22:14:20.000Z"}}`)
	if e, ends := r.Cookie().Expires(); !ends || e.UnixMilli() != 1700000060000 {
		t.Errorf("got %v, %v", e, ends)
	}
	r.Touch(begin)
	if e, ends := r.Cookie().Expires(); ends {
		t.Errorf("got %v, want no end", e)
	}
	if got := string(r.Bytes()); strings.Contains(got, "expires") {
		t.Errorf("got %s, want no expires", got)
	}
}

func TestStoredCookiesAreTakenAsTheyCome(t *testing.T) {
	for _, test := range []struct{ name, cookie, want string }{
		{"false", `false`, `{"expires":null,"httpOnly":true,"path":"/"}`},
		{"an array", `[1,2]`, `{"expires":null,"httpOnly":true,"path":"/"}`},
		{"null members", `{"path":null,"httpOnly":null}`, `{"expires":null,"httpOnly":null,"path":null}`},
		{"an invalid date", `{"expires":"","originalMaxAge":5}`, `{"originalMaxAge":5,"expires":null,"httpOnly":true,"path":"/"}`},
		{"a maxAge", `{"maxAge":1500.7}`, `{"expires":"2023-11-14T22:13:21.500Z","httpOnly":true,"path":"/"}`},
		{"a maxAge before a date", `{"maxAge":1,"expires":"2023-11-14T22:14:20Z"}`, `{"expires":"2023-11-14T22:14:20.000Z","httpOnly":true,"path":"/"}`},
		{"a name twice", `{"path":"/a","path":"/b"}`, `{"expires":null,"httpOnly":true,"path":"/b"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := parse(t, `{"cookie":`+test.cookie+`}`)
			if got := string(r.Cookie().JSON()); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// refused make the middleware answer 500, or crash.
var refused = []string{
	"", "null", "[]", "{}", `{"cookie":null}`, `{"cookie":"x"}`, `{"cookie":1}`, `{"cookie":true}`, `{"cookie":{}`,
	`{"cookie":{"originalMaxAge":"60000"}}`, `{"cookie":{"maxAge":"60000"}}`, `{"cookie":{}}x`, "\ufeff{\"cookie\":{}}",
}

func TestWhatTheMiddlewareFailsAtIsRefused(t *testing.T) {
	for _, stored := range refused {
		if _, err := express.ParseRecord([]byte(stored), begin); err == nil {
			t.Errorf("%s: got no error", stored)
		}
	}
}

func TestReservedNamesAreDroppedAndRefused(t *testing.T) {
	r := parse(t, `{"cookie":{},"id":1,"a":2,"__proto__":{"x":1},"toString":3}`)
	if got := string(r.Bytes()); got != `{"cookie":{},"a":2}` {
		t.Errorf("got %s", got)
	}
	for _, name := range []string{"cookie", "id", "save", "__proto__", "hasOwnProperty", "\xff"} {
		if err := r.Set(name, json.RawMessage("1")); err == nil {
			t.Errorf("%q: got no error", name)
		}
	}
	r.Delete("cookie")
	if _, ok := r.Get("cookie"); ok || !slices.Equal(r.Names(), []string{"a"}) {
		t.Errorf("got %q", r.Names())
	}
}

func TestOptionsThatNoCookieCanHaveAreErrors(t *testing.T) {
	for _, config := range []string{`[]`, `{"maxAge":"1"}`, `{"expires":"soon"}`, `nope`} {
		if _, err := express.NewCookie([]byte(config), begin); err == nil {
			t.Errorf("%s: got no error", config)
		}
	}
	for _, config := range []string{
		`{"domain":"a b"}`, `{"domain":1}`, `{"path":"/;"}`, `{"priority":"x"}`, `{"sameSite":"x"}`, `{"sameSite":1}`, `{"expires":1}`, `{"sameSite":"\u017ftrict"}`,
	} {
		c, err := express.NewCookie([]byte(config), begin)
		if err != nil {
			t.Fatal(err)
		}
		if header, err := c.SetCookie("a", "b"); err == nil {
			t.Errorf("%s: got %s", config, header)
		}
	}
	c, err := express.NewCookie(nil, begin)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range [][2]string{{"", "b"}, {"a b", "c"}, {"a\r\n", "c"}, {"a", "\xff"}} {
		if header, err := c.SetCookie(test[0], test[1]); err == nil {
			t.Errorf("%q: got %s", test, header)
		}
	}
}

func TestNewIDsAreThirtyTwoCharactersEachTimeOthers(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		id := express.NewID()
		if len(id) != 32 || seen[id] || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("got %q", id)
		}
		seen[id] = true
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	s := newSecrets(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{s, *s} {
			if got := fmt.Sprintf(format, v); got != "[secrets]" {
				t.Errorf("%s: got %s", format, got)
			}
		}
	}
	if _, err := express.NewSecrets(); err == nil {
		t.Error("no secret: got no error")
	}
	if _, err := express.NewSecrets([]byte("hush"), nil); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("an empty secret: got %v", err)
	}
}

func newSecrets(t testing.TB) *express.Secrets {
	t.Helper()
	s, err := express.NewSecrets([]byte("keyboard cat"), []byte("older secret"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func FuzzReadCookie(f *testing.F) {
	const mac = "D8Y%2BpkTAmeR0PobOhY4G97PRW%2Bj7bUnP%2F5m6%2FOn1MCU"
	for _, header := range []string{
		"connect.sid=s%3Aapple." + mac, "a=1;\t connect.sid \t= s%3Aapple." + mac + " ; b=2", `connect.sid="`,
		"connect.sid=s%3Aapple.AAAA; connect.sid=s%3Aapple." + mac, // the first one counts
		"connect.sid=S%3Aapple." + mac, "connect.sid=apple." + mac, "connect.sid=s%3Aapple." + mac + "%3D",
		"connect.sid=s%3A.aJcKKTu8Uv0mRiw7LTI435t%2BpOa%2BgiU%2FWLAuLCKGEFc", "connect.sid=s%3Aapple.%ZZ",
		"connect.sid=s:\xc3\xbc.vAKM7Wwa+g4s7h7NWYnVFPRas7e25piGQT83KnUf/gA", "connect.sid", ";;=;",
	} {
		f.Add(header, "apple")
	}
	s := newSecrets(f)
	f.Fuzz(func(t *testing.T, header, id string) {
		if got, i, ok := s.Read(header, "connect.sid"); ok {
			value, found := express.ReadCookie(header, "connect.sid")
			if !found || got == "" || i > 1 || i == 0 && value != s.Sign(got) || !strings.HasPrefix(value, "s:"+got+".") {
				t.Errorf("%q: got %q from %q", header, got, value)
			}
		}
		c, err := express.NewCookie(nil, begin)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := c.SetCookie("connect.sid", s.Sign(id))
		if err != nil {
			return
		}
		pair, _, _ := strings.Cut(sent, ";")
		back, _, ok := s.Read("x=y; "+pair+"; "+header, "connect.sid")
		if ok != (id != "") && len(id) < 4096 || ok && back != id {
			t.Errorf("%q: got %q, %v back from %q", id, back, ok, sent)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, stored := range refused {
		f.Add([]byte(stored), "a", int64(0))
	}
	f.Add([]byte(`{"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","httpOnly":true,"path":"/"},"user":"bob"}`), "user", int64(5))
	f.Add([]byte(`{"cookie":{"originalMaxAge":1e300,"expires":1e300,"maxAge":-1e300,"sameSite":true}}`), "1", int64(math.MaxInt64))
	f.Add([]byte(`{"cookie":false,"cookie":[],"__proto__":{}}`), "__proto__", int64(-1))
	f.Fuzz(func(t *testing.T, stored []byte, name string, ms int64) {
		r, err := express.ParseRecord(stored, begin)
		if slices.Contains(refused, string(stored)) != (err != nil) && err == nil {
			t.Fatalf("%q: accepted", stored)
		}
		if err != nil {
			return
		}
		names := r.Names()
		now := begin.Add(time.Duration(ms % int64(time.Hour)))
		r.Touch(now)
		text := r.Bytes()
		if !json.Valid(text) || !json.Valid(r.Cookie().JSON()) {
			t.Fatalf("%q: got %s", stored, text)
		}
		again, err := express.ParseRecord(text, now)
		if err != nil {
			t.Fatalf("%q: %v in %s", stored, err, text)
		}
		if got := again.Names(); !slices.Equal(got, names) {
			t.Errorf("%q: got %q, want %q", stored, got, names)
		}
		again.Touch(now)
		if got := again.Bytes(); string(got) != string(text) {
			t.Errorf("%q: got %s, want %s", stored, got, text)
		}
		if header, err := r.Cookie().SetCookie("a", "b"); err == nil && strings.ContainsAny(header, "\r\n\x00") {
			t.Errorf("%q: got %q", stored, header)
		}
		if r.Set(name, json.RawMessage(`"x"`)) == nil {
			if value, ok := r.Get(name); !ok || string(value) != `"x"` || !json.Valid(r.Bytes()) {
				t.Errorf("%q: %q: got %s", stored, name, r.Bytes())
			}
		}
	})
}
