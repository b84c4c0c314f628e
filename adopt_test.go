package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

const oldToken = "0123456789-of-the-old-library"

// library is another session library, with one session in it.
type library struct {
	mu     sync.Mutex
	reads  int
	ended  int
	err    error // of Read
	until  time.Time
	shared bool
}

func (l *library) adopt() *session.Adopt {
	return &session.Adopt{
		Cookie: "old", Also: []string{"old.sig"}, Shared: l.shared,
		Read: func(r *http.Request, s *session.Session) (time.Time, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.reads++
			c, err := r.Cookie("old")
			switch {
			case l.err != nil:
				return time.Time{}, l.err
			case err != nil || c.Value != oldToken || l.ended > 0:
				return time.Time{}, session.ErrNoSession
			}
			user.Set(s, "bob")
			return l.until, nil
		},
	}
}

func (l *library) ends() *session.Adopt {
	a := l.adopt()
	a.End = func(*http.Request) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended++
		return nil
	}
	return a
}

func (l *library) readings() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reads
}

// oldJar is a browser's, with the old cookie and whatever we set.
type oldJar map[string]string

func oldVisitor() oldJar { return oldJar{"old": oldToken} }

func (j oldJar) do(h http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(j, c.Name)
		} else {
			j[c.Name] = c.Value
		}
	}
	return w
}

// adopting answers who the visitor is; some paths do more.
func adopting(m *session.Manager) http.Handler {
	show := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		switch r.URL.Path {
		case "/logout":
			if _, err := s.Destroy(r.Context()); err != nil {
				session.Error(w, r, err)
				return
			}
		case "/login":
			s.Renew()
			user.Set(s, "carol")
		case "/set":
			user.Set(s, "dave")
		}
		who, _ := user.Get(s)
		fmt.Fprintf(w, "%s %s", who, s.ID())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/static", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/begin", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.StartNew(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		user.Set(s, "erin")
	})
	// A logout whose route does not mind that nobody knows of the session.
	mux.HandleFunc("/logout-unknown", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if _, err := s.Destroy(r.Context()); err != nil {
			session.Error(w, r, err)
		}
	})
	mux.Handle("/readonly", m.Require(m.ReadOnly(http.HandlerFunc(show))))
	mux.Handle("/require", m.Require(http.HandlerFunc(show)))
	mux.Handle("/store", m.RequireStore(http.HandlerFunc(show)))
	mux.HandleFunc("/", show)
	return m.Handler(mux)
}

func whoIs(w *httptest.ResponseRecorder) string {
	who, _, _ := strings.Cut(w.Body.String(), " ")
	return fmt.Sprintf("%d %s", w.Code, who)
}

func idOf(w *httptest.ResponseRecorder) session.ID {
	_, id, _ := strings.Cut(w.Body.String(), " ")
	return session.ID(id)
}

func wantWho(t *testing.T, what string, w *httptest.ResponseRecorder, want string) {
	t.Helper()
	if got := whoIs(w); got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestAnOldSessionIsReadOnceAndItsCookieGoes(t *testing.T) {
	old := &library{}
	h := adopting(mustNew(t, memstore.New(nil), &session.Options{Adopt: old.adopt()}))
	v := oldVisitor()
	v["old.sig"] = "x"
	wantWho(t, "a route that asks for nothing", v.do(h, "/static"), "200 ")
	if old.readings() != 0 {
		t.Error("the old session was read for a route that does not ask for it")
	}
	first := v.do(h, "/")
	wantWho(t, "first", first, "200 bob")
	if v["old"] != "" || v["old.sig"] != "" || v["__Host-session"] == "" {
		t.Errorf("the visitor has %v, want our cookie and not the old ones", v)
	}
	if second := v.do(h, "/require"); idOf(second) != idOf(first) || idOf(first) == "" {
		t.Errorf("got sessions %q and %q, want one", idOf(first), idOf(second))
	}
	if old.readings() != 1 {
		t.Errorf("read %d times, want once", old.readings())
	}
}

func TestALogoutIsNotUndoneByAnOldCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []string{"/logout", "/login", "revoke", "expired"} {
			for _, backup := range []bool{false, true} {
				old := &library{until: time.Now().Add(30 * 24 * time.Hour)}
				o := &session.Options{Adopt: old.adopt(), Idle: time.Hour}
				if backup {
					o.Backup = testBackup(t)
					o.Backup.Lease = 10 * time.Minute
				}
				m := mustNew(t, memstore.New(nil), o)
				h := adopting(m)
				v := oldVisitor()
				first := answered(t, h, v, "/")
				wantWho(t, end, first, "200 bob")
				switch end {
				case "revoke":
					if _, err := m.Revoke(t.Context(), idOf(first)); err != nil {
						t.Fatal(err)
					}
				case "expired":
					time.Sleep(70 * time.Minute)
				default:
					wantCode(t, v.do(h, end), 200)
				}
				for range 3 { // longer than any tombstone lives
					thief := oldVisitor()
					wantWho(t, "the old cookie after "+end, thief.do(h, "/"), "200 ")
					wantWho(t, "the old cookie after "+end, thief.do(h, "/require"), "403 session")
					time.Sleep(20 * time.Minute)
				}
				if old.readings() != 1 {
					t.Errorf("after %s: read %d times, want once", end, old.readings())
				}
				closed(t, m)
			}
		}
	})
}

func wantCode(t *testing.T, w *httptest.ResponseRecorder, want int) {
	t.Helper()
	if w.Code != want {
		t.Errorf("got %d, want %d", w.Code, want)
	}
}

func closed(t *testing.T, m *session.Manager) {
	t.Helper()
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// The first answer may never arrive.
func TestAnOldCookieLeadsToTheSessionItHasBecome(t *testing.T) {
	for _, adopt := range []func(*library) *session.Adopt{(*library).adopt, (*library).ends} {
		old := &library{}
		store := memstore.New(nil)
		a := adopting(mustNew(t, store, &session.Options{Adopt: adopt(old)}))
		b := adopting(mustNew(t, store, &session.Options{Adopt: adopt(old)}))
		lost, v := oldVisitor(), oldVisitor()
		first := lost.do(a, "/set")
		second := v.do(b, "/")
		wantWho(t, "another instance", second, "200 dave")
		if idOf(first) != idOf(second) || lost["__Host-session"] != v["__Host-session"] {
			t.Errorf("got sessions %s and %s, want one, and one token", idOf(first), idOf(second))
		}
	}
}

func TestParallelRequestsAdoptOneSession(t *testing.T) {
	for round := range 20 {
		old := &library{}
		a := old.ends()
		store := memstore.New(nil)
		// Any number may read before any has taken.
		read, gate := a.Read, make(chan struct{})
		a.Read = func(r *http.Request, s *session.Session) (time.Time, error) {
			until, err := read(r, s)
			<-gate
			return until, err
		}
		var wg sync.WaitGroup
		got := make([]session.ID, 8)
		for i := range got {
			o := &session.Options{Adopt: a, ReadTimeout: time.Minute, SaveTimeout: time.Minute}
			h := adopting(mustNew(t, store, o))
			wg.Go(func() { got[i] = idOf(oldVisitor().do(h, "/")) })
		}
		for old.readings() == 0 {
			time.Sleep(time.Millisecond)
		}
		close(gate)
		wg.Wait()
		if slices.Sort(got); got[0] == "" || got[0] != got[len(got)-1] {
			t.Fatalf("round %d: got sessions %v, want one", round, got)
		}
		// The marker, the session, and no second live copy.
		live := 0
		for id, err := range store.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			r, err := store.Load(t.Context(), id)
			if err == nil && strings.Contains(string(r.Data), `"bob"`) { // without the quotes it may be a part of the marker's secret
				live++
			}
			if strings.Contains(string(id)+string(r.Data), oldToken) {
				t.Errorf("the store holds the old token: %s %q", id, r.Data)
			}
		}
		if live != 1 {
			t.Errorf("%d live copies, want 1", live)
		}
	}
}

func TestReadOnlyRoutesAdoptAndSendNoCookie(t *testing.T) {
	old := &library{}
	h := adopting(mustNew(t, memstore.New(nil), &session.Options{Adopt: old.adopt()}))
	v := oldVisitor()
	first := v.do(h, "/readonly")
	wantWho(t, "read-only", first, "200 bob")
	if c := first.Header()["Set-Cookie"]; c != nil {
		t.Errorf("a read-only answer sets %v", c)
	}
	second := v.do(h, "/store")
	if wantWho(t, "from the store", second, "200 bob"); idOf(second) != idOf(first) || v["__Host-session"] == "" {
		t.Errorf("got sessions %s and %s, want one, and a cookie", idOf(first), idOf(second))
	}
	// The browser keeps the old cookie, for its path was another: the logout holds.
	v["old"] = oldToken
	v.do(h, "/logout")
	v["old"] = oldToken
	wantWho(t, "after the logout", v.do(h, "/"), "200 ")
}

// A visitor who has begun a session of ours beside an old one that was never
// taken is not logged in by that one after the logout.
func TestALogoutEndsAnOldSessionThatWasNeverTaken(t *testing.T) {
	for name, before := range map[string]func(h http.Handler, v oldJar){
		"begun":           func(h http.Handler, v oldJar) { v.do(h, "/begin") },
		"a login later":   func(h http.Handler, v oldJar) { delete(v, "old"); v.do(h, "/login"); v["old"] = oldToken },
		"and never asked": func(http.Handler, oldJar) {},
		"taken elsewhere": func(h http.Handler, v oldJar) {
			delete(v, "old")
			v.do(h, "/login")
			v["old"] = oldToken
			oldVisitor().do(h, "/")
		},
	} {
		t.Run(name, func(t *testing.T) {
			old := &library{}
			h := adopting(mustNew(t, memstore.New(nil), &session.Options{Adopt: old.adopt()}))
			v := oldVisitor()
			before(h, v)
			wantCode(t, v.do(h, "/logout"), 200)
			if v["old"] != "" {
				v["old"] = oldToken
			}
			wantWho(t, "the old cookie", oldVisitor().do(h, "/"), "200 ")
			if name == "begun" && v["__Host-session"] != "" {
				t.Error("the visitor still has a token")
			}
		})
	}
}

func TestWhetherAnOldSessionWasTakenIsUnknownInAnOutage(t *testing.T) {
	t.Parallel() // it waits until a new shard counts
	for _, backup := range []bool{false, true} {
		for _, taken := range []bool{false, true} {
			old := &library{}
			o := &session.Options{Adopt: old.adopt()}
			if backup {
				o.Backup = testBackup(t)
			}
			store := storetest.NewFaulty(memstore.New(nil))
			m := mustNew(t, store, o)
			h := adopting(m)
			other := oldVisitor()
			if taken {
				wantWho(t, "before", answered(t, h, other, "/"), "200 bob")
				wantCode(t, other.do(h, "/logout"), 200)
			}
			store.Fail(errors.New("the store is away"))
			v := oldVisitor()
			w := v.do(h, "/")
			if w.Code != 503 || w.Header()["Set-Cookie"] != nil || v["old"] == "" {
				t.Errorf("backup %v, taken %v: got %d %v, want 503 and no cookie", backup, taken, w.Code, w.Header())
			}
			// A logout that nobody knows of is not told to have happened.
			wantCode(t, v.do(h, "/logout-unknown"), 503)
			wantWho(t, "an anonymous visitor", oldJar{}.do(h, "/"), "200 ")
			store.Fail(nil)
			want := map[bool]string{false: "200 bob", true: "200 "}[taken]
			wantWho(t, fmt.Sprintf("backup %v, taken %v: afterwards", backup, taken), answered(t, h, v, "/"), want)
			closed(t, m)
		}
	}
}

// With a backup an adopted visitor has the same copies as any other visitor.
func TestAnAdoptedSessionIsServedFromItsBackupAndLogsOutInAnOutage(t *testing.T) {
	t.Parallel() // it waits until a new shard counts
	old := &library{}
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, &session.Options{Adopt: old.adopt(), Backup: testBackup(t)})
	defer closed(t, m)
	h := adopting(m)
	v := oldVisitor()
	wantWho(t, "before", answered(t, h, v, "/"), "200 bob")
	v["old"] = oldToken // which the old library has set again
	store.Fail(errors.New("the store is away"))
	wantWho(t, "in the outage", v.do(h, "/"), "200 bob")
	wantCode(t, v.do(h, "/logout"), 200)
	store.Fail(nil)
	wantWho(t, "the old cookie, when the store is back", answered(t, h, oldVisitor(), "/"), "200 ")
}

func TestTheOldLibrarysFailureIsNotNobody(t *testing.T) {
	old := &library{err: errors.New("its database is away")}
	store := memstore.New(nil)
	h := adopting(mustNew(t, store, &session.Options{Adopt: old.adopt()}))
	v := oldVisitor()
	wantWho(t, "not known", v.do(h, "/"), "503 session")
	old.err = nil
	wantWho(t, "known again", v.do(h, "/"), "200 bob")
}

func TestNothingIsKeptForAMadeUpOldCookie(t *testing.T) {
	old := &library{}
	store := memstore.New(nil)
	h := adopting(mustNew(t, store, &session.Options{Adopt: old.adopt()}))
	for i := range 10 {
		v := oldJar{"old": fmt.Sprint("made up ", i)}
		wantWho(t, "a visitor", v.do(h, "/"), "200 ")
		wantCode(t, v.do(h, "/logout"), 200)
	}
	if n := store.Len(); n != 0 {
		t.Errorf("the store keeps %d records for nobody", n)
	}
}

// The old cookie of cookie-session is the same for all who have the same values.
func TestVisitorsWhoShareAnOldCookieDoNotShareASession(t *testing.T) {
	old := &library{shared: true}
	h := adopting(mustNew(t, memstore.New(nil), &session.Options{Adopt: old.adopt()}))
	laptop, phone := oldVisitor(), oldVisitor()
	a, b := laptop.do(h, "/"), phone.do(h, "/")
	wantWho(t, "laptop", a, "200 bob")
	wantWho(t, "phone", b, "200 bob")
	if idOf(a) == idOf(b) {
		t.Error("both have one session")
	}
	wantCode(t, laptop.do(h, "/logout"), 200)
	wantWho(t, "the old cookie", oldVisitor().do(h, "/"), "200 ")
	wantWho(t, "the phone", phone.do(h, "/"), "200 bob")
}

func TestAMarkerLivesAsLongAsTheOldSessionAndNoOperatorEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := &library{until: time.Now().Add(7 * 24 * time.Hour)}
		store := memstore.New(nil)
		m := mustNew(t, store, &session.Options{Adopt: old.adopt()})
		h := adopting(m)
		oldVisitor().do(h, "/")
		for id, err := range store.List(t.Context()) {
			if err == nil {
				_, err = m.Revoke(t.Context(), id)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(7*24*time.Hour - time.Minute)
		wantWho(t, "the old cookie", oldVisitor().do(h, "/"), "200 ")
		if n := records(t, store); n != 1 || old.readings() != 1 {
			t.Errorf("%d records, read %d times; want the marker, and once", n, old.readings())
		}
		time.Sleep(time.Hour)
		if n := records(t, store); n != 0 {
			t.Errorf("%d records when the old session is over, want none", n)
		}
	})
}

func records(t *testing.T, store session.Lister) (n int) {
	t.Helper()
	for _, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// answered asks until there is an answer: a shard that is new, or just back, has
// none for a moment.
func answered(t *testing.T, h http.Handler, j oldJar, path string) *httptest.ResponseRecorder {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		w := j.do(h, path)
		if w.Code != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return w
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWithoutAnOldCookieAdoptCostsNothing(t *testing.T) {
	old := &library{}
	store := storetest.NewFaulty(memstore.New(nil))
	h := adopting(mustNew(t, store, &session.Options{Adopt: old.adopt()}))
	v := oldJar{"oldest": "x", "bold": "y"}
	wantWho(t, "anonymous", v.do(h, "/"), "200 ")
	if store.Loads() != 0 || store.Saves() != 0 || old.readings() != 0 {
		t.Error("an anonymous visitor cost something")
	}
}

func TestAdoptNeedsItsParts(t *testing.T) {
	_, err := session.New(memstore.New(nil), &session.Options{Cookie: session.Cookie{Name: "x", Insecure: true}, Adopt: &session.Adopt{Cookie: "x"}})
	if err == nil || !strings.Contains(err.Error(), "also ours") || !strings.Contains(err.Error(), "needs Read") {
		t.Errorf("got %v", err)
	}
}

// The save of the marker has no answer, and happens all the same.
func TestAMarkerInDoubtLogsNobodyOut(t *testing.T) {
	old := &library{}
	store := storetest.NewFaulty(memstore.New(nil))
	h := adopting(mustNew(t, store, &session.Options{Adopt: old.ends()}))
	saves := 0
	store.Before(func(op string, id session.ID) error {
		if strings.HasPrefix(string(id), "adopted-") && op == "save" {
			if saves++; saves == 1 {
				store.LoseAcks()
			}
		}
		return nil
	})
	v := oldVisitor()
	wantCode(t, v.do(h, "/"), http.StatusServiceUnavailable)
	store.Heal()
	wantWho(t, "the next request", v.do(h, "/"), "200 bob")
}
