package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// picky is a store that refuses some saves.
type picky struct {
	session.Store
	mu     sync.Mutex
	refuse func(id session.ID, over session.Version) error // nil: nothing
}

func (p *picky) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	p.mu.Lock()
	refuse := p.refuse
	p.mu.Unlock()
	if refuse != nil {
		if err := refuse(id, over); err != nil {
			return session.Absent, err
		}
	}
	return p.Store.Save(ctx, id, r, over)
}

func (p *picky) set(refuse func(session.ID, session.Version) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// refusesCAS returns what refuses each compare-and-set with err.
func refusesCAS(err error) func(session.ID, session.Version) error {
	return func(_ session.ID, over session.Version) error {
		if over != session.Absent && over != session.Any {
			return err
		}
		return nil
	}
}

// told is what the hooks of a Manager were told of outages.
type told struct {
	mu               sync.Mutex
	down, up, forgot int
	still            []session.Outage
	ended            session.Outage
	err              error // of the last Down
}

func (n *told) hooks() session.Hooks {
	return session.Hooks{
		Down:      func(_ context.Context, _ string, err error) { n.note(func() { n.down++; n.err = err }) },
		StillDown: func(_ context.Context, o session.Outage) { n.note(func() { n.still = append(n.still, o) }) },
		Up:        func(_ context.Context, o session.Outage) { n.note(func() { n.up++; n.ended = o }) },
		Forgot:    func(context.Context, string) { n.note(func() { n.forgot++ }) },
	}
}

func (n *told) note(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (n *told) counts() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return fmt.Sprintf("%d down, %d still, %d up, %d forgot", n.down, len(n.still), n.up, n.forgot)
}

// A memcached without CAS, and a Redis user without EVALSHA, create sessions and
// change none.
func TestAStoreThatRefusesOneKindOfSaveIsNoticed(t *testing.T) {
	errPicky := errors.New("no rights")
	replaces := func(over session.Version) bool { return over != session.Absent && over != session.Any }
	creates := func(over session.Version) bool { return over == session.Absent }
	for _, c := range []struct {
		name   string
		refuse func(session.Version) bool
		err    error
		words  string
	}{
		{"each compare-and-set fails", replaces, errPicky, "compare-and-set"},
		{"each compare-and-set conflicts", replaces, session.ErrConflict, "compare-and-set"},
		{"each create fails", creates, errPicky, "create"},
		{"each create conflicts", creates, session.ErrConflict, "create"},
	} {
		refuse := func(id session.ID, over session.Version) error {
			if c.refuse(over) && !strings.HasPrefix(string(id), "members") {
				return c.err
			}
			return nil
		}
		for _, visited := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/with a backup, visited %v", c.name, visited), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store, n := &picky{Store: memstore.New(nil)}, &told{}
					m := mustNew(t, store, &session.Options{Backup: testBackup(t), Hooks: n.hooks()})
					v := redVisitor(t, m)
					time.Sleep(10 * time.Second)
					store.set(refuse)
					for range 8 {
						if visited {
							update(v, m)
							update(sessiontest.NewVisitor(t, m), m)
						}
						time.Sleep(time.Second)
					}
					st := m.Stats()
					if !st.Failing || st.Shards[0].State == session.Serving || st.Shards[0].Cause == "" || n.counts() != "1 down, 0 still, 0 up, 0 forgot" {
						t.Errorf("after 8 s: %s; %+v", n.counts(), st)
					}
					if !visited && !strings.Contains(n.err.Error(), c.words) {
						t.Errorf("Down was told %q, which does not say %q", n.err, c.words)
					}
					time.Sleep(5 * time.Minute)
					if got := n.counts(); got != "1 down, 5 still, 0 up, 0 forgot" {
						t.Errorf("five minutes later: %s", got)
					}
					store.set(nil)
					time.Sleep(10 * time.Second)
					if st := m.Stats(); st.Failing || st.Shards[0].Cause != "" || st.Journal.States != 0 {
						t.Errorf("10 s after it saves again: %+v", st)
					}
				})
			})
		}
		t.Run(c.name+"/without a backup", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, n := &picky{Store: memstore.New(nil)}, &told{}
				m := mustNew(t, store, &session.Options{Hooks: n.hooks()})
				v := redVisitor(t, m)
				store.set(refuse)
				round := func() {
					update(v, m)
					update(sessiontest.NewVisitor(t, m), m)
					time.Sleep(time.Second)
				}
				for range 5 {
					round()
				}
				if !m.Stats().Failing || n.counts() != "1 down, 0 still, 0 up, 0 forgot" {
					t.Errorf("after 5 s: %s; %+v", n.counts(), m.Stats())
				}
				for range 150 {
					round()
				}
				if got := n.counts(); got != "1 down, 2 still, 0 up, 0 forgot" {
					t.Errorf("150 s later: %s", got)
				}
				store.set(nil)
				round()
				if m.Stats().Failing || n.counts() != "1 down, 2 still, 1 up, 0 forgot" {
					t.Errorf("it saves again: %s; %+v", n.counts(), m.Stats())
				}
			})
		})
	}
}

// One load that fails says nothing of the saves that were refused before it.
func TestALoadThatFailsOnceIsNotTheEndOfWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := storetest.NewFaulty(memstore.New(nil))
		store, n := &picky{Store: faulty}, &told{}
		m := mustNew(t, store, &session.Options{Hooks: n.hooks()})
		v := redVisitor(t, m)
		store.set(refusesCAS(errors.New("server runs without CAS (-C)")))
		for i := range 12 {
			if i == 6 {
				faulty.Fail(errRefused)
			}
			if status := update(v, m); status != http.StatusServiceUnavailable {
				t.Errorf("an update over a store that changes nothing: %d, want 503", status)
			}
			faulty.Heal()
			if i >= 2 && !m.Stats().Failing {
				t.Errorf("after update %d the store counts as well", i)
			}
			time.Sleep(time.Second)
		}
		if got := n.counts(); got != "1 down, 0 still, 0 up, 0 forgot" {
			t.Errorf("while no update is saved: %s", got)
		}
		store.set(nil)
		update(v, m)
		if got := n.counts(); m.Stats().Failing || got != "1 down, 0 still, 1 up, 0 forgot" {
			t.Errorf("it saves again: %s", got)
		}
	})
}

// A store that dies may fail a save before it fails a load.
func TestAStoreThatWasDeadIsBackWhenItLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty, n := storetest.NewFaulty(memstore.New(nil)), &told{}
		m := mustNew(t, faulty, &session.Options{Hooks: n.hooks()})
		v := redVisitor(t, m)
		faulty.Before(func(op string, _ session.ID) error {
			if op == "save" {
				faulty.Fail(errRefused)
			}
			return nil
		})
		for range 4 {
			update(v, m)
		}
		faulty.Before(nil)
		faulty.Heal()
		read := v.Get(m.ReadOnly(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := session.From(r.Context()); err != nil {
				session.Error(w, r, err)
			}
		})), "/")
		if got := n.counts(); read.StatusCode != http.StatusOK || m.Stats().Failing || got != "1 down, 0 still, 1 up, 0 forgot" {
			t.Errorf("a dead store that loads again: %d, %s", read.StatusCode, got)
		}
	})
}

func TestASessionThatOthersWriteFasterIsToldAndIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, failures := &told{}, []error{}
		hooks := n.hooks()
		hooks.Failed = func(_ context.Context, _ session.Operation, _ session.ID, err error) {
			failures = append(failures, err)
		}
		store := &picky{Store: memstore.New(nil)}
		m := mustNew(t, store, &session.Options{SaveTimeout: 250 * time.Millisecond, Hooks: hooks})
		v := redVisitor(t, m)
		store.set(func(id session.ID, over session.Version) error { // another process is always first
			if over == session.Absent || over == session.Any {
				return nil
			}
			time.Sleep(100 * time.Millisecond)
			r, err := store.Load(t.Context(), id)
			if err == nil {
				r.Expires = time.Now().Add(time.Hour)
				_, err = store.Store.Save(t.Context(), id, r, session.Any)
			}
			return errors.Join(err, session.ErrConflict)
		})
		for range 4 {
			if status := update(v, m); status != http.StatusServiceUnavailable {
				t.Errorf("the session is written to all the time: %d, want 503", status)
			}
		}
		if st := m.Stats(); len(failures) != 4 || st.Failures != 4 || st.Failing || n.counts() != "0 down, 0 still, 0 up, 0 forgot" {
			t.Errorf("%d failures %v; %s; %+v", len(failures), failures, n.counts(), st)
		}
	})
}

func TestAnOutageIsToldEachMinuteWithWhatIsOwed(t *testing.T) {
	var log bytes.Buffer
	hooks := session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))
	testSite(t, session.Options{Hooks: hooks}, func(s *site) {
		s.b.Close(canceled(s.T)) // it has no part in this
		changed, ended := s.visitor(), s.visitor()
		blue := func(x *session.Session) { color.Set(x, "blue") }
		s.after(3 * time.Second)
		log.Reset()
		s.store.Fail(errRefused)
		s.serve(s.a, changed, blue)
		s.after(3*time.Minute + 10*time.Second)
		s.serve(s.a, ended, func(x *session.Session) { x.Destroy(s.Context()) })
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 4 || !strings.Contains(lines[0], "is away") || !strings.Contains(lines[0], "connection refused") {
			t.Fatalf("three minutes in:\n%s", log.String())
		}
		for i, line := range lines[1:] {
			for _, words := range []string{"still away", fmt.Sprintf("after=%dm", i+1), "waiting=1", "delivered=0", "lost=0", "connection refused"} {
				if !strings.Contains(line, words) {
					t.Errorf("the line does not say %q: %s", words, line)
				}
			}
			if strings.Contains(line, "shard=") {
				t.Errorf("the line names a shard that has no name: %s", line)
			}
		}
		log.Reset()
		s.heal()
		if line := log.String(); !strings.Contains(line, "is back") || !strings.Contains(line, "waiting=0") || !strings.Contains(line, "delivered=2 lost=0") {
			t.Errorf("back: %s", line)
		}
	})
}

func TestOperationsThatKeepFailingAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m, log := logging(t, store)
		v := redVisitor(t, m)
		failing := true
		store.Before(func(op string, _ session.ID) error {
			if op == "save" && failing {
				return errors.New("some are refused")
			}
			return nil
		})
		for range 200 { // each second save works, so that it is no outage
			update(v, m)
			failing = !failing
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 4 {
			t.Fatalf("%d lines in 200 s, want one a minute:\n%s", len(lines), log.String())
		}
		for _, line := range lines {
			if !strings.Contains(line, "operation=save") || !strings.Contains(line, "some are refused") || !strings.Contains(line, "failures=") {
				t.Errorf("the line does not say what fails: %s", line)
			}
		}
		log.Reset()
		for range 20 { // now and then
			failing = true
			update(v, m)
			failing = false
			update(v, m)
			time.Sleep(2 * time.Minute)
		}
		if log.Len() > 0 {
			t.Errorf("failures that lie far apart:\n%s", log.String())
		}
	})
}

func TestTheFirstStartOnANewStoreIsNoAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, n := storetest.NewFaulty(memstore.New(nil)), &told{}
		o := session.Options{Backup: testBackup(t), Hooks: n.hooks()}
		m := mustNew(t, store, &o)
		synctest.Wait()
		second := mustNew(t, store, &o)
		time.Sleep(time.Second)
		for _, m := range []*session.Manager{m, second} {
			if q := m.Stats().Shards[0].Quarantine; q <= 3*time.Second {
				t.Errorf("the quarantine of a new store lasts %v, want 5 s", q)
			}
		}
		time.Sleep(20 * time.Second)
		if got := n.counts(); got != "0 down, 0 still, 0 up, 0 forgot" {
			t.Errorf("a first start: %s", got)
		}
		store.Replace(memstore.New(nil))
		time.Sleep(3 * time.Second)
		if got := n.counts(); got != "0 down, 0 still, 0 up, 2 forgot" {
			t.Errorf("two instances, and the store was emptied: %s", got)
		}
		for _, m := range []*session.Manager{m, second} {
			if q := m.Stats().Shards[0].Quarantine; q == 0 {
				t.Error("an emptied store is believed")
			}
		}
	})
}

func TestAStoreThatTakesNoMembersRecordHasLostItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, n := &picky{Store: memstore.New(nil)}, &told{}
		store.set(func(session.ID, session.Version) error { return errors.New("READONLY") })
		m := mustNew(t, store, &session.Options{Backup: testBackup(t), Hooks: n.hooks()})
		time.Sleep(30 * time.Second)
		if got := n.counts(); got != "1 down, 0 still, 0 up, 0 forgot" {
			t.Errorf("a new store that takes nothing: %s", got)
		}
		if m.Stats().Shards[0].Quarantine == 0 {
			t.Error("a store without a members record is believed")
		}
		store.set(nil)
		time.Sleep(20 * time.Second)
		if got := n.counts(); got != "1 down, 0 still, 1 up, 0 forgot" || m.Stats().Shards[0].Quarantine != 0 {
			t.Errorf("it takes the members record: %s, %+v", got, m.Stats().Shards)
		}
	})
}

func TestProbesOfAClockThatIsBehindAreNoOutage(t *testing.T) {
	for _, skew := range []time.Duration{-20 * time.Minute, 20 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			m, err := session.Without(memstore.New(nil), &session.Options{Backup: testBackup(t)}, skew)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
			if st := m.Stats(); st.Failing || st.Shards[0].State != session.Serving {
				t.Errorf("a clock that is off by %v: %+v", skew, st)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProbesLeaveOneRecordAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, n := &picky{Store: memstore.New(nil)}, &told{}
		mustNew(t, store, &session.Options{Backup: testBackup(t), Hooks: n.hooks()})
		count := func() (records int) {
			for range store.Store.(session.Lister).List(t.Context()) {
				records++
			}
			return records
		}
		for range 20 {
			time.Sleep(time.Second)
			synctest.Wait()
			if got := count(); got > 2 {
				t.Fatalf("%d records after some probes, want the members record and one at most", got)
			}
		}
		store.set(refusesCAS(session.ErrConflict))
		time.Sleep(time.Minute)
		if got := count(); got > 3 {
			t.Errorf("%d records where each compare-and-set is refused", got)
		}
	})
}

// logging returns a Manager on store, and what its LogHooks write.
func logging(t *testing.T, store session.Store) (*session.Manager, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	return mustNew(t, store, &session.Options{Hooks: session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))}), &log
}

func testBackup(t *testing.T) *session.Backup {
	t.Helper()
	return &session.Backup{Audience: "test", Keys: mustKeys(t, seal.NewKey())}
}

func redVisitor(t *testing.T, m *session.Manager) *sessiontest.Visitor {
	t.Helper()
	return sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
}

// update is a request that reads and writes.
func update(v *sessiontest.Visitor, m *session.Manager) int {
	return v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		color.Set(s, time.Now().String())
	})), "/").StatusCode
}

// halves is a store of two shards, by an ID's first letter, of which one may be
// away and one may be unable to save.
type halves struct {
	session.Store
	away, refuses func(id session.ID) bool
}

func (h *halves) Shard(id session.ID) string {
	if id < "8" {
		return "low"
	}
	return "high"
}

func (h *halves) Probe(context.Context, string) (string, error) { return "1", nil }

func (h *halves) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if h.away(id) {
		return session.Record{}, errRefused
	}
	return h.Store.Load(ctx, id)
}

func (h *halves) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if h.away(id) || h.refuses(id) {
		return session.Absent, errRefused
	}
	return h.Store.Save(ctx, id, r, over)
}

func TestFailuresOfAShardThatServesAreLoggedWhileAnotherIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := func(session.ID) bool { return false }
		store := &halves{memstore.New(nil), never, never}
		m, log := logging(t, store)
		visitors := map[string]*sessiontest.Visitor{}
		for len(visitors) < 2 {
			v := redVisitor(t, m)
			visitors[store.Shard(v.Session().ID())] = v
		}
		store.away = func(id session.ID) bool { return store.Shard(id) == "low" }
		turn := 0
		store.refuses = func(session.ID) bool { turn++; return turn%2 == 0 } // so that it is no outage
		for range 30 {
			update(visitors["low"], m)
			update(visitors["high"], m)
			time.Sleep(time.Second)
		}
		got := log.String()
		if n := strings.Count(got, "keeps failing"); n != 1 || strings.Count(got, "is away") != 1 || !strings.Contains(got, "operation=save") {
			t.Errorf("half the saves of a shard fail while the other is away:\n%s", got)
		}
	})
}

func TestTheLogOfAnOutageHasNoFiguresOfAJournalWithoutABackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m, log := logging(t, store)
		v := redVisitor(t, m)
		store.Fail(errRefused)
		for range 100 {
			update(v, m)
			time.Sleep(time.Second)
		}
		store.Heal()
		update(v, m)
		got := log.String()
		if !strings.Contains(got, "still away") || !strings.Contains(got, "is back") || strings.Contains(got, "waiting") || strings.Contains(got, "delivered") {
			t.Errorf("without a backup:\n%s", got)
		}
	})
}
