package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

// split has two shards, of which one can be frozen.
type split struct {
	session.Store
	mu     sync.Mutex
	frozen string
}

func (s *split) Shard(id session.ID) string { return string('a' + id[len(id)-1]%2) }

func (s *split) Probe(ctx context.Context, shard string) (string, error) {
	return "1", s.stuck(ctx, shard)
}

func (s *split) stuck(ctx context.Context, shard string) error {
	s.mu.Lock()
	frozen := s.frozen == shard
	s.mu.Unlock()
	if frozen {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (s *split) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if err := s.stuck(ctx, s.Shard(id)); err != nil {
		return session.Record{}, err
	}
	return s.Store.Load(ctx, id)
}

func (s *split) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	return s.Load(ctx, id)
}

func (s *split) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if err := s.stuck(ctx, s.Shard(id)); err != nil {
		return session.Absent, err
	}
	return s.Store.Save(ctx, id, r, over)
}

func (s *split) freeze(shard string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = shard
}

func TestADegradedWriteOfLowRankIsInTheCopy(t *testing.T) {
	profile := session.NewKey[string]("profile", session.Uncompressed())
	cart := session.NewKey[string]("cart5", session.Rank(3), session.Uncompressed())
	testSite(t, session.Options{Backup: &session.Backup{Copy: 6144, ProxyBuffer: 8192}}, func(s *site) {
		v := s.visitor()
		s.serve(s.a, v, func(x *session.Session) { cart.Set(x, strings.Repeat("c", 3000)) })
		s.store.Fail(errRefused)
		if status := s.serve(s.a, v, func(x *session.Session) { profile.Set(x, strings.Repeat("p", 3000)) }); status != 200 {
			t.Fatalf("status %d", status)
		}
		s.serve(s.b, v, func(x *session.Session) {
			if got, err := profile.Get(x); len(got) != 3000 || err != nil {
				t.Errorf("profile %d %v", len(got), err)
			}
		})
	})
}

func TestAWriteAheadOfReadOnlyIsInTheCopy(t *testing.T) {
	inner := func(m *session.Manager, outer func(*session.Session)) http.Handler {
		return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x, err := session.From(r.Context())
			if err != nil {
				session.Error(w, r, err)
				return
			}
			outer(x)
			m.ReadOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(w, r)
		}))
	}
	t.Run("write", func(t *testing.T) {
		testSite(t, session.Options{}, func(s *site) {
			v := s.visitor()
			s.store.Fail(errRefused)
			if st := v.Get(inner(s.a, func(x *session.Session) { food.Set(x, "tofu") }), "/").StatusCode; st != 200 {
				t.Fatal(st)
			}
			s.want(s.b, v, "red/tofu")
		})
	})
	t.Run("begin", func(t *testing.T) {
		testSite(t, session.Options{}, func(s *site) {
			v := sessiontest.NewVisitor(t, s.a)
			if st := v.Get(inner(s.a, func(x *session.Session) { food.Set(x, "tofu") }), "/").StatusCode; st != 200 {
				t.Fatal(st)
			}
			s.store.Fail(errRefused)
			s.want(s.b, v, "/tofu")
		})
	})
	t.Run("logout", func(t *testing.T) {
		testSite(t, session.Options{}, func(s *site) {
			v, old := s.copied()
			s.store.Fail(errRefused)
			if st := v.Get(inner(s.a, func(x *session.Session) { x.Destroy(t.Context()) }), "/").StatusCode; st != 200 {
				t.Fatal(st)
			}
			if n := len(copiesIn(v)); n != 0 {
				t.Errorf("%d copies left", n)
			}
			for _, c := range old.Request("GET", "/", nil).Cookies() {
				v.Keep(&http.Response{Header: http.Header{"Set-Cookie": {c.Name + "=" + c.Value}}})
			}
			s.want(s.b, v, "-")
		})
	})
}

func TestAnExpiredRecordThatStillStands(t *testing.T) {
	testSite(t, session.Options{Idle: 10 * time.Minute}, func(s *site) {
		ahead, link := s.instance(30*time.Second, session.Backup{}, session.Options{Idle: 10 * time.Minute})
		v := s.visitor()
		// a frozen store for almost the idle time, with the visitor active
		s.store.Fail(errRefused)
		for range 10 {
			s.after(time.Minute)
			s.serve(s.b, v, func(x *session.Session) {})
		}
		s.after(40 * time.Second)
		s.store.Heal()
		link.Heal()
		s.after(4 * time.Second)
		before := link.Saves()
		if st := s.serve(ahead, v, func(x *session.Session) { food.Set(x, "tofu") }); st != 200 {
			t.Errorf("status %d", st)
		}
		if n := link.Saves() - before; n > 10 {
			t.Errorf("%d saves", n)
		}
		s.want(ahead, v, "red/tofu")
	})
}

func TestTheTombstoneCookieCountsWhereTheJournalIsFull(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		c, cut := s.instance(0, session.Backup{Journal: 1000}, session.Options{})
		v, old := s.copied()
		s.store.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) { x.Destroy(t.Context()) })
		cut.Fail(errRefused)
		for i := range 4 {
			_, _ = c.Revoke(t.Context(), session.ID(fmt.Sprintf("x%d", i))) // the last ones do not fit
		}
		for _, k := range old.Request("GET", "/", nil).Cookies() {
			v.Keep(&http.Response{Header: http.Header{"Set-Cookie": {k.Name + "=" + k.Value}}})
		}
		s.want(c, v, "-")
	})
}

func TestLogoutsOfNobodyPushNobodyOut(t *testing.T) {
	testSite(t, session.Options{Backup: &session.Backup{Journal: 10_000}}, func(s *site) {
		v := s.visitor()
		ended := s.visitor()
		s.store.Fail(errRefused)
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "tofu") })
		for i := range 100 {
			r, _ := http.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: "__Host-session", Value: fmt.Sprintf("%043d", i)})
			w := sessiontest.NewVisitor(t, s.a)
			w.Do(s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				x, _ := session.From(r.Context())
				x.Destroy(r.Context())
			})), r)
		}
		if s.a.Stats().Journal.States != 1 {
			t.Error("the visitor's write is gone from the journal")
		}
		s.serve(s.a, ended, func(x *session.Session) {
			if _, err := x.Destroy(t.Context()); err != nil {
				t.Errorf("Destroy: %v", err)
			}
		})
	})
}

func TestRestoresByTheJournalAreBounded(t *testing.T) {
	testSite(t, session.Options{Backup: &session.Backup{Restores: 2}}, func(s *site) {
		var l []*sessiontest.Visitor
		for range 50 {
			l = append(l, s.visitor())
		}
		s.store.Replace(memstore.New(nil))
		s.after(10 * time.Second)
		before := s.store.Saves()
		for _, v := range l {
			s.serve(s.a, v, func(x *session.Session) { food.Set(x, "tofu") })
		}
		s.after(900 * time.Millisecond)
		if n := s.store.Saves() - before; n > 5 {
			t.Errorf("%d sessions were put back in a second, want 2; restores %d", n, s.a.Stats().Restores)
		}
	})
}

func TestAFrozenShardDelaysNoSessionOfAHealthyOne(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		sp := &split{Store: memstore.New(nil)}
		m := s.startInstance(sp, session.Options{})
		s.after(10 * time.Second)
		keyOf := func(v *sessiontest.Visitor) (key session.ID) {
			s.serve(m, v, func(x *session.Session) { key = x.ID() })
			return key
		}
		var l []*sessiontest.Visitor
		for len(l) < 20 { // visitors of shard a
			v := sessiontest.NewVisitor(s.T, m)
			s.serve(m, v, func(x *session.Session) { color.Set(x, "red") })
			if sp.Shard(keyOf(v)) == "a" {
				l = append(l, v)
			}
		}
		sp.freeze("a")
		s.after(20 * time.Second)
		v := l[0]
		for _, v = range l { // until Renew chooses the healthy one
			s.serve(m, v, func(x *session.Session) { x.Renew() })
			if sp.Shard(keyOf(v)) == "b" {
				break
			}
		}
		s.after(20 * time.Second)
		for range 5 {
			begin := time.Now()
			s.want(m, v, "red/")
			if d := time.Since(begin); d > 10*time.Millisecond {
				t.Errorf("a read took %v although its shard is well, and the other one is known to be away", d)
			}
			s.after(time.Second)
		}
		sp.freeze("")
		s.after(10 * time.Second)
	})
}

func TestARestoreThatStopsHalfWay(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		a, link := s.cutOff()
		v, tab := s.copied()
		link.Fail(errRefused)
		// Begun from the sealed copy, with the journal's tombstone of the old one out of
		// the way: a third instance, which knows the successor by its copy alone, restores it.
		s.logIn(a, v, "blue")
		c, cut := s.cutOff()
		cut.Fail(errRefused)
		s.serve(c, v, func(x *session.Session) { color.Set(x, "green") }) // the journal of c owes it too
		s.serve(s.b, tab, func(x *session.Session) { food.Set(x, "tofu") })
		heir := session.ID("")
		s.serve(c, v, func(x *session.Session) { heir = x.ID() })
		var fails atomic.Int32
		fails.Store(1)
		cut.Heal()
		cut.Before(onSave(heir, func() error {
			if fails.Add(-1) >= 0 {
				return errRefused
			}
			return nil
		}))
		s.after(10 * time.Second)
		s.want(c, v, "green/tofu")
		link.Heal()
		s.after(10 * time.Second)
		s.want(a, v, "green/tofu")
	})
}

func TestATokenInAHeaderHasNoBackup(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		a := s.startInstance(struct{ session.Store }{s.store}, session.Options{Header: "X-Session"})
		s.after(10 * time.Second)
		v := sessiontest.NewVisitor(t, a, func(x *session.Session) { color.Set(x, "red") })
		s.serve(a, v, func(x *session.Session) {
			s.store.Fail(errRefused)
			if err := x.Reload(t.Context()); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Reload: %v, want ErrUnavailable (source %v)", err, x.Source())
			}
			s.store.Heal()
			food.Set(x, "tofu")
			if _, err := x.Save(t.Context()); err != nil {
				t.Errorf("Save: %v", err)
			}
		})
	})
}

func TestWhatWasSavedBeforeAPanicTravels(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.store.Fail(errRefused)
		h := s.a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x, _ := session.From(r.Context())
			food.Set(x, "tofu")
			if d, err := x.Save(r.Context()); d != session.Pending || err != nil {
				t.Error(d, err)
			}
			panic("x")
		}))
		outer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { recover(); w.WriteHeader(http.StatusInternalServerError) }()
			h.ServeHTTP(w, r)
		})
		v.Get(outer, "/")
		s.want(s.b, v, "red/tofu")
	})
}

func TestAValueNewerThanTheCacheIsNotLost(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		store := &cachingStore{s.store, map[session.ID]session.Record{}}
		c := s.startInstance(store, session.Options{})
		s.after(10 * time.Second)
		v := s.visitor()
		s.want(c, v, "red/") // it is in the cache now
		s.serve(s.a, v, func(x *session.Session) { card.Set(x, "1234") })
		s.serve(c, v, func(x *session.Session) {
			if got, err := card.Get(x); got != "1234" || err != nil {
				t.Errorf("card: %q, %v", got, err)
			}
		})
	})
}

func TestAStoreThatLoadsAndDoesNotSaveIsAway(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		m, link := s.cutOff()
		v := s.visitor()
		link.Before(func(op string, _ session.ID) error {
			if op == "save" {
				return errors.New("READONLY")
			}
			return nil
		})
		saves := link.Saves()
		for range 60 {
			if status := s.serve(m, v, func(x *session.Session) { food.Set(x, time.Now().String()) }); status != 200 {
				t.Errorf("a write: %d", status)
			}
			s.after(time.Second)
		}
		if !m.Stats().Failing {
			t.Error("nobody has noticed")
		}
		if n := link.Saves() - saves; n > 100 {
			t.Errorf("%d saves were tried", n)
		}
		link.Before(nil)
		s.after(10 * time.Second)
		if st := m.Stats(); st.Failing || st.Journal.States > 0 {
			t.Errorf("10 s after it saves again: %+v", st)
		}
	})
}

func TestARenewalThatIsRepeatedIsStillAnHeir(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		c, cut := s.cutOff()
		v, thief := s.copied()
		cut.Fail(errRefused)
		for range 20 {
			s.logIn(c, thief, "stolen")
		}
		s.serve(s.a, v, func(x *session.Session) { x.Destroy(t.Context()) })
		s.want(s.b, thief, "-")
		cut.Heal()
		s.after(10 * time.Second)
		s.want(c, thief, "-")
	})
}
