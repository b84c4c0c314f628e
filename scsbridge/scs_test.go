package scsbridge_test

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"
)

// What scs's own tests ask of it, and what its users rely on. Each case runs on scs
// and on the bridge.

func TestValuesComeBackWithTheirTypes(t *testing.T) {
	values := map[string]any{
		"string": "bob", "empty": "", "bool": true, "int": 3, "int64": int64(4), "int32": int32(5), "float": 1.5,
		"bytes": []byte("raw"), "time": time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		"profile": profile{"bob", map[string]int{"admin": 1, "editor": 2}},
	}
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		check := func(ctx context.Context) {
			for key, want := range values {
				if got := s.Get(ctx, key); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %#v, want %#v", key, got, want)
				}
			}
		}
		v.do(func(ctx context.Context) {
			for key, val := range values {
				s.Put(ctx, key, val)
			}
			check(ctx) // at once
		})
		v.do(check)
		s.visitor().do(func(ctx context.Context) {
			for key := range values {
				if got := s.Get(ctx, key); got != nil {
					t.Errorf("a stranger gets %s: %#v", key, got)
				}
			}
		})
	})
}

func TestTypedMethodsReturnZeroForAnythingElse(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	each(t, func(t *testing.T, s *site) {
		get := map[string]func(context.Context, string) any{
			"string": func(ctx context.Context, k string) any { return s.GetString(ctx, k) },
			"bool":   func(ctx context.Context, k string) any { return s.GetBool(ctx, k) },
			"int":    func(ctx context.Context, k string) any { return s.GetInt(ctx, k) },
			"int64":  func(ctx context.Context, k string) any { return s.GetInt64(ctx, k) },
			"int32":  func(ctx context.Context, k string) any { return s.GetInt32(ctx, k) },
			"float":  func(ctx context.Context, k string) any { return s.GetFloat(ctx, k) },
			"bytes":  func(ctx context.Context, k string) any { return s.GetBytes(ctx, k) },
			"time":   func(ctx context.Context, k string) any { return s.GetTime(ctx, k) },
		}
		pop := map[string]func(context.Context, string) any{
			"string": func(ctx context.Context, k string) any { return s.PopString(ctx, k) },
			"bool":   func(ctx context.Context, k string) any { return s.PopBool(ctx, k) },
			"int":    func(ctx context.Context, k string) any { return s.PopInt(ctx, k) },
			"float":  func(ctx context.Context, k string) any { return s.PopFloat(ctx, k) },
			"bytes":  func(ctx context.Context, k string) any { return s.PopBytes(ctx, k) },
			"time":   func(ctx context.Context, k string) any { return s.PopTime(ctx, k) },
		}
		values := map[string]any{
			"string": "bob", "bool": true, "int": 3, "int64": int64(4), "int32": int32(5), "float": 1.5,
			"bytes": []byte("raw"), "time": date,
		}
		zeros := map[string]any{
			"string": "", "bool": false, "int": 0, "int64": int64(0), "int32": int32(0), "float": 0.0,
			"bytes": []byte(nil), "time": time.Time{},
		}
		want := func(what string, got, want any) {
			t.Helper()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %#v, want %#v", what, got, want)
			}
		}
		v := s.visitor()
		v.do(func(ctx context.Context) {
			for name, val := range values {
				s.Put(ctx, name, val)
			}
		})
		v.do(func(ctx context.Context) {
			for name, method := range get {
				want("Get of "+name, method(ctx, name), values[name])
				want("Get of an absent "+name, method(ctx, "absent"), zeros[name])
				for other := range values {
					if other != name {
						want("Get as "+name+" of "+other, method(ctx, other), zeros[name])
					}
				}
			}
		})
		for name, method := range pop {
			v.do(func(ctx context.Context) {
				want("Pop of an absent "+name, method(ctx, "absent"), zeros[name])
				want("Pop of "+name, method(ctx, name), values[name])
				want("Pop again", method(ctx, name), zeros[name])
				s.Put(ctx, "other", profile{})
				want("Pop of another type as "+name, method(ctx, "other"), zeros[name])
				want("what was popped as another type", s.Exists(ctx, "other"), false)
			})
			v.do(func(ctx context.Context) { want("popped "+name, s.Exists(ctx, name), false) })
		}
	})
}

func TestKeysExistsRemovePopAndClear(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		keys := func(want ...string) {
			t.Helper()
			v.do(func(ctx context.Context) {
				got := s.Keys(ctx)
				if got == nil || !slices.Equal(got, want) {
					t.Errorf("got keys %q, want %q", got, want)
				}
				for _, key := range want {
					if !s.Exists(ctx, key) {
						t.Errorf("%q does not exist", key)
					}
				}
				for _, key := range []string{"absent", "gone"} {
					if s.Exists(ctx, key) || s.Get(ctx, key) != nil {
						t.Errorf("%q exists", key)
					}
				}
			})
		}
		keys()
		v.put("woo", "waa")
		v.do(func(ctx context.Context) {
			s.Put(ctx, "foo", "bar")
			s.Put(ctx, "foo", "baz")
			s.Put(ctx, "gone", 1)
			s.Remove(ctx, "gone")
			s.Remove(ctx, "absent")
		})
		keys("foo", "woo")
		v.do(func(ctx context.Context) {
			if got := s.Pop(ctx, "foo"); got != "baz" {
				t.Errorf("Pop: got %v", got)
			}
			if got := s.Pop(ctx, "foo"); got != nil {
				t.Errorf("Pop again: got %v", got)
			}
		})
		keys("woo")
		v.put("foo", "again")
		v.put("", "an empty key")
		keys("", "foo", "woo")
		v.do(func(ctx context.Context) {
			if err := s.Clear(ctx); err != nil {
				t.Errorf("Clear: %v", err)
			}
			if got := s.Keys(ctx); len(got) != 0 {
				t.Errorf("keys %q after Clear", got)
			}
			s.Put(ctx, "after", 1)
		})
		keys("after")
		v.do(func(ctx context.Context) {
			if err := s.Clear(ctx); err != nil {
				t.Errorf("Clear: %v", err)
			}
		})
		keys()
	})
}

func TestKeysMayBeAnyText(t *testing.T) {
	odd := []string{"a/b", "a%2Fb", "100%", "line\nbreak", "umlaut ü", "\xff", "%ff", "a b", "del\x7f", "scs"}
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		for _, key := range odd {
			v.put(key, "the value of "+key)
		}
		v.do(func(ctx context.Context) {
			if got, want := s.Keys(ctx), slices.Sorted(slices.Values(odd)); !slices.Equal(got, want) {
				t.Errorf("got keys %q, want %q", got, want)
			}
			for _, key := range odd {
				if got := s.GetString(ctx, key); got != "the value of "+key {
					t.Errorf("%q: got %q", key, got)
				}
			}
			for _, key := range odd {
				s.Remove(ctx, key)
			}
		})
		v.do(func(ctx context.Context) {
			if got := s.Keys(ctx); len(got) != 0 {
				t.Errorf("got keys %q", got)
			}
		})
	})
}

func TestWithoutLoadAndSaveTheMethodsPanic(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		for name, call := range map[string]func(){
			"Get":     func() { s.Get(context.Background(), "k") },
			"Put":     func() { s.Put(context.Background(), "k", 1) },
			"Destroy": func() { _ = s.Destroy(context.Background()) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s has not panicked", name)
					}
				}()
				call()
			}()
		}
	})
}

func TestTheWriterCanFlush(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		w := v.serve(func(w http.ResponseWriter, r *http.Request) {
			s.Put(r.Context(), "k", "v")
			io.WriteString(w, "one")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
			io.WriteString(w, " two")
		})
		if !w.Flushed || w.Body.String() != "one two" {
			t.Errorf("flushed %v, body %q", w.Flushed, w.Body)
		}
		v.do(func(ctx context.Context) {
			if got := s.GetString(ctx, "k"); got != "v" {
				t.Errorf("got %q", got)
			}
		})
	})
}
