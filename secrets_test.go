package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// Everything that the package prints, logs, returns, stores or tells a hook is
// searched for the token and for a value.
func TestTheTokenIsNowhereButInTheCookie(t *testing.T) {
	t.Run("without a backup", func(t *testing.T) { lookForTheToken(t, nil) })
	t.Run("with a backup", func(t *testing.T) { lookForTheToken(t, testBackup(t)) })
}

func lookForTheToken(t *testing.T, backup *session.Backup) {
	const value = "a-value-of-the-visitor"
	var mu sync.Mutex
	var seen bytes.Buffer
	note := func(a ...any) {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range a {
			fmt.Fprintf(&seen, "%v|%+v|%#v|%s|%q|%x\n", x, x, x, x, x, x)
			slog.New(slog.NewTextHandler(&seen, nil)).Info("note", "x", x)
			slog.New(slog.NewJSONHandler(&seen, nil)).Info("note", "x", x)
		}
	}
	log := session.LogHooks(slog.New(slog.NewTextHandler(writerFunc(func(p []byte) { note(string(p)) }), nil)))
	hooks := notedHooks(note, log)
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, &session.Options{Hooks: hooks, Backup: backup, Error: func(w http.ResponseWriter, r *http.Request, err error) {
		note(err)
		http.Error(w, "failed", http.StatusInternalServerError)
	}})
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) {
		user.Set(s, value)
		note(s)
	})
	tokens := []string{tokenOf(t, v)}
	run := func(name string, f func(w http.ResponseWriter, r *http.Request, s *session.Session)) {
		answer := v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			note(s, err, r.Context(), w)
			ctx, cancel := context.WithCancel(r.Context())
			note(ctx)
			cancel()
			f(w, r, s)
		})), "/")
		note(name, answer.Status)
		for field, values := range answer.Header { // a Location and its URL too
			if field != "Set-Cookie" {
				note(field, values)
			}
		}
		tokens = append(tokens, tokenOf(t, v))
	}
	run("a value of another type", func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		wrong := session.NewKey[int](user.Name())
		_, err := wrong.Get(s)
		wrong.Set(s, 1)
		note(err, s.Err())
		wrong.Or(s, 1)
	})
	run("a conflict", func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		other := v.Session()
		count.Set(other, 1)
		other.Save(r.Context())
		count.Set(s, 2)
		_, err := s.Save(r.Context())
		note(err)
	})
	run("a login", func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		s.Renew()
		note(s.Err())
		s.Save(r.Context())
		note(s)
	})
	run("a login of a user", func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.SetUser("ann") })
	run("a rotation", func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Rotate() })
	run("too late", func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		w.WriteHeader(http.StatusOK)
		s.Renew()
		note(s.Err())
	})
	store.Fail(errors.New("the store's own words"))
	run("an outage", func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		_, err := user.Get(s)
		_, derr := s.Destroy(r.Context())
		user.Set(s, value)
		note(err, derr, s.Err())
	})
	store.Heal()
	run("a logout", func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		d, err := s.Destroy(r.Context())
		note(d, err)
		http.Redirect(w, r, "/"+string(s.ID()), http.StatusSeeOther)
	})
	note(m.Stats())

	mu.Lock()
	defer mu.Unlock()
	if seen.Len() < 1000 || !strings.Contains(seen.String(), "store's own words") {
		t.Fatalf("only %d bytes seen: this test looks at nothing", seen.Len())
	}
	for _, token := range tokens {
		if token == "" {
			continue
		}
		for _, spelled := range []string{token, fmt.Sprintf("%x", token), token[5:25]} {
			if i := strings.Index(seen.String(), spelled); i >= 0 {
				t.Errorf("a token was printed: ...%s", seen.String()[max(0, i-200):i])
			}
		}
	}
	if i := strings.Index(seen.String(), value); i >= 0 {
		t.Errorf("a value was printed: ...%s", seen.String()[max(0, i-200):i])
	}
	for id, err := range memOf(store).List(t.Context()) {
		r, err2 := store.Load(t.Context(), id)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		for _, token := range tokens {
			if token != "" && (strings.Contains(string(r.Data), token) || strings.Contains(string(id), token)) {
				t.Errorf("the store holds a token, under %s", id)
			}
		}
	}
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// notedHooks returns hooks that note what each is told, and pass it on to those of log.
func notedHooks(note func(...any), log session.Hooks) session.Hooks {
	var hooks session.Hooks
	all, inner := reflect.ValueOf(&hooks).Elem(), reflect.ValueOf(log)
	for i := range all.NumField() {
		next := inner.Field(i)
		all.Field(i).Set(reflect.MakeFunc(next.Type(), func(in []reflect.Value) []reflect.Value {
			for _, v := range in {
				note(v.Interface())
			}
			if !next.IsNil() {
				next.Call(in)
			}
			return nil
		}))
	}
	return hooks
}

func tokenOf(t *testing.T, v *sessiontest.Visitor) string {
	t.Helper()
	c, err := v.Request(http.MethodGet, "/", nil).Cookie("__Host-session")
	if err != nil {
		return ""
	}
	return c.Value
}

func memOf(s session.Store) session.Lister { return s.(session.Lister) }
