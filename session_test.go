package session_test

import (
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"testing"

	"github.com/holdfast-go/session"
)

var discardLog = log.New(io.Discard, "", 0)

func mustNew(t testing.TB, store session.Store, o *session.Options) *session.Manager {
	t.Helper()
	m, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return m
}

func newJar(t testing.TB) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}
