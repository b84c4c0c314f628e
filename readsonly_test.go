package session_test

import (
	"context"
	"errors"
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

var errReadOnlyReplica = errors.New("a read only replica takes no writes")

// refuseSaves makes the store answer loads and refuse saves, until the instances know.
func (s *site) refuseSaves() {
	s.Helper()
	s.store.Before(func(op string, _ session.ID) error {
		if op == "save" {
			return errReadOnlyReplica
		}
		return nil
	})
	s.after(10 * time.Second)
	s.wantState(session.ReadsOnly)
}

// takeSaves ends refuseSaves.
func (s *site) takeSaves() {
	s.Helper()
	s.store.Before(nil)
	s.after(10 * time.Second)
	s.wantState(session.Serving)
}

func (s *site) wantState(want session.ShardState) {
	s.Helper()
	for _, m := range []*session.Manager{s.a, s.b} {
		if st := m.Stats(); len(st.Shards) != 1 || st.Shards[0].State != want || st.Failing != (want != session.Serving) {
			s.Errorf("the store is %+v, failing %v, want %v", st.Shards, st.Failing, want)
		}
	}
}

// withoutCopies returns a visitor who has the token of v, and no copy.
func (s *site) withoutCopies(v *sessiontest.Visitor) *sessiontest.Visitor {
	bare := sessiontest.NewVisitor(s.T, s.a)
	out := http.Header{}
	for _, c := range v.Request("GET", "/", nil).Cookies() {
		if c.Name == "__Host-session" {
			out.Add("Set-Cookie", c.Name+"="+c.Value)
		}
	}
	bare.Keep(&http.Response{Header: out})
	return bare
}

// A store that is full, or a replica, answers loads: it is read from, and only what
// visitors change goes to the backup.
func TestAStoreThatRefusesSavesIsReadFrom(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, other := s.copied()
		bare := s.withoutCopies(v)
		s.serve(s.b, other, func(x *session.Session) { color.Set(x, "blue") }) // v's copy is older than the store
		s.refuseSaves()

		loads := s.store.Loads()
		s.serve(s.a, v, func(x *session.Session) {
			if got := color.Or(x, ""); got != "blue" || x.Source() != session.FromStore {
				t.Errorf("a read: %q %v, want what the store has", got, x.Source())
			}
		})
		if n := s.store.Loads() - loads; n != 1 {
			t.Errorf("%d loads for a read, want 1", n)
		}
		s.want(s.b, bare, "blue/")

		status := s.serve(s.a, v, func(x *session.Session) {
			food.Set(x, "tofu")
			if d, err := x.Save(t.Context()); d != session.Pending || err != nil {
				t.Errorf("Save() = %v, %v, want pending", d, err)
			}
		})
		if status != 200 {
			t.Errorf("a write: %d", status)
		}
		loads = s.store.Loads()
		s.want(s.a, v, "blue/tofu")
		s.want(s.b, v, "blue/tofu") // by the copy
		if n := s.store.Loads() - loads; n != 2 {
			t.Errorf("%d loads for two reads of what the store lacks, want 2", n)
		}
		s.want(s.b, bare, "blue/") // another instance's journal

		s.takeSaves()
		s.want(s.b, bare, "blue/tofu")
		if n := s.a.Stats().Journal; n.States != 0 || n.Lost != 0 || n.Delivered == 0 {
			t.Errorf("the journal: %+v, want all delivered", n)
		}
	})
}

// However many saves are refused in a second, loads that are answered count for
// themselves.
func TestManySavesThatAreRefusedKeepNoLoadAway(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		visitors := make([]*sessiontest.Visitor, 30)
		for i := range visitors {
			visitors[i] = s.visitor()
		}
		s.after(time.Second)
		s.store.Before(func(op string, _ session.ID) error {
			if op == "save" {
				return errReadOnlyReplica
			}
			return nil
		})
		for _, v := range visitors {
			if status := s.serve(s.a, v, func(x *session.Session) { color.Set(x, "blue") }); status != 200 {
				t.Fatalf("a write: %d", status)
			}
		}
		if got := s.a.Stats().Shards[0].State; got != session.ReadsOnly {
			t.Errorf("the store is %v, want reads only", got)
		}
		s.takeSaves()
		for _, v := range visitors {
			s.want(s.b, s.withoutCopies(v), "blue/")
		}
	})
}

// A request that has loaded its session early does not undo a write that another instance
// saved just before the store began to refuse saves.
func TestAWriteLoadsOnceMoreWhereTheStoreRefusesSaves(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		list := session.NewKey[[]string]("list")
		add := func(x *session.Session, item string) {
			if err := list.Update(x, func(l *[]string) error { *l = append(*l, item); return nil }); err != nil {
				t.Error(err)
			}
		}
		v, other := s.copied()
		s.serve(s.a, v, func(x *session.Session) {
			color.Or(x, "") // it is loaded
			s.serve(s.b, other, func(x *session.Session) { add(x, "pear") })
			s.refuseSaves()
			add(x, "plum")
		})
		s.takeSaves()
		s.serve(s.b, s.withoutCopies(v), func(x *session.Session) {
			if got := strings.Join(list.Or(x, nil), " "); got != "pear plum" {
				t.Errorf("the list holds %q, want pear plum", got)
			}
		})
	})
}

func TestALoginLoadsOnceMoreWhereTheStoreRefusesSaves(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, other := s.copied()
		s.serve(s.a, v, func(x *session.Session) {
			color.Or(x, "")
			s.serve(s.b, other, func(x *session.Session) { food.Set(x, "tofu") })
			s.refuseSaves()
			x.Renew()
		})
		s.want(s.a, v, "red/tofu")
		s.takeSaves()
		s.want(s.b, v, "red/tofu")
		s.want(s.b, other, "-")
	})
}

// A logout cannot reach the others meanwhile: a record that was read then vouches for no
// session afterwards, and no route that requires the store is served.
func TestAReadConfirmsNoLeaseWhileSavesAreRefused(t *testing.T) {
	testSite(t, session.Options{Idle: 24 * time.Hour}, func(s *site) {
		v := s.visitor()
		s.refuseSaves()
		strict := func() int {
			return v.Get(s.a.RequireStoreFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = session.From(r.Context()) }), "/").StatusCode
		}
		if got := strict(); got != http.StatusServiceUnavailable {
			t.Errorf("RequireStore: %d, want 503", got)
		}
		s.after(50 * time.Minute)
		s.want(s.a, v, "red/")
		s.store.Fail(errRefused)
		s.after(10 * time.Second)
		s.want(s.a, v, "red/") // the lease of before
		s.after(15 * time.Minute)
		s.want(s.a, v, "503")
		s.store.Heal()
		s.takeSaves()
		s.want(s.a, v, "red/")
		if got := strict(); got != http.StatusOK {
			t.Errorf("RequireStore, when the store takes saves: %d, want 200", got)
		}
	})
}

// Beyond a lease a record may be of a session that has ended: it counts beside a copy
// that vouches, and not alone.
func TestARecordCountsForALeaseWhileSavesAreRefused(t *testing.T) {
	testSite(t, session.Options{Idle: 24 * time.Hour}, func(s *site) {
		v := s.visitor()
		bare := s.withoutCopies(v)
		s.refuseSaves()
		s.after(50 * time.Minute)
		s.want(s.a, v, "red/")
		s.want(s.a, bare, "red/")
		late := sessiontest.NewVisitor(t, s.a)
		s.serve(s.a, late, func(x *session.Session) { color.Set(x, "blue") })
		s.serve(s.a, late, func(x *session.Session) { color.Set(x, "green") })
		if n := s.a.Stats().Restores; n != 0 {
			t.Errorf("%d restores, and the store takes none", n)
		}
		s.after(11 * time.Minute)
		s.want(s.a, v, "503")
		s.want(s.a, bare, "503")
		s.want(s.a, late, "green/")
		s.takeSaves()
		s.want(s.a, v, "red/")
		s.want(s.b, bare, "red/")
		s.want(s.b, late, "green/")
	})
}

// An instance that starts then does not know for how long no logout has arrived.
func TestAnInstanceThatStartsWhileSavesAreRefused(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		bare := s.withoutCopies(v)
		s.refuseSaves()
		c := s.startInstance(s.store, session.Options{})
		s.after(100 * time.Millisecond) // its first probe has failed
		s.want(c, v, "red/")
		s.want(c, bare, "503")
		s.after(10 * time.Second)
		s.want(c, v, "red/")
		s.want(c, bare, "503")
	})
}

// An instance that starts on a store that is well has not seen it save yet.
func TestAnInstanceServesWhatTheStoreHasFromItsFirstRequest(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		bare := s.withoutCopies(s.visitor())
		c := s.startInstance(s.store, session.Options{})
		s.want(c, bare, "red/")
		s.after(time.Second)
	})
}

// An empty store that refuses saves answers loads: that it takes no members record is no
// silence. It is in quarantine, and copies stand in.
func TestAnEmptyStoreThatRefusesSaves(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.store.Replace(memstore.New(nil))
		s.refuseSaves()
		s.wantAtBoth(v, "red/")
		s.takeSaves()
		s.want(s.a, v, "red/")
		s.want(s.a, s.withoutCopies(v), "red/")
	})
}

// mute is a store that loses what it has right after a save, whose answer is lost
// too.
type mute struct {
	session.Store
	after atomic.Pointer[func()] // a save of a session, if it is set
}

func (f *mute) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	v, err := f.Store.Save(ctx, id, r, over)
	if err != nil || len(id) != 32 {
		return v, err
	}
	if after := f.after.Swap(nil); after != nil {
		(*after)()
		return session.Absent, errRefused
	}
	return v, nil
}

// A save that was done, read by another instance, and lost with all that the store had
// keeps its dot: it does not come after what was made of it.
func TestASaveThatTheStoreHasLostIsNotMadeAnew(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		between := &mute{Store: s.store}
		c := s.startInstance(between, session.Options{})
		s.after(10 * time.Second)
		v, other := s.copied()
		s.serve(c, v, func(x *session.Session) {
			color.Or(x, "")
			time.Sleep(time.Second)
			after := func() {
				s.serve(s.b, other, func(x *session.Session) {
					if got := color.Or(x, ""); got != "blue" {
						t.Errorf("the other instance reads %q, want blue", got)
					}
					color.Set(x, "green")
				})
				s.store.Replace(memstore.New(nil))
				time.Sleep(time.Second)
			}
			between.after.Store(&after)
			color.Set(x, "blue")
		})
		s.after(10 * time.Second)
		s.want(s.b, other, "green/")
		s.want(c, other, "green/")
	})
}

func TestALogoutAndALoginWhileSavesAreRefused(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.copied()
		login, planted := s.copied()
		s.refuseSaves()
		s.serve(s.a, v, s.ends(session.Pending))
		s.want(s.a, thief, "-")
		s.want(s.b, v, "-") // by the tombstone cookie
		s.logIn(s.a, login, "blue")
		s.wantAtBoth(login, "blue/")
		s.want(s.a, planted, "-")
		s.takeSaves()
		s.want(s.b, thief, "-")
		s.want(s.b, planted, "-")
		s.want(s.b, login, "blue/")
	})
}

// A write that no copy that vouches stands behind is joined into the record, which the
// store has just shown.
func TestAWriteWithoutACopyWhileSavesAreRefused(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		bare := s.withoutCopies(v)
		s.refuseSaves()
		if status := s.serve(s.a, bare, func(x *session.Session) { food.Set(x, "rice") }); status != 200 {
			t.Fatalf("a write: %d, want 200", status)
		}
		s.want(s.a, bare, "red/rice")
		s.takeSaves()
		s.want(s.b, v, "red/rice")
	})
}

func TestHooksTellThatAStoreRefusesSavesAndThatItBecomesWorse(t *testing.T) {
	var mu sync.Mutex // guards what the hooks were told
	var down, still []string
	ups := 0
	note := func(to *[]string, err error) {
		mu.Lock()
		defer mu.Unlock()
		*to = append(*to, err.Error())
	}
	o := session.Options{Hooks: session.Hooks{
		Down:      func(_ context.Context, _ string, err error) { note(&down, err) },
		StillDown: func(_ context.Context, o session.Outage) { note(&still, o.Err) },
		Up: func(context.Context, session.Outage) {
			mu.Lock()
			defer mu.Unlock()
			ups++
		},
	}}
	testSite(t, o, func(s *site) {
		s.refuseSaves()
		mu.Lock()
		if len(down) != 2 || !strings.Contains(down[0], string(session.CauseSaves)) || !strings.Contains(down[0], errReadOnlyReplica.Error()) {
			t.Fatalf("Down was told %q, want that both instances find it loads and does not save, and why", down)
		}
		mu.Unlock()
		if st := s.a.Stats().Shards[0]; st.Cause != session.CauseSaves || st.Since.IsZero() {
			t.Errorf("Stats: %+v", st)
		}
		s.store.Fail(errRefused)
		s.after(10 * time.Second)
		s.wantState(session.Away)
		mu.Lock()
		if len(down) != 2 || len(still) != 2 || !strings.Contains(still[0], errRefused.Error()) {
			t.Errorf("when it answers nothing any more: Down %q, StillDown %q, want one of the latter for each instance", down[2:], still)
		}
		mu.Unlock()
		s.store.Heal()
		s.takeSaves()
		mu.Lock()
		defer mu.Unlock()
		if ups != 2 {
			t.Errorf("%d times up, want 2", ups)
		}
	})
}

// A store that is back and refuses saves is read from, although tombstones wait: this
// process knows them.
func TestAStoreThatComesBackWithoutSavesIsReadFrom(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, gone := s.visitor(), s.visitor()
		bare, thief := s.withoutCopies(v), s.copyOf(gone)
		s.store.Fail(errRefused)
		s.after(10 * time.Second)
		s.serve(s.a, gone, s.ends(session.Pending))
		s.store.Heal()
		s.store.Before(func(op string, _ session.ID) error {
			if op == "save" {
				return errReadOnlyReplica
			}
			return nil
		})
		s.after(10 * time.Second)
		s.want(s.a, bare, "red/")
		s.want(s.a, thief, "-")
		if a, b := s.a.Stats().Shards[0].State, s.b.Stats().Shards[0].State; a != session.Returning || b != session.ReadsOnly {
			t.Errorf("the store is %v where a tombstone waits, and %v where none does", a, b)
		}
		s.takeSaves()
		s.want(s.b, thief, "-")
		s.want(s.b, bare, "red/")
	})
}
