package session_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

func TestKeysReadWhatWasWritten(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m)
	s := v.Session()
	if _, err := user.Get(s); !errors.Is(err, session.ErrNoValue) {
		t.Errorf("Get of nothing = %v, want ErrNoValue", err)
	}
	if got := user.Or(s, "nobody"); got != "nobody" {
		t.Errorf("Or of nothing = %q", got)
	}
	user.Set(s, "bob")
	count.Update(s, func(n *int) error { *n += 2; return nil })
	if got, err := user.Get(s); got != "bob" || err != nil {
		t.Errorf("Get of what this request set = %q, %v", got, err)
	}
	if got, err := user.Take(s); got != "bob" || err != nil {
		t.Errorf("Take = %q, %v", got, err)
	}
	if _, err := user.Take(s); !errors.Is(err, session.ErrNoValue) {
		t.Errorf("second Take = %v, want ErrNoValue", err)
	}
	if got := count.Or(s, 0); got != 2 {
		t.Errorf("count = %d", got)
	}
}

func TestSetEncodesAtOnce(t *testing.T) {
	list := session.NewKey[[]string]("list")
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) {
		l := []string{"a"}
		list.Set(s, l)
		l[0] = "changed later"
		got, _ := list.Get(s)
		got[0] = "changed by a reader"
	})
	if got := list.Or(v.Session(), nil); len(got) != 1 || got[0] != "a" {
		t.Errorf("list = %q", got)
	}
}

// A program that cannot read a value must not overwrite it.
func TestAValueOfAnotherTypeIsNotOverwritten(t *testing.T) {
	asText, asNumber := session.NewKey[string]("size"), session.NewKey[int]("size")
	var told []*session.ValueError
	m := mustNew(t, memstore.New(nil), &session.Options{Hooks: session.Hooks{
		BadValue: func(_ context.Context, _ session.ID, err *session.ValueError) { told = append(told, err) },
	}})
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { asText.Set(s, "large") })

	t.Run("by Set", func(t *testing.T) {
		s := v.Session()
		var bad *session.ValueError
		if got, err := asNumber.Get(s); got != 0 || !errors.As(err, &bad) || bad.Key != "size" || strings.Contains(err.Error(), "large") {
			t.Fatalf("Get = %d, %v", got, err)
		}
		asNumber.Set(s, 7)
		if err := s.Err(); !errors.As(err, &bad) {
			t.Errorf("Set = %v, want a *ValueError", err)
		}
		if _, err := s.Save(t.Context()); !errors.As(err, &bad) {
			t.Errorf("Save = %v, want a *ValueError", err)
		}
	})
	t.Run("by Update", func(t *testing.T) {
		s := v.Session()
		var bad *session.ValueError
		if err := asNumber.Update(s, func(n *int) error { *n = 1; return nil }); !errors.As(err, &bad) {
			t.Errorf("Update = %v, want a *ValueError", err)
		}
		if _, err := s.Save(t.Context()); !errors.As(err, &bad) {
			t.Errorf("Save = %v, want a *ValueError", err)
		}
	})
	t.Run("Or tells the hook", func(t *testing.T) {
		told = nil
		if got := asNumber.Or(v.Session(), 7); got != 7 || len(told) != 1 || told[0].Key != "size" {
			t.Errorf("Or = %d, hook got %v", got, told)
		}
	})
	if got := asText.Or(v.Session(), ""); got != "large" {
		t.Fatalf("the value is now %q", got)
	}
	t.Run("but after Delete", func(t *testing.T) {
		s := v.Session()
		asNumber.Get(s)
		asNumber.Set(s, 7) // fails, and is forgiven by the Delete
		asNumber.Delete(s)
		asNumber.Set(s, 8)
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := asNumber.Or(v.Session(), 0); got != 8 {
			t.Errorf("size = %d", got)
		}
	})
}

func TestAValueThatDoesNotEncodeFailsTheResponse(t *testing.T) {
	number := session.NewKey[float64]("number")
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	answer := v.Get(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		user.Set(s, "alice")
		number.Set(s, math.Inf(1)) // ignored by this handler
		w.WriteHeader(http.StatusCreated)
	})), "/")
	if answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", answer.StatusCode)
	}
	if got := user.Or(v.Session(), ""); got != "bob" {
		t.Errorf("user = %q: a part of a failed request was saved", got)
	}
}

func TestAValueThatJSONDoesNotBringBackFailsTheResponse(t *testing.T) {
	name := session.NewKey[string]("name")
	holder := session.NewKey[error]("holder")
	votes := session.NewKey[map[string]int]("votes")
	for what, set := range map[string]func(*session.Session){
		"a string that is not UTF-8":   func(s *session.Session) { name.Set(s, "M\xfcller") },
		"an interface":                 func(s *session.Session) { holder.Set(s, errors.New("boom")) },
		"keys of a map, not UTF-8":     func(s *session.Session) { votes.Set(s, map[string]int{"\xff": 1, "\xfe": 2}) },
		"an Update to what is no text": func(s *session.Session) { _ = name.Update(s, func(n *string) error { *n = "\xff"; return nil }) },
	} {
		t.Run(what, func(t *testing.T) {
			m := sessiontest.New(t, nil)
			v := sessiontest.NewVisitor(t, m, func(s *session.Session) { name.Set(s, "Ann") })
			answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { set(s) })), "/")
			s := v.Session()
			if answer.StatusCode != http.StatusInternalServerError || name.Or(s, "") != "Ann" {
				t.Errorf("status %d, then %q; want 500 and the value of before", answer.StatusCode, name.Or(s, ""))
			}
		})
	}
}

func TestAnErrorOfUpdateIsTheHandlersOwn(t *testing.T) {
	full := errors.New("cart is full")
	m := sessiontest.New(t, nil)
	t.Run("at once, it changes nothing and fails nothing", func(t *testing.T) {
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { count.Set(s, 1) })
		answer := v.Get(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
			if err := count.Update(s, func(n *int) error { *n = 9; return full }); !errors.Is(err, full) {
				t.Errorf("Update = %v", err)
			}
			user.Set(s, "bob")
			w.WriteHeader(http.StatusConflict)
		})), "/")
		if s := v.Session(); answer.StatusCode != http.StatusConflict || count.Or(s, 0) != 1 || user.Or(s, "") != "bob" {
			t.Errorf("status %d, count %d, user %q", answer.StatusCode, count.Or(s, 0), user.Or(s, ""))
		}
	})
	t.Run("after a conflict, it is Save's, and the handler answers", func(t *testing.T) {
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { count.Set(s, 1) })
		answer := v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			other := v.Session()
			count.Set(other, 2)
			other.Save(r.Context())
			user.Set(s, "bob")
			add := func(n *int) error {
				if *n >= 2 {
					return full
				}
				*n++
				return nil
			}
			if err := count.Update(s, add); err != nil {
				t.Errorf("first run: %v", err)
			}
			if _, err := s.Save(r.Context()); !errors.Is(err, full) {
				t.Errorf("Save = %v, want the error of Update", err)
			}
			if got := count.Or(s, 0); got != 2 {
				t.Errorf("after Save count = %d, want what the other one wrote", got)
			}
			w.WriteHeader(http.StatusConflict)
		})), "/")
		if s := v.Session(); answer.StatusCode != http.StatusConflict || count.Or(s, 0) != 2 || user.Or(s, "") != "bob" {
			t.Errorf("status %d, count %d, user %q", answer.StatusCode, count.Or(s, 0), user.Or(s, ""))
		}
	})
}

func TestUpdateMayUseTheSession(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		err := count.Update(s, func(n *int) error { *n = len(user.Or(s, "")); return nil })
		if err != nil {
			t.Error(err)
		}
	})), "/")
	if got := count.Or(v.Session(), 0); got != 3 {
		t.Errorf("count = %d", got)
	}
}

// gorilla answers this with "concurrent map writes", which no handler can
// recover from.
func TestManyGoroutinesMayUseOneSession(t *testing.T) {
	const goroutines = 20
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Add(1)
			go func() {
				defer wg.Done()
				count.Update(s, func(n *int) error { *n++; return nil })
				user.Or(s, "")
				if i%5 == 0 {
					if _, err := s.Save(r.Context()); err != nil {
						t.Error(err)
					}
				}
				if i%7 == 0 {
					if err := s.Reload(r.Context()); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		wg.Wait()
	})), "/")
	if got := count.Or(v.Session(), 0); got != goroutines {
		t.Errorf("count = %d, want %d", got, goroutines)
	}
}

type upper struct{}

func (upper) Encode(v any) ([]byte, error) { return []byte(strings.ToUpper(v.(string))), nil }
func (upper) Decode(data []byte, v any) error {
	*v.(*string) = strings.ToLower(string(data))
	return nil
}

func TestWithCodec(t *testing.T) {
	k := session.NewKey[string]("shout", session.WithCodec(upper{}), session.ServerOnly())
	store := memstore.New(nil)
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { k.Set(s, "hello") })
	s := v.Session()
	if got := k.Or(s, ""); got != "hello" {
		t.Errorf("value = %q", got)
	}
	if r, err := store.Load(t.Context(), s.ID()); err != nil || !strings.Contains(string(r.Data), "HELLO") {
		t.Errorf("record = %q, %v", r.Data, err)
	}
}

func TestNewKeyRefusesBadNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "a\nb", "\x7f", strings.Repeat("x", 256)} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("key %q was accepted", name)
				}
			}()
			session.NewKey[int](name)
		}()
	}
	session.NewKey[int](strings.Repeat("x", 255))
	session.NewKey[int]("Grüße 1")
}

func FuzzValues(f *testing.F) {
	f.Add("key", []byte("value"), "other", []byte(nil))
	m, err := session.New(memstore.New(nil), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string, value []byte, name2 string, value2 []byte) {
		k, ok := fuzzKey(name)
		k2, ok2 := fuzzKey(name2)
		if !ok || !ok2 || name == name2 {
			return // not the names of two keys
		}
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) {
			k.Set(s, value)
			k2.Set(s, value2)
		})
		s := v.Session()
		got, err := k.Get(s)
		got2, err2 := k2.Get(s)
		if err != nil || err2 != nil || string(got) != string(value) || string(got2) != string(value2) {
			t.Errorf("%q = %q, %v; %q = %q, %v", name, got, err, name2, got2, err2)
		}
	})
}

type raw struct{}

func (raw) Encode(v any) ([]byte, error)    { return v.([]byte), nil }
func (raw) Decode(data []byte, v any) error { *v.(*[]byte) = append([]byte(nil), data...); return nil }

func fuzzKey(name string) (k session.Key[[]byte], ok bool) {
	defer func() { ok = recover() == nil }()
	return session.NewKey[[]byte](name, session.WithCodec(raw{})), true
}
