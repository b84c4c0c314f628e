package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// send sends a request of a browser or a program that has the cookies of jar.
func (s *liveShop) send(jar http.CookieJar, path, kind, body string) (status int, page string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	w, err := (&http.Client{Jar: jar}).Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return w.StatusCode, string(b)
}

func TestTheShopSaysHowFarAWriteAndALogoutHaveCome(t *testing.T) {
	s := openLive(t, "memory:", func(o *session.Options) {
		o.Cookie.Insecure = true
		o.ReadTimeout, o.SaveTimeout = time.Second, time.Second // a busy machine is no outage
	})
	login := func() http.CookieJar {
		t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := s.send(jar, "/login", jsonType, `{"name":"Ada"}`); status != http.StatusOK {
			t.Fatalf("the login: %d", status)
		}
		return jar
	}
	const arrived, waits = "The session has ended in the store too", "the shop ends it as soon as the store is back"
	item := `{"sku":"rye"}`

	if status, page := s.send(login(), "/logout", formType, ""); status != http.StatusOK || !strings.Contains(page, arrived) || strings.Contains(page, waits) {
		t.Errorf("while the store answers, a browser's logout: %d, %s", status, page)
	}
	program := login()
	if status, _ := s.send(program, "/user/shoppingcart", jsonType, item); status != http.StatusOK {
		t.Errorf("while the store answers, a program's write: %d, want 200", status)
	}
	if status, _ := s.send(program, "/logout", jsonType, ""); status != http.StatusNoContent {
		t.Errorf("while the store answers, a program's logout: %d, want 204", status)
	}

	browser := login()
	program = login()
	if err := s.process.freeze(); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.send(program, "/user/shoppingcart", jsonType, item); status != http.StatusAccepted {
		t.Errorf("while it is frozen, a program's write: %d, want 202", status)
	}
	if status, page := s.send(program, "/logout", jsonType, ""); status != http.StatusAccepted || !strings.Contains(page, waits) {
		t.Errorf("while it is frozen, a program's logout: %d, %s", status, page)
	}
	if status, page := s.send(browser, "/logout", formType, ""); status != http.StatusOK || !strings.Contains(page, waits) || strings.Contains(page, arrived) {
		t.Errorf("while it is frozen, a browser's logout: %d, %s", status, page)
	}
	if err := s.process.back(); err != nil {
		t.Fatal(err)
	}
	s.wait("the logouts", 20*time.Second, func() bool { return s.sessions.Stats().Journal.Tombstones == 0 })
}
