package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

func bob(s *session.Session) {
	user.Set(s, "bob")
	count.Set(s, 0)
}

func increment(n *int) error { *n++; return nil }

// meanwhile changes a session as another request would.
func meanwhile(t *testing.T, v *sessiontest.Visitor, set func(*session.Session)) {
	t.Helper()
	s := v.Session()
	set(s)
	if _, err := s.Save(t.Context()); err != nil {
		t.Error(err)
	}
}

// A request writes back no value that it has not changed.
func TestSettingWhatIsThereNeverOverwritesANewerValue(t *testing.T) {
	alice := func(s *session.Session) { user.Set(s, "alice") }
	for name, run := range map[string]func(t *testing.T, v *sessiontest.Visitor, w http.ResponseWriter, s *session.Session){
		"by a commit that meets a conflict": func(t *testing.T, v *sessiontest.Visitor, _ http.ResponseWriter, s *session.Session) {
			user.Set(s, "bob") // what it is already
			count.Set(s, 1)
			meanwhile(t, v, alice)
		},
		"by a later save of another key": func(t *testing.T, v *sessiontest.Visitor, w http.ResponseWriter, s *session.Session) {
			user.Set(s, "bob")
			w.WriteHeader(http.StatusOK)
			meanwhile(t, v, alice)
			count.Set(s, 1)
		},
		"by an update that came to nothing": func(t *testing.T, v *sessiontest.Visitor, _ http.ResponseWriter, s *session.Session) {
			user.Update(s, func(name *string) error { *name = "bob"; return nil })
			if _, err := s.Save(t.Context()); err != nil {
				t.Error(err)
			}
			meanwhile(t, v, alice)
			if err := s.Reload(t.Context()); err != nil || user.Or(s, "") != "alice" {
				t.Errorf("after Reload user = %q, %v", user.Or(s, ""), err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := sessiontest.New(t, nil)
			v := sessiontest.NewVisitor(t, m, bob)
			v.Get(m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) { run(t, v, w, s) })), "/")
			if got := user.Or(v.Session(), ""); got != "alice" {
				t.Errorf("user = %q, want alice", got)
			}
		})
	}
}

// The function of an Update runs without a lock; what happens to the session
// meanwhile must not be undone by its result.
func TestAnUpdateThatOverlapsItsOwnSession(t *testing.T) {
	overlap := func(s *session.Session, during func()) {
		in := make(chan bool)
		out := make(chan bool)
		done := make(chan bool)
		var once sync.Once
		go func() {
			count.Update(s, func(n *int) error {
				once.Do(func() { in <- true; <-out })
				return increment(n)
			})
			close(done)
		}()
		<-in
		during()
		close(out)
		<-done
	}
	t.Run("reloading", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m, bob)
		s := v.Session()
		overlap(s, func() {
			meanwhile(t, v, func(s *session.Session) { count.Set(s, 10) })
			if err := s.Reload(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if _, err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		if got := count.Or(v.Session(), 0); got != 11 {
			t.Errorf("count = %d, want 11", got)
		}
	})
	for name, end := range map[string]func(r *http.Request, s *session.Session) error{
		"being destroyed": func(r *http.Request, s *session.Session) error { _, err := s.Destroy(r.Context()); return err },
		"beginning anew":  func(r *http.Request, _ *session.Session) error { _, err := session.StartNew(r.Context()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			m := sessiontest.New(t, nil)
			v := sessiontest.NewVisitor(t, m, bob)
			v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
				user.Set(s, "of the old session")
				overlap(s, func() {
					if err := end(r, s); err != nil {
						t.Error(err)
					}
				})
			})), "/")
			if s := v.Session(); user.Or(s, "") != "" || count.Or(s, 0) > 1 {
				t.Errorf("the new session holds user %q, count %d of the old one", user.Or(s, ""), count.Or(s, 0))
			}
		})
	}
}

func TestARefusedWriteFailsOneSaveOfAStream(t *testing.T) {
	price := session.NewKey[float64]("price")
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, bob)
	v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		w.WriteHeader(http.StatusOK)
		price.Set(s, math.NaN())
		if _, err := s.Save(r.Context()); err == nil {
			t.Error("Save after a refused write succeeded")
		}
		count.Set(s, 7)
		if _, err := s.Save(r.Context()); err != nil {
			t.Errorf("the next Save: %v", err)
		}
	})), "/")
	if got := count.Or(v.Session(), 0); got != 7 {
		t.Errorf("count = %d", got)
	}
}

func TestReloadReturnsTheErrorOfAnUpdate(t *testing.T) {
	full := errors.New("full")
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, bob)
	s := v.Session()
	count.Update(s, func(n *int) error {
		if *n > 5 {
			return full
		}
		return increment(n)
	})
	meanwhile(t, v, func(s *session.Session) { count.Set(s, 10) })
	if err := s.Reload(t.Context()); !errors.Is(err, full) {
		t.Errorf("Reload = %v, want the update's error", err)
	}
	user.Set(s, "alice")
	if _, err := s.Save(t.Context()); err != nil {
		t.Errorf("Save = %v", err)
	}
	if s := v.Session(); count.Or(s, 0) != 10 || user.Or(s, "") != "alice" {
		t.Errorf("count = %d, user = %q", count.Or(s, 0), user.Or(s, ""))
	}
}

// visitorWithAText returns a visitor who has a text under a key of numbers.
func visitorWithAText(t *testing.T) (*sessiontest.Visitor, session.Key[int]) {
	t.Helper()
	asText, asNumber := session.NewKey[string]("size"), session.NewKey[int]("size")
	return sessiontest.NewVisitor(t, sessiontest.New(t, nil), func(s *session.Session) { asText.Set(s, "large") }), asNumber
}

func TestAValueThatWasRepairedCanBeSet(t *testing.T) {
	v, asNumber := visitorWithAText(t)
	s := v.Session()
	if _, err := asNumber.Get(s); err == nil {
		t.Fatal("a text was read as a number")
	}
	meanwhile(t, v, func(s *session.Session) { asNumber.Set(s, 1) })
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := asNumber.Get(s); n != 1 || err != nil {
		t.Errorf("Get = %d, %v", n, err)
	}
	asNumber.Set(s, 2)
	if err := s.Err(); err != nil {
		t.Errorf("Set = %v", err)
	}
}

func TestWhatCannotBeReadIsNotOverwrittenAfterASaveEither(t *testing.T) {
	v, asNumber := visitorWithAText(t)
	s := v.Session()
	if _, err := asNumber.Get(s); err == nil {
		t.Fatal("a text was read as a number")
	}
	user.Set(s, "bob")
	if _, err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	var bad *session.ValueError
	asNumber.Set(s, 1)
	if err := s.Err(); !errors.As(err, &bad) {
		t.Errorf("Set = %v, want a *ValueError", err)
	}
}

func TestTakeLeavesWhatItDidNotReturn(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "first message") })
	s := v.Session()
	if got, err := user.Take(s); got != "first message" || err != nil {
		t.Fatalf("Take = %q, %v", got, err)
	}
	meanwhile(t, v, func(s *session.Session) { user.Set(s, "second message") })
	if _, err := s.Save(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := user.Take(v.Session()); got != "second message" || err != nil {
		t.Errorf("then Take = %q, %v", got, err)
	}
}

func TestAStreamSurvivesAChangeThatIsTooLarge(t *testing.T) {
	m := mustNew(t, memstore.New(&memstore.Options{MaxBytes: 100_000}), nil)
	v := sessiontest.NewVisitor(t, m, bob)
	v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		w.WriteHeader(http.StatusOK)
		user.Set(s, strings.Repeat("x", 200_000))
		if _, err := s.Save(r.Context()); !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("Save = %v, want ErrTooLarge", err)
		}
		count.Set(s, 7)
		if _, err := s.Save(r.Context()); err != nil {
			t.Errorf("the next Save: %v", err)
		}
	})), "/")
	if s := v.Session(); count.Or(s, 0) != 7 || user.Or(s, "") != "bob" {
		t.Errorf("count = %d, user of %d bytes", count.Or(s, 0), len(user.Or(s, "")))
	}
}

// A handler that ignores Reload's error must not be seen to have saved.
func TestChangesThatAReloadDropsAreNotA200(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil)) // a FreshLoader
	m := mustNew(t, store, nil)
	for name, reload := range map[string]func(w http.ResponseWriter, r *http.Request, s *session.Session){
		"by Reload": func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.Reload(r.Context()) },
		"by RequireStore": func(w http.ResponseWriter, r *http.Request, _ *session.Session) {
			m.RequireStore(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := sessiontest.NewVisitor(t, m, bob)
			answer := v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
				user.Set(s, "alice")
				m.Revoke(r.Context(), s.ID())
				reload(w, r, s)
			})), "/")
			if answer.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("status %d", answer.StatusCode)
			}
		})
	}
}

func TestAReloadThatRefreshesMeetsNoConflict(t *testing.T) {
	conflicts := 0
	m := mustNew(t, memstore.New(nil), &session.Options{Refresh: 1, Hooks: session.Hooks{
		Conflict: func(context.Context, session.ID, int) { conflicts++ },
	}})
	s := sessiontest.NewVisitor(t, m, bob).Session()
	for i := range 10 {
		if err := s.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		count.Set(s, i)
		if _, err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if conflicts != 0 {
		t.Errorf("%d conflicts of one visitor with nobody", conflicts)
	}
}

// sharded has the sessions of odd and of even IDs in two places.
type sharded struct {
	session.Store
	down string
}

func (s *sharded) Shard(id session.ID) string { return string(id[len(id)-1:]) }

func (s *sharded) Probe(context.Context, string) (string, error) { return "", nil }

func (s *sharded) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if strings.Contains(s.down, s.Shard(id)) {
		return session.Record{}, errors.New("away")
	}
	return s.Store.Load(ctx, id)
}

func TestEachDeadShardIsOneOutage(t *testing.T) {
	var downs, ups int
	store := &sharded{Store: memstore.New(nil), down: "-"}
	m := mustNew(t, store, &session.Options{Hooks: session.Hooks{
		Down: func(context.Context, string, error) { downs++ },
		Up:   func(context.Context, session.Outage) { ups++ },
	}})
	var visitors []*sessiontest.Visitor
	for range 50 {
		visitors = append(visitors, sessiontest.NewVisitor(t, m, bob))
	}
	dead := map[string]bool{}
	for _, v := range visitors {
		if shard := store.Shard(v.Session().ID()); shard < "8" {
			dead[shard] = true
		}
	}
	store.down = "01234567"
	visitAll := func() {
		for range 5 {
			for _, v := range visitors {
				v.Get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { session.From(r.Context()) })), "/")
			}
		}
	}
	visitAll()
	if downs != len(dead) || ups != 0 || !m.Stats().Failing {
		t.Errorf("%d times down, %d times up, %+v", downs, ups, m.Stats())
	}
	store.down = "-"
	visitAll()
	if downs != len(dead) || ups != len(dead) || m.Stats().Failing {
		t.Errorf("then %d times down, %d times up, %+v", downs, ups, m.Stats())
	}
}

func TestAnUpdateThatIsNotPureEnds(t *testing.T) {
	m := sessiontest.New(t, nil)
	s := sessiontest.NewVisitor(t, m, bob).Session()
	err := count.Update(s, func(n *int) error {
		user.Set(s, fmt.Sprint("run ", *n))
		return increment(n)
	})
	if err == nil {
		t.Error("an Update whose function writes the session succeeded")
	}
}

func TestRenewDuringASaveIsNotForgotten(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, bob)
	before := v.Session().ID()
	var saving *session.Session
	store.Before(func(op string, _ session.ID) error {
		if s := saving; op == "save" && s != nil {
			saving = nil
			s.Renew() // as another goroutine would
		}
		return nil
	})
	v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		saving = s
		count.Set(s, 1)
		s.Save(r.Context())
	})), "/")
	if v.Session().ID() == before {
		t.Error("Renew returned nil and did nothing")
	}
}

func TestAnIgnoredSaveOfAnEndedSessionIsNotA200(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, bob)
	answer := v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		m.Revoke(r.Context(), s.ID())
		user.Set(s, "alice")
		if _, err := s.Save(r.Context()); !errors.Is(err, session.ErrEnded) {
			t.Errorf("Save = %v, want ErrEnded", err)
		}
		fmt.Fprint(w, "saved")
	})), "/")
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestATokenThatWasSavedReachesTheVisitor(t *testing.T) {
	t.Run("when the handler panics", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m, bob)
		inner := m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			s.Renew()
			s.Save(r.Context())
			panic("boom")
		}))
		v.Get(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}()
			inner.ServeHTTP(w, r)
		}), "/")
		if got := user.Or(v.Session(), ""); got != "bob" {
			t.Errorf("user = %q: the panic logged the visitor out", got)
		}
	})
	t.Run("when another manager's error replaces the response", func(t *testing.T) {
		away := storetest.NewFaulty(memstore.New(nil))
		site := mustNew(t, away, &session.Options{Cookie: session.Cookie{Name: "__Host-site"}})
		admin := mustNew(t, memstore.New(nil), &session.Options{Cookie: session.Cookie{Name: "__Host-admin"}})
		v := sessiontest.NewVisitor(t, admin, bob)
		away.Fail(errors.New("away"))
		answer := v.Get(site.Handler(admin.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			inner, _ := admin.From(r.Context())
			outer, _ := site.From(r.Context())
			count.Set(outer, 1)
			inner.Renew()
		}))), "/")
		if got := user.Or(v.Session(), ""); got != "bob" || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("answered %d, user = %q: the site's store logged the admin out", answer.StatusCode, got)
		}
	})
	t.Run("with its own lifetime, whatever follows", func(t *testing.T) {
		m := sessiontest.New(t, &session.Options{Cookie: session.Cookie{Persistent: true}})
		v := sessiontest.NewVisitor(t, m, bob)
		answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
			s.Renew()
			s.Save(r.Context())
			session.StartNew(r.Context()) // and nothing is set in it
		})), "/")
		if c := answer.Cookies(); len(c) != 1 || c[0].MaxAge < 1000 {
			t.Errorf("cookies %v", c)
		}
	})
}

func TestOptionsError(t *testing.T) {
	t.Run("that answers nothing is a 500, at a wrapper too", func(t *testing.T) {
		m := sessiontest.New(t, &session.Options{Error: func(http.ResponseWriter, *http.Request, error) {}})
		if answer := sessiontest.NewVisitor(t, m).Get(m.Require(http.NotFoundHandler()), "/"); answer.StatusCode != http.StatusInternalServerError {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
	t.Run("is that of the manager whose session failed", func(t *testing.T) {
		inner := sessiontest.New(t, &session.Options{Cookie: session.Cookie{Name: "inner"}, Error: func(http.ResponseWriter, *http.Request, error) {
			t.Error("the inner manager's Options.Error was called")
		}})
		outer := sessiontest.New(t, &session.Options{Error: func(w http.ResponseWriter, r *http.Request, err error) { session.Error(w, r, err) }})
		v := sessiontest.NewVisitor(t, inner)
		answer := v.Get(outer.Handler(inner.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			user.Set(s, "bob")
			outer.Require(http.NotFoundHandler()).ServeHTTP(w, r)
		}))), "/")
		if got := user.Or(v.Session(), ""); answer.StatusCode != http.StatusForbidden || got != "bob" {
			t.Errorf("status %d, the inner session's user = %q", answer.StatusCode, got)
		}
	})
	t.Run("may fall back on the default", func(t *testing.T) {
		told := 0
		m := sessiontest.New(t, &session.Options{Error: func(w http.ResponseWriter, r *http.Request, err error) {
			told++
			session.Error(w, r, err)
		}})
		answer := sessiontest.NewVisitor(t, m).Get(m.Require(http.NotFoundHandler()), "/")
		if answer.StatusCode != http.StatusForbidden || told != 1 {
			t.Errorf("status %d, told %d times", answer.StatusCode, told)
		}
	})
}

func TestAStoreThatOnlyReadsIsOneOutage(t *testing.T) {
	var downs, ups int
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, &session.Options{Hooks: session.Hooks{
		Down: func(context.Context, string, error) { downs++ },
		Up:   func(context.Context, session.Outage) { ups++ },
	}})
	v := sessiontest.NewVisitor(t, m, bob)
	write := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "alice") }))
	store.Before(func(op string, _ session.ID) error {
		if op == "save" {
			return errors.New("READONLY")
		}
		return nil
	})
	for range 100 {
		v.Get(write, "/")
	}
	if downs != 1 || ups != 0 {
		t.Errorf("100 requests: %d times down, %d times up", downs, ups)
	}
	store.Before(nil)
	v.Get(write, "/")
	if downs != 1 || ups != 1 {
		t.Errorf("then one that works: %d times down, %d times up", downs, ups)
	}
}

func TestRequireStoreLetsAVisitorInWhoseSessionHasEnded(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil)) // a FreshLoader
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, bob)
	answer := v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		m.Revoke(r.Context(), s.ID())
		m.RequireStore(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "anonymous") })).ServeHTTP(w, r)
	})), "/")
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
}

// broken is a store that loads something else than was saved.
type broken struct {
	session.Store
	data []byte
}

func (b broken) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := b.Store.Load(ctx, id)
	r.Data = b.data
	return r, err
}

func TestARecordThatCannotBeReadLogsNobodyOut(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": nil, "of the future": {9, 1, 1}, "of somebody else": []byte(`{"user":"bob"}`),
	} {
		t.Run(name, func(t *testing.T) {
			m := mustNew(t, broken{memstore.New(nil), data}, nil)
			v := sessiontest.NewVisitor(t, m, bob)
			answer := v.Get(m.Require(http.NotFoundHandler()), "/")
			if answer.StatusCode != http.StatusServiceUnavailable || answer.Header["Set-Cookie"] != nil {
				t.Errorf("status %d, cookies %v", answer.StatusCode, answer.Header["Set-Cookie"])
			}
			if st := m.Stats(); st.Failing || st.Failures != 1 {
				t.Errorf("State = %+v: one record is no outage", st)
			}
			login := v.Get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s, _ := session.StartNew(r.Context())
				user.Set(s, "alice")
			})), "/")
			if login.StatusCode != http.StatusOK || len(login.Cookies()) != 1 {
				t.Errorf("a login: %d, cookies %v", login.StatusCode, login.Cookies())
			}
		})
	}
}

func TestAFullStoreStillLogsOut(t *testing.T) {
	m := mustNew(t, memstore.New(&memstore.Options{MaxBytes: 2000}), nil)
	v := sessiontest.NewVisitor(t, m, bob)
	begin := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "alice") }))
	full := false
	for range 20 {
		full = sessiontest.NewVisitor(t, m).Get(begin, "/").StatusCode == http.StatusServiceUnavailable
	}
	if !full {
		t.Fatal("the store is not full: this test shows nothing")
	}
	answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.Destroy(r.Context()) })), "/")
	if answer.StatusCode != http.StatusOK || len(answer.Cookies()) != 1 {
		t.Errorf("a logout: %d, cookies %v", answer.StatusCode, answer.Cookies())
	}
}

// Many goroutines, several requests and two instances: no increment is lost.
func TestNoUpdateIsLostUnderStress(t *testing.T) {
	const rounds, goroutines, each = 20, 3, 10
	store := memstore.New(nil)
	o := &session.Options{SaveTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second, Refresh: 1}
	for round := range rounds {
		a, b := mustNew(t, store, o), mustNew(t, store, o)
		v := sessiontest.NewVisitor(t, a, bob)
		in := v.Request(http.MethodGet, "/", nil).Header
		var sessions []*session.Session
		var wg sync.WaitGroup
		for _, m := range []*session.Manager{a, b, a} {
			s := m.Load(t.Context(), in)
			err := s.Err()
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
			for g := range goroutines {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := range each {
						err := count.Update(s, func(n *int) error { runtime.Gosched(); return increment(n) })
						switch {
						case err != nil:
						case (i+g)%2 == 0:
							_, err = s.Save(t.Context())
						case (i+g)%3 == 0:
							err = s.Reload(t.Context())
						}
						if err != nil {
							t.Error(err)
						}
					}
				}()
			}
		}
		wg.Wait()
		for _, s := range sessions {
			if _, err := s.Save(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if got := count.Or(v.Session(), 0); got != goroutines*each*len(sessions) {
			t.Fatalf("round %d: count = %d, want %d", round, got, goroutines*each*len(sessions))
		}
	}
}

// Two logins and four writes on two instances at once: one login wins, and
// every write that was acknowledged is in its session.
func TestALoginLosesNoAcknowledgedWrite(t *testing.T) {
	store := memstore.New(nil)
	o := &session.Options{SaveTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second}
	for round := range timeleft.Each(t, "rounds", 100) {
		a, b := mustNew(t, store, o), mustNew(t, store, o)
		v := sessiontest.NewVisitor(t, a, bob)
		in := v.Request(http.MethodGet, "/", nil).Header
		var mu sync.Mutex
		acknowledged, logins := 0, 0
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				m := []*session.Manager{a, b}[i%2]
				s := m.Load(t.Context(), in)
				err := s.Err()
				if err != nil || s.ID() == "" {
					return // after a login
				}
				if i < 2 {
					s.Renew()
				} else {
					count.Update(s, increment)
				}
				out := http.Header{}
				err = m.Commit(t.Context(), s, out)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil && !errors.Is(err, session.ErrEnded):
					t.Error(err)
				case err == nil && i < 2:
					logins++
					v.Keep(&http.Response{Header: out})
				case err == nil:
					acknowledged++
				}
			}()
		}
		wg.Wait()
		if got := count.Or(v.Session(), -1); logins != 1 || got != acknowledged {
			t.Fatalf("round %d: %d logins, count = %d, %d writes acknowledged", round, logins, got, acknowledged)
		}
	}
}

// Everything at once, for the race detector.
func TestEveryMethodAtOnce(t *testing.T) {
	store := memstore.New(nil)
	o := &session.Options{SaveTimeout: 20 * time.Second, ReadTimeout: 20 * time.Second, Refresh: 1}
	a, b := mustNew(t, store, o), mustNew(t, store, o)
	for round := range timeleft.Each(t, "rounds", 60) {
		v := sessiontest.NewVisitor(t, a, bob)
		var wg sync.WaitGroup
		for i, m := range []*session.Manager{a, b} {
			r := v.Request(http.MethodGet, "/", nil).WithContext(context.WithoutCancel(t.Context()))
			m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, _ := session.From(r.Context())
				operations := []func(){
					func() { user.Set(s, "a") },
					func() { count.Update(s, increment) },
					func() { s.Save(r.Context()) },
					func() { s.Reload(r.Context()) },
					func() { s.Renew() },
					func() { session.StartNew(r.Context()) },
					func() { s.Destroy(r.Context()) },
					func() { user.Or(s, "") },
					func() { user.Delete(s) },
					func() { _ = fmt.Sprint(s, s.Created(), s.Renewed(), s.Expires(), s.Source()) },
					func() { session.Loaded(r.Context()) },
					func() { m.Stats() },
				}
				for k := range 8 {
					operation := operations[(round*7+k*5+i*3)%len(operations)]
					wg.Add(1)
					go func() {
						defer wg.Done()
						operation()
					}()
				}
				io.WriteString(w, "x")
			})).ServeHTTP(httptest.NewRecorder(), r)
		}
		wg.Wait()
	}
}
