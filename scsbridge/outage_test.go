package scsbridge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/scsbridge"
	"github.com/holdfast-go/session/seal"
)

// With scs a store that is away is 500 for each request, or no answer.
func TestAnOutageIs503AndNoValueIsTakenForAbsent(t *testing.T) {
	s := bridge(t, session.Options{}, nil)
	v := s.visitor()
	v.put("user", "bob")
	s.faulty.Fail(errors.New("connection refused"))
	for name, use := range map[string]func(context.Context){
		"Get":    func(ctx context.Context) { s.GetString(ctx, "user") },
		"Exists": func(ctx context.Context) { s.Exists(ctx, "user") },
		"Keys":   func(ctx context.Context) { s.Keys(ctx) },
		"Put":    func(ctx context.Context) { s.Put(ctx, "user", "eve") },
		"Pop":    func(ctx context.Context) { s.Pop(ctx, "user") },
		"Remove": func(ctx context.Context) { s.Remove(ctx, "user") },
		"Clear":  func(ctx context.Context) { wantUnavailable(t, "Clear", s.Clear(ctx)) },
		"Renew":  func(ctx context.Context) { wantUnavailable(t, "RenewToken", s.RenewToken(ctx)) },
		"Destroy": func(ctx context.Context) {
			wantUnavailable(t, "Destroy", s.Destroy(ctx))
		},
	} {
		w := v.serve(func(w http.ResponseWriter, r *http.Request) {
			use(r.Context())
			io.WriteString(w, "a page")
		})
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d, body %q", name, w.Code, w.Body)
		}
	}
	v.do(func(context.Context) {}) // a route without the session
	s.faulty.Heal()
	v.do(func(ctx context.Context) {
		if got := s.GetString(ctx, "user"); got != "bob" {
			t.Errorf("after the outage: %q", got)
		}
	})
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("%s: %v, want ErrUnavailable", what, err)
	}
}

func TestVisitorsAreServedFromTheBackup(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	o := session.Options{Backup: &session.Backup{Keys: keys, Audience: "test"}}
	own := &scsbridge.Options{Key: func(key string) []session.KeyOption {
		if key == "a/secret" {
			return []session.KeyOption{session.ServerOnly()}
		}
		return nil
	}}
	s := bridge(t, o, own)
	v := s.visitor()
	v.put("user", "bob")
	v.put("a/secret", 1)
	v.put("large", make([]byte, 8000))
	v.do(func(ctx context.Context) {
		for i := range 40 { // more than the copy has room for, whose names it has all the same
			s.Put(ctx, fmt.Sprintf("item %d", i), string(make([]byte, 100)))
		}
	})
	s.faulty.Fail(errors.New("connection refused"))
	other := instance(t, s.faulty, o, own) // which has not saved it lately
	away := v.at(other)
	away.do(func(ctx context.Context) {
		if got := other.GetString(ctx, "user"); got != "bob" {
			t.Errorf("got %q", got)
		}
		other.Put(ctx, "more", 2)
	})
	for _, key := range []string{"large", "a/secret"} {
		for _, use := range []func(context.Context){
			func(ctx context.Context) { other.Get(ctx, key) },
			func(ctx context.Context) { other.Exists(ctx, key) },
		} {
			if w := away.serve(func(_ http.ResponseWriter, r *http.Request) { use(r.Context()) }); w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: status %d", key, w.Code)
			}
		}
	}
	away.do(func(ctx context.Context) {
		if err := other.Destroy(ctx); err != nil {
			t.Errorf("Destroy: %v", err)
		}
	})
	away.do(func(ctx context.Context) {
		if other.Exists(ctx, "user") {
			t.Error("the session is still there after the logout")
		}
	})
}
