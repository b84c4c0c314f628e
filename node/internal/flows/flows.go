// Package flows helps tests to run the requests of the vectors: the handler,
// the objects that it sees, and the options that it gives.
package flows

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
	"github.com/holdfast-go/session/node/keygrip"
)

// Run runs a row's handler, and returns what it returns and what it throws.
func Run(t *testing.T, r vectors.Request, args ...script.Value) (script.Value, error) {
	t.Helper()
	return RunSource(t, r.Handler, r.Now, args...)
}

// RunSource is Run of a source.
func RunSource(t *testing.T, source string, now int64, args ...script.Value) (script.Value, error) {
	t.Helper()
	f, err := script.Compile(source, script.Globals(now))
	if err != nil {
		t.Fatal(err)
	}
	v, err := script.Call(f, args...)
	if thrown := (script.Thrown{}); err != nil && !errors.As(err, &thrown) {
		t.Fatal(err) // more JavaScript than is known
	}
	return v, err
}

// Options returns a row's options.
func Options(r vectors.Request) *script.Object {
	if o, ok := script.Of(r.Options).(*script.Object); ok {
		return o
	}
	return new(script.Object)
}

// Keys returns the keys that an option holds, or nil.
func Keys(t *testing.T, v script.Value) *keygrip.Keys {
	t.Helper()
	a, ok := v.(*script.Array)
	if !ok {
		return nil
	}
	var keys [][]byte
	for _, key := range a.Items {
		keys = append(keys, []byte(script.Text(key)))
	}
	k, err := keygrip.New(keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Attributes returns the cookie options that an object holds.
func Attributes(v script.Value) *cookies.Attributes {
	if script.Nullish(v) {
		return nil
	}
	a := new(cookies.Attributes)
	text := func(name string) string {
		if s, ok := script.Member(v, name).(string); ok {
			return s
		}
		return ""
	}
	is := func(name string, b bool) bool { return script.Member(v, name) == b }
	a.Path = text("path")
	a.Domain = text("domain")
	a.Priority = text("priority")
	a.SameSite = text("sameSite")
	path := script.Member(v, "path")
	a.NoPath = path == nil || path == "" || is("path", false)
	if is("sameSite", true) {
		a.SameSite = "strict"
	}
	if ms, ok := script.Member(v, "maxAge").(float64); ok {
		a.MaxAge = time.Duration(ms * float64(time.Millisecond))
	}
	switch e := script.Member(v, "expires").(type) {
	case *script.Object:
		a.Expires = time.UnixMilli(int64(script.ToNumber(e)))
	case string: // a Date that the vectors hold as text
		if ms, ok := js.ParseDate(e); ok {
			a.Expires = time.UnixMilli(ms)
		}
	}
	switch {
	case is("secureProxy", true):
		a.Secure = cookies.AlwaysProxied
	case is("secure", true):
		a.Secure = cookies.Always
	case is("secure", false):
		a.Secure = cookies.Never
	}
	a.Scripts = is("httpOnly", false)
	a.Partitioned, a.Overwrite = is("partitioned", true), is("overwrite", true)
	a.Signed, a.Unsigned = is("signed", true), is("signed", false)
	return a
}

// Text returns headers as JavaScript has them.
func Text(headers []string) []string {
	out := make([]string, len(headers))
	for i, h := range headers {
		out[i] = js.Latin1(h)
	}
	return out
}

// Response returns Node's response object, and where its body goes.
func Response() (*script.Object, *string) {
	body := new(string)
	return script.NewObject(map[string]script.Value{
		"end": script.Func(func(args ...script.Value) script.Value {
			if len(args) > 0 {
				*body += script.Text(args[0])
			}
			return nil
		}),
		"write": script.Func(func(args ...script.Value) script.Value {
			*body += script.Text(args[0])
			return true
		}),
	}), body
}

// Store makes the fields of a session those of the object that a handler has
// changed. Fields that have not changed keep their bytes.
func Store(t testing.TB, f *fields.Fields, object *script.Object) {
	t.Helper()
	for _, name := range f.Names() {
		if _, ok := object.Own(name); !ok {
			f.Delete(name)
		}
	}
	for _, name := range object.Names() {
		v, _ := object.Own(name)
		text, ok := script.JSON(v)
		if !ok {
			f.Delete(name)
			continue
		}
		if old, ok := f.Get(name); ok && string(old) == string(text) {
			continue
		}
		if err := f.Set(name, text); err != nil {
			t.Fatal(err)
		}
	}
}
