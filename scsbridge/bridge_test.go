package scsbridge_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/scsbridge"
)

// during sends a request that uses the session, runs other while it is on its way, and
// changes the session.
func (v *visitor) during(other func(), change func(ctx context.Context)) {
	v.t.Helper()
	v.do(func(ctx context.Context) {
		v.Exists(ctx, "any")
		other()
		change(ctx)
	})
}

// keys returns the keys of the visitor's session.
func (v *visitor) keys() (keys []string) {
	v.t.Helper()
	v.do(func(ctx context.Context) { keys = v.Keys(ctx) })
	return keys
}

// scs saves the whole map, and so loses what the other request has saved.
func TestTwoRequestsAtOnceKeepBothChanges(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		v.put("gone", 1)
		v.during(func() { v.put("first", 1) }, func(ctx context.Context) {
			s.Put(ctx, "second", 2)
			s.Remove(ctx, "gone")
		})
		want := []string{"first", "second"}
		if _, ok := s.manager.(*scsbridge.SessionManager); !ok {
			want = want[1:]
		}
		if got := v.keys(); !slices.Equal(got, want) {
			t.Errorf("got keys %q, want %q", got, want)
		}
	})
}

// Of a Put and a Remove of one key at once the later one stays, and Keys tells the same
// as Get.
func TestAPutAndARemoveAtOnceLeaveTheValueAndItsNameOrNeither(t *testing.T) {
	s := bridge(t, session.Options{}, nil)
	remove := func(ctx context.Context) { s.Remove(ctx, "k") }
	put := func(ctx context.Context) { s.Put(ctx, "k", "new") }
	clearAll := func(ctx context.Context) {
		if err := s.Clear(ctx); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		name          string
		first, second func(context.Context)
		want          []string
	}{
		{"remove, put", remove, put, []string{"k", "other"}},
		{"put, remove", put, remove, []string{"other"}},
		{"clear, put", clearAll, put, []string{"k"}},
		{"put, clear", put, clearAll, nil},
		{"put of a new key, clear", func(ctx context.Context) { s.Put(ctx, "new", 1) }, clearAll, []string{"new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := s.visitor()
			v.put("k", "old")
			v.put("other", 1)
			v.during(func() { v.do(c.first) }, c.second)
			if got := v.keys(); !slices.Equal(got, c.want) {
				t.Errorf("got keys %q, want %q", got, c.want)
			}
			v.do(func(ctx context.Context) {
				for _, key := range []string{"k", "other", "new"} {
					if got, want := s.Exists(ctx, key), slices.Contains(c.want, key); got != want {
						t.Errorf("%s exists: %v, want %v", key, got, want)
					}
				}
			})
		})
	}
}

func TestAVisitorWithoutValuesCostsNothing(t *testing.T) {
	s := bridge(t, session.Options{}, nil)
	v := s.visitor()
	v.do(func(context.Context) {})
	v.do(func(ctx context.Context) {
		s.Get(ctx, "k")
		s.Pop(ctx, "k")
		s.Remove(ctx, "k")
		s.Exists(ctx, "k")
		s.Keys(ctx)
		if err := s.Clear(ctx); err != nil {
			t.Errorf("Clear: %v", err)
		}
	})
	v.do(func(ctx context.Context) {
		if err := s.Destroy(ctx); err != nil {
			t.Errorf("Destroy: %v", err)
		}
	})
	if n := s.faulty.Loads() + s.faulty.Saves(); n != 0 || len(v.cookies()) != 0 {
		t.Errorf("%d store commands, cookies %v", n, v.cookies())
	}
	v.put("k", "v")
	before := s.faulty.Saves()
	v.put("k", "v") // what it is already
	v.do(func(ctx context.Context) { s.Get(ctx, "k"); s.Keys(ctx); s.Remove(ctx, "absent") })
	if n := s.faulty.Saves() - before; n != 0 {
		t.Errorf("%d saves without a change", n)
	}
}

func TestWhatGobDoesNotKnowIs500(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		v.put("k", "v")
		w := v.serve(func(_ http.ResponseWriter, r *http.Request) { s.Put(r.Context(), "k", func() {}) })
		if w.Code != http.StatusInternalServerError {
			t.Errorf("status %d, body %q", w.Code, w.Body)
		}
		v.do(func(ctx context.Context) {
			if got := s.GetString(ctx, "k"); got != "v" {
				t.Errorf("got %q", got)
			}
		})
	})
}

func TestAValueThatDoesNotDecodeExistsUntilItIsRemoved(t *testing.T) {
	s := bridge(t, session.Options{}, nil)
	v := s.visitor()
	v.put("k", "v")
	damaged := session.NewKey[int]("scs.k") // as JSON, which is no value of the bridge's
	v.serve(func(_ http.ResponseWriter, r *http.Request) {
		own, _ := session.From(r.Context())
		damaged.Delete(own)
		damaged.Set(own, 3)
	})
	v.do(func(ctx context.Context) {
		if got := s.Get(ctx, "k"); got != nil || !s.Exists(ctx, "k") || !slices.Equal(s.Keys(ctx), []string{"k"}) {
			t.Errorf("got %v, Exists %v, keys %q", got, s.Exists(ctx, "k"), s.Keys(ctx))
		}
	})
	w := v.serve(func(_ http.ResponseWriter, r *http.Request) { s.Get(r.Context(), "k"); s.Put(r.Context(), "k", 1) })
	if w.Code != http.StatusInternalServerError {
		t.Errorf("a Put over it: status %d", w.Code)
	}
	v.do(func(ctx context.Context) { s.Remove(ctx, "k"); s.Put(ctx, "k", 1) })
	v.do(func(ctx context.Context) {
		if got := s.GetInt(ctx, "k"); got != 1 {
			t.Errorf("got %v", got)
		}
	})
}

// Clear leaves what other keys hold, and methods work beside them.
func TestKeysOfTheApplicationsOwnStandBeside(t *testing.T) {
	s := bridge(t, session.Options{}, nil)
	user := session.NewKey[string]("user")
	v := s.visitor()
	v.do(func(ctx context.Context) {
		own, _ := session.From(ctx)
		user.Set(own, "bob")
		s.Put(ctx, "user", "of scs")
		if err := s.Clear(ctx); err != nil {
			t.Error(err)
		}
	})
	v.do(func(ctx context.Context) {
		own, _ := session.From(ctx)
		if got := user.Or(own, ""); got != "bob" || len(s.Keys(ctx)) != 0 {
			t.Errorf("got %q, keys %q", got, s.Keys(ctx))
		}
	})
}

func TestAHijackedConnectionSavesFirst(t *testing.T) {
	s := bridge(t, session.Options{}, nil)
	server := httptest.NewServer(s.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Put(r.Context(), "k", "v")
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		defer conn.Close()
		answer := &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: w.Header()}
		_ = answer.Write(conn)
	})))
	defer server.Close()
	conn, err := net.DialTimeout("tcp", server.Listener.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Cookies()) != 1 || s.faulty.Saves() != 1 {
		t.Errorf("cookies %v, %d saves", answer.Cookies(), s.faulty.Saves())
	}
}
