package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// lever is a Switch in the test's hand.
type lever struct {
	mu   sync.Mutex
	over session.Override
}

func (l *lever) Override() session.Override {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

func (l *lever) set(o session.Override) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = o
}

// An order for one shard leaves the others to the store, and delivers when it has ended. A mode
// that is none for a shard changes nothing, nor does the name of a shard that the store has not.
func TestOperatorsLeaveOneShardAlone(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		l := &lever{}
		sp := &split{Store: memstore.New(nil)}
		m := s.startInstance(sp, session.Options{Switch: l})
		s.after(10 * time.Second)
		of := map[string]*sessiontest.Visitor{}
		for len(of) < 2 {
			v := sessiontest.NewVisitor(s.T, m)
			s.serve(m, v, func(x *session.Session) { color.Set(x, "red") })
			s.serve(m, v, func(x *session.Session) { of[sp.Shard(x.ID())] = v })
		}
		writes := 0
		source := func(shard string) (from session.Source) {
			s.serve(m, of[shard], func(x *session.Session) {
				writes++
				food.Set(x, strconv.Itoa(writes))
				from = x.Source()
			})
			return from
		}
		modes := func() (text string) {
			for _, st := range m.Stats().Shards {
				text += fmt.Sprintf("%s %v, ", st.Name, st.Mode)
			}
			return text
		}
		for _, o := range []session.Override{
			{Mode: session.StoreOnly, Shard: "a"}, {Mode: session.BackupOnly, Shard: "c"}, {Mode: session.BackupOnly + 1, Shard: "a"},
		} {
			l.set(o)
			a, b := source("a"), source("b")
			if a != session.FromStore || b != session.FromStore || modes() != "a auto, b auto, " {
				t.Errorf("%+v: sessions are from %v and %v, the modes are %s", o, a, b, modes())
			}
		}
		l.set(session.Override{Mode: session.BackupOnly, Shard: "a"})
		sp.freeze("a") // nobody asks it
		a, b := source("a"), source("b")
		if a != session.FromBackup || b != session.FromStore || modes() != "a backup only, b auto, " {
			t.Errorf("sessions are from %v and %v, the modes are %s", a, b, modes())
		}
		s.serve(m, of["b"], func(x *session.Session) {
			if d, err := x.Destroy(s.Context()); d != session.Durable || err != nil {
				t.Errorf("a logout at the other shard is %v, %v", d, err)
			}
		})
		if n := m.Stats().Journal.States; n != 1 {
			t.Errorf("%d states wait, want the one of shard a", n)
		}
		sp.freeze("")
		l.set(session.Override{})
		s.after(10 * time.Second)
		if st := m.Stats(); st.Failing || st.Journal.States != 0 || source("a") != session.FromStore {
			t.Errorf("afterwards: %+v", st)
		}
	})
}

func TestOperatorsChooseBetweenStoreAndBackup(t *testing.T) {
	l := &lever{}
	testSite(t, session.Options{Switch: l}, func(s *site) {
		v := s.visitor()

		l.set(session.Override{Mode: session.BackupOnly})
		before := s.store.Loads() + s.store.Saves()
		s.want(s.a, v, "red/")
		s.serve(s.a, v, func(x *session.Session) {
			if color.Set(x, "blue"); x.Source() != session.FromBackup {
				t.Errorf("backup only: from the %v", x.Source())
			}
		})
		if n := s.store.Loads() + s.store.Saves() - before; n != 0 {
			t.Errorf("backup only: the store was asked %d times", n)
		}
		if st := s.a.Stats(); len(st.Shards) != 1 || st.Shards[0].Mode != session.BackupOnly || st.Shards[0].State != session.Away || st.Journal.States != 1 {
			t.Errorf("backup only: %+v", st)
		}
		s.want(s.b, v, "blue/")

		l.set(session.Override{})
		s.after(10 * time.Second)
		if st := s.a.Stats(); st.Failing || st.Journal.States != 0 {
			t.Errorf("auto again: %+v", st)
		}
		s.want(s.b, v, "blue/")

		l.set(session.Override{Mode: session.StoreOnly})
		s.store.Fail(errRefused)
		s.want(s.a, v, "503")
		if status := s.serve(s.a, sessiontest.NewVisitor(s.T, s.a), func(x *session.Session) { color.Set(x, "red") }); status != 503 {
			t.Errorf("store only: a new session while the store is away: %d", status)
		}
		s.store.Heal()
		s.want(s.a, v, "blue/")
	})
}

func TestALeaseIsExtendedForAnIncident(t *testing.T) {
	l := &lever{}
	testSite(t, session.Options{
		Switch: l, Idle: 12 * time.Hour, Backup: &session.Backup{Lease: time.Hour, MaxLease: 3 * time.Hour},
	}, func(s *site) {
		v := s.visitor()
		s.store.Fail(errRefused)
		s.after(61 * time.Minute)
		s.want(s.a, v, "503")
		l.set(session.Override{Lease: 10 * time.Hour})
		s.want(s.a, v, "red/")
		s.after(3 * time.Hour)
		s.want(s.a, v, "503")
		l.set(session.Override{Lease: time.Minute}) // it never shortens
	})
}

func TestRevokeWhileTheStoreIsAway(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		key := id(t, s, v)
		s.store.Fail(errRefused)
		if d, err := s.a.Revoke(t.Context(), key); d != session.Pending || err != nil {
			t.Errorf("Revoke() = %v, %v", d, err)
		}
		s.want(s.a, v, "-")
		s.heal()
		s.want(s.b, v, "-")
	})
}

func TestAFullJournalDropsTheOldestStatesAndNoTombstone(t *testing.T) {
	var dropped []session.ID
	testSite(t, session.Options{
		Backup: &session.Backup{Journal: 5000},
		Hooks:  session.Hooks{Overflow: func(_ context.Context, id session.ID) { dropped = append(dropped, id) }},
	}, func(s *site) {
		var visitors []*sessiontest.Visitor
		for range 20 {
			visitors = append(visitors, s.visitor())
		}
		first := id(t, s, visitors[0])
		s.store.Fail(errRefused)
		for _, v := range visitors {
			if status := s.serve(s.a, v, func(x *session.Session) { color.Set(x, "blue") }); status != 200 {
				t.Errorf("a write: %d", status)
			}
		}
		if st := s.a.Stats().Journal; st.Bytes > 5000 || st.States == 0 || len(dropped)+st.States != 20 || dropped[0] != first {
			t.Errorf("dropped %v; %+v", dropped, st)
		}
		ended := 0
		for _, v := range visitors {
			s.serve(s.a, v, func(x *session.Session) {
				switch d, err := x.Destroy(t.Context()); {
				case err == nil && d == session.Pending:
					ended++
				case !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), "journal is full"):
					t.Errorf("Destroy: %v, %v", d, err)
				}
			})
		}
		if st := s.a.Stats().Journal; st.Lost != uint64(len(dropped)) {
			t.Errorf("%d changes dropped: %+v", len(dropped), st)
		}
		if st := s.a.Stats().Journal; ended == 0 || ended == 20 || st.Tombstones != ended || st.Bytes > 5000 {
			t.Errorf("%d logouts taken; %+v", ended, st)
		}
		s.heal()
		for i, v := range visitors {
			if want := "-"; i >= ended {
				s.want(s.b, v, "blue/")
			} else {
				s.want(s.b, v, want)
			}
		}
	})
}

func TestCloseDeliversAndTellsWhatIsLeft(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, w := s.visitor(), s.visitor()
		m := mustOpen(s.T, s)
		s.after(10 * time.Second)
		s.store.Fail(errRefused)
		s.serve(m, v, func(x *session.Session) { color.Set(x, "blue") })
		s.serve(m, w, func(x *session.Session) { x.Destroy(t.Context()) })
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := m.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 sessions and 1 tombstones") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		s.store.Heal()
		if err := m.Close(s.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		s.after(10 * time.Second)
		s.want(s.b, s.copyOf(w), "-")
		s.want(s.b, v, "blue/")
	})
}

// Tombstones that the store had before it lost its data are published again. They were
// never pending.
func TestTombstonesThatAreToldAgainAreNotCountedAsDelivered(t *testing.T) {
	var log bytes.Buffer
	testSite(t, session.Options{Hooks: session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))}, func(s *site) {
		changed := s.visitor()
		for range 3 {
			s.serve(s.a, s.visitor(), func(x *session.Session) { x.Destroy(s.Context()) })
		}
		rotated := s.visitor()
		s.after(time.Minute)
		s.serve(s.a, rotated, func(x *session.Session) { x.Rotate() })
		s.serve(s.a, rotated, func(x *session.Session) { x.Destroy(s.Context()) })
		s.after(time.Minute)
		s.b.Close(canceled(s.T)) // it has no part in this
		if j := s.a.Stats().Journal; j.Known < 4 || j.Delivered != 0 {
			t.Fatalf("before: %+v", j)
		}
		log.Reset()
		s.store.Fail(errRefused)
		s.after(5 * time.Second)
		s.store.Replace(memstore.New(nil))
		s.store.Heal()
		s.after(2 * time.Second)
		if j := s.a.Stats().Journal; j.States+j.Tombstones != 0 {
			t.Errorf("an outage in which nobody wrote: %+v", j)
		}
		s.after(10 * time.Second)
		if j := s.a.Stats().Journal; j.States+j.Tombstones+j.Again != 0 || j.Delivered != 0 || j.Lost != 0 {
			t.Errorf("after it: %+v", j)
		}
		if got := log.String(); !strings.Contains(got, "is back") || !strings.Contains(got, "delivered=0 lost=0 waiting=0") {
			t.Errorf("the log of it:\n%s", got)
		}

		// Writes that wait for the store are counted beside it.
		log.Reset()
		s.store.Fail(errRefused)
		s.serve(s.a, changed, func(x *session.Session) { color.Set(x, "blue") })
		s.after(5 * time.Second)
		s.store.Replace(memstore.New(nil))
		s.store.Heal()
		s.after(30 * time.Second)
		if j := s.a.Stats().Journal; j.States+j.Tombstones+j.Again != 0 || j.Delivered != 1 || j.Lost != 0 {
			t.Errorf("after an outage with one change: %+v", j)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, "has what it was owed") || !strings.Contains(last, "delivered=1 lost=0") {
			t.Errorf("nobody was told of the delivery:\n%s", log.String())
		}
	})
}

func TestTheJournalCountsWhatItDeliveredAndWhatItLost(t *testing.T) {
	testSite(t, session.Options{Backup: &session.Backup{Lease: time.Minute, MaxLease: time.Hour}}, func(s *site) {
		changed, ended := s.visitor(), s.visitor()
		late, elsewhere := s.visitor(), s.visitor()
		stale := s.copyOf(elsewhere)
		blue := func(x *session.Session) { color.Set(x, "blue") }
		s.store.Fail(errRefused)
		for _, v := range []*sessiontest.Visitor{changed, elsewhere, ended} {
			if status := s.serve(s.a, v, blue); status != 200 {
				t.Fatalf("a change in the outage: %d", status)
			}
		}
		s.serve(s.a, ended, func(x *session.Session) { x.Destroy(s.Context()) })
		if j := s.a.Stats().Journal; j.States != 2 || j.Tombstones != 1 || j.Delivered != 0 || j.Lost != 0 {
			t.Errorf("in the outage: %+v", j)
		}
		// The other instance ends one of them where this one's change is not known.
		s.serve(s.b, stale, func(x *session.Session) { x.Destroy(s.Context()) })
		s.b.Close(canceled(s.T))
		s.store.Heal()
		if err := s.b.Close(s.Context()); err != nil {
			t.Fatalf("Close: %v", err)
		}
		s.after(10 * time.Second)
		if j := s.a.Stats().Journal; j.States+j.Tombstones != 0 || j.Delivered != 2 || j.Lost != 1 {
			t.Errorf("back: %+v, want one change and one tombstone delivered, and one change lost", j)
		}

		s.store.Fail(errRefused)
		s.serve(s.a, late, blue)
		s.after(2 * time.Minute)
		s.store.Replace(memstore.New(nil))
		s.heal()
		if j := s.a.Stats().Journal; j.States != 0 || j.Lost != 2 {
			t.Errorf("the lease has run out: %+v", j)
		}
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// mustOpen returns a third instance, which the test closes.
func mustOpen(t *testing.T, s *site) *session.Manager {
	t.Helper()
	m, err := session.New(s.store, &session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: s.keys}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOneLineForAnOutage(t *testing.T) {
	var log bytes.Buffer
	hooks := session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))
	testSite(t, session.Options{Hooks: hooks}, func(s *site) {
		v := s.visitor()
		log.Reset()
		s.store.Fail(errRefused)
		for range 300 {
			s.want(s.a, v, "red/")
			s.after(100 * time.Millisecond)
		}
		s.store.Replace(memstore.New(nil))
		s.store.Heal()
		s.after(20 * time.Second)
		s.want(s.a, v, "red/")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 6 { // two instances: away, empty, back
			t.Errorf("%d lines:\n%s", len(lines), log.String())
		}
	})
}

func TestAnOutageIsNoticedWithinASecondAndOverSoon(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.store.Hang()
		begun, slow := time.Now(), 0
		for time.Since(begun) < 5*time.Second {
			at := time.Now()
			s.want(s.a, v, "red/")
			switch took := time.Since(at); {
			case took > 50*time.Millisecond:
				t.Errorf("a read took %v", took)
			case took > 0 && time.Since(begun) > time.Second:
				t.Errorf("a read took %v, %v into the outage", took, time.Since(begun))
			case took > 0:
				slow++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if slow == 0 {
			t.Error("the store did not hang")
		}
		s.store.Heal()
		back := time.Now()
		for s.a.Stats().Failing && time.Since(back) < 10*time.Second {
			s.after(100 * time.Millisecond)
		}
		if took := time.Since(back); took > 4*time.Second {
			t.Errorf("the store serves again after %v", took)
		}
	})
}

func TestOptionsOfABackupAreChecked(t *testing.T) {
	keys := mustKeys(t, seal.NewKey())
	for _, c := range []struct {
		options session.Options
		want    string
	}{
		{session.Options{Backup: &session.Backup{}}, "Backup.Keys is nil"},
		{session.Options{Backup: &session.Backup{Keys: keys}}, `Backup.Audience is empty: name the application and its environment, as in "shop-production"; two applications with the same keys would let each other's visitors in`},
		{session.Options{Backup: &session.Backup{Keys: keys, Audience: strings.Repeat("x", 65)}}, "Backup.Audience has 65 bytes; at most 64 are allowed"},
		{session.Options{Backup: &session.Backup{Keys: keys, Audience: "shop\n"}}, `Backup.Audience "shop\n" has a character that is not printable ASCII`},
		{session.Options{Backup: &session.Backup{Keys: keys, Audience: "läden"}}, `Backup.Audience "läden" has a character that is not printable ASCII`},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Lease: -time.Second}}, "Backup.Lease -1s is shorter than a second"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Lease: time.Hour, MaxLease: time.Minute}}, "Backup.MaxLease 1m0s is shorter than Lease 1h0m0s"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Budget: 100}}, "Backup.Budget 100 is not between 1024 and 6656 bytes"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Budget: 2048, Copy: 4096}}, "Backup.Copy 4096 is not between 1024 bytes and the Budget, 2048"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Copy: 2049}}, "Backup.Copy 2049 needs a ProxyBuffer of 4097 bytes"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, ProxyBuffer: 4095}}, "Backup.Copy 2048 needs a ProxyBuffer of 4096 bytes"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Copy: -1}}, "Backup.Copy -1 is not between"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Budget: 1024}, Cookie: session.Cookie{Name: strings.Repeat("n", 200)}}, "the name is too long for copies of 1024 bytes"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Budget: 20000}}, "Backup.Budget 20000 is not between"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Restores: -1}}, "Backup.Restores is negative: -1"},
		{session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: keys, Journal: -1}}, "Backup.Journal is negative: -1"},
		{session.Options{Switch: &lever{}}, "Switch without a Backup"},
	} {
		_, err := session.New(memstore.New(nil), &c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", fmt.Sprintf("%+v", c.options.Backup), err)
		}
	}
}

// While the operator trusts no copy, copies that hold what the store may lack stay where
// they are, however often the session is written: they count again afterwards. Nor does a
// request throw them away that has read its session under the order and is answered after it.
func TestStoreOnlyThrowsNoUnreadCopyAway(t *testing.T) {
	ordered := func(name string, do func(t *testing.T, s *site, v *sessiontest.Visitor, l *lever)) {
		t.Run(name, func(t *testing.T) {
			l := &lever{}
			testSite(t, session.Options{Switch: l}, func(s *site) {
				v := s.visitor()
				c, cut := s.cutOff()
				cut.Fail(errRefused)
				s.serve(c, v, func(x *session.Session) { color.Set(x, "blue") }) // in the visitor's copy, and waits at c
				l.set(session.Override{Mode: session.StoreOnly})
				s.after(time.Second)
				do(t, s, v, l)
				cut.Heal()
			})
		})
	}
	ordered("however often the session is written", func(t *testing.T, s *site, v *sessiontest.Visitor, l *lever) {
		for _, value := range []string{"rice", "tofu", "beans", "kale", "leek", "corn"} {
			s.serve(s.a, v, func(x *session.Session) { food.Set(x, value) })
			s.want(s.a, v, "red/"+value)
			s.after(time.Second)
		}
		l.set(session.Override{})
		s.want(s.b, v, "blue/corn")
		if n := len(v.Request("GET", "/", nil).Cookies()); n > 3 {
			t.Errorf("the visitor still has %d cookies", n)
		}
	})
	ordered("where the order is lifted during the request", func(_ *testing.T, s *site, v *sessiontest.Visitor, l *lever) {
		s.serve(s.a, v, func(x *session.Session) {
			food.Set(x, "rice")
			l.set(session.Override{})
		})
		s.want(s.b, v, "blue/rice")
	})
}
