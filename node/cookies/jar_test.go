package cookies_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/internal/flows"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
	"github.com/holdfast-go/session/node/keygrip"
)

func TestVectors(t *testing.T) {
	type row struct {
		vectors.Request
		Call   string
		Result string
	}
	vectors.Run(t, "cookie-session.json", "cookies", func(t *testing.T, r row) {
		now := int64(1700000000000)
		options := flows.Options(r.Request)
		j := &cookies.Jar{Request: strings.TrimSpace(r.CookieHeader), Keys: flows.Keys(t, script.Member(options, "keys")), Now: time.UnixMilli(now)}
		j.TLS = script.Truthy(script.Member(options, "secure"))
		k := script.NewObject(map[string]script.Value{
			"get": script.Func(func(args ...script.Value) script.Value {
				value, ok := get(j, args)
				if !ok {
					return script.Undefined{}
				}
				return value
			}),
			"set": script.Func(func(args ...script.Value) script.Value {
				value, a := "", (*cookies.Attributes)(nil)
				if len(args) > 1 && script.Truthy(args[1]) {
					value = script.Text(args[1])
				}
				if len(args) > 2 {
					a = flows.Attributes(args[2])
				}
				if err := j.Set(script.Text(args[0]), value, a); err != nil {
					script.Throw(err.Error())
				}
				return nil
			}),
		})
		v, err := flows.RunSource(t, r.Call, now, k)
		if failed := r.Status == 500; failed != (err != nil) {
			t.Fatalf("got %v, want %d %s", err, r.Status, r.Result)
		} else if failed {
			return
		}
		result, ok := script.JSON(v)
		if !ok {
			result = []byte("null")
		}
		if string(result) != r.Result {
			t.Errorf("got %s, want %s", result, r.Result)
		}
		if got := flows.Text(j.Header()); !slices.Equal(got, r.SetCookie) {
			t.Errorf("got  %q\nwant %q", got, r.SetCookie)
		}
	})
}

func get(j *cookies.Jar, args []script.Value) (string, bool) {
	name := script.Text(args[0])
	if len(args) < 2 || script.Nullish(args[1]) || script.Member(args[1], "signed") == false ||
		j.Keys == nil && script.Member(args[1], "signed") != true {
		return j.Get(name)
	}
	value, ok, err := j.GetSigned(name)
	if err != nil {
		script.Throw(err.Error())
	}
	return value, ok
}

func TestBadCookiesAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		name, value string
		a           cookies.Attributes
	}{
		"no name":                   {"", "b", cookies.Attributes{}},
		"a name with =":             {"a=b", "b", cookies.Attributes{}},
		"a value with a line break": {"a", "b\r\nSet-Cookie: c=d", cookies.Attributes{}},
		"a value with ;":            {"a", "b; domain=evil.test", cookies.Attributes{}},
		"a value beyond Latin-1":    {"a", "值", cookies.Attributes{}},
		"a path with ;":             {"a", "b", cookies.Attributes{Path: "/;x"}},
		"a domain with a blank":     {"a", "b", cookies.Attributes{Domain: "a b"}},
		"a priority":                {"a", "b", cookies.Attributes{Priority: "highest"}},
		"a same-site value":         {"a", "b", cookies.Attributes{SameSite: "some"}},
		"secure over plain HTTP":    {"a", "b", cookies.Attributes{Secure: cookies.Always}},
	} {
		j := new(cookies.Jar)
		if err := j.Set(test.name, test.value, &test.a); err == nil {
			t.Errorf("%s: got %q and no error", name, j.Header())
		}
	}
}

func FuzzJar(f *testing.F) {
	f.Add("a=b; a.sig=daC_r78ln8xSrKOlvsJIqtKd5bY", "a", "b")
	f.Add(`a="b"; a.sig=zzz`, "a", "\xff")
	f.Add("a=b", "a;", "c d,\"e\"")
	keys, err := keygrip.New([][]byte{[]byte("k1")}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, name, value string) {
		j := &cookies.Jar{Request: header, Keys: keys}
		if got, ok, err := j.GetSigned(name); ok {
			signature, _ := j.Get(name + ".sig")
			if err != nil || !keys.Verify(name+"="+got, signature) {
				t.Errorf("%q: %q counts as signed", header, got)
			}
		}
		j = &cookies.Jar{Keys: keys}
		ascii := !strings.ContainsFunc(name+value, func(r rune) bool { return r > unicode.MaxASCII })
		if !ascii || value == "" || value[0] == '"' || j.Set(name, value, &cookies.Attributes{}) != nil {
			return
		}
		var back cookies.Jar
		back.Keys = keys
		for i, h := range j.Header() {
			pair := h[:len(h)-len("; path=/; httponly")]
			if i > 0 {
				back.Request += ";"
			}
			back.Request += pair
		}
		if got, ok, err := back.GetSigned(name); err != nil || !ok && name[0] != ' ' || ok && got != value {
			t.Errorf("%q=%q: got %q, %v, %v from %q", name, value, got, ok, err, back.Request)
		}
	})
}
