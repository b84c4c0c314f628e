// Package alerts_test holds the rules of docs/alerts.yaml against what package metrics
// writes: in storms, in which each must fire, and in a quiet hour, in which none may.
//
// The instances run in virtual time on a store that fails as a storm says, and are scraped as
// Prometheus does it. promtool then evaluates the rules over what was scraped.
package alerts_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/members"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/metrics"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var (
	cart  = session.NewKey[string]("cart", session.Rank(2))
	notes = session.NewKey[[]byte]("notes", session.Rank(1))
)

var errRefused = errors.New("connection refused")

// instance is one process of a fleet.
type instance struct {
	store    *storetest.Faulty
	orders   override.Value
	figures  metrics.Metrics
	sessions *session.Manager
	page     http.Handler
}

// fleet is two instances on one store, a crowd of visitors, and what was scraped.
type fleet struct {
	*testing.T
	instances []*instance
	visitors  []*sessiontest.Visitor
	turn      int

	every  time.Duration                       // between two scrapes
	pause  time.Duration                       // between two requests
	scale  time.Duration                       // how much longer promtool takes every for
	write  func(*session.Session)              // what a visitor does
	change func(from *http.Request, visit int) // to a request on its way
	values map[string][]string                 // of a series, at each scrape
	scrape int                                 // how many there were

	shared    *memstore.Store
	evictions atomic.Uint64 // that the server behind the store counts
}

// counted is a store whose server says how many records it has dropped.
type counted struct {
	*storetest.Faulty
	evictions *atomic.Uint64
}

func (c counted) Evictions(context.Context, string) (uint64, error) { return c.evictions.Load(), nil }

// evict drops sessions, as a server does that has no memory left.
func (f *fleet) evict(n int) {
	for id, err := range f.shared.List(f.Context()) {
		if err != nil {
			f.Fatal(err)
		}
		if recordid.Reserved(string(id)) {
			continue
		}
		if _, err := f.shared.Save(f.Context(), id, session.Record{Expires: time.Unix(1, 0)}, session.Any); err != nil {
			f.Fatal(err)
		}
		f.evictions.Add(1)
		if n--; n == 0 {
			return
		}
	}
}

// refuse makes the store refuse what is saved or loaded under some IDs, and nothing else.
func (f *fleet) refuse(op string, is func(session.ID) bool) {
	f.each(func(s *storetest.Faulty) {
		s.Before(func(asked string, id session.ID) error {
			if asked == op && is(id) {
				return errRefused
			}
			return nil
		})
	})
}

// leave takes the last visitor out of the crowd.
func (f *fleet) leave() *sessiontest.Visitor {
	last := len(f.visitors) - 1
	v := f.visitors[last]
	f.visitors = f.visitors[:last]
	return v
}

// asks has a visitor do something at the first instance.
func (f *fleet) asks(v *sessiontest.Visitor, do func(*session.Session)) {
	v.Do(f.instances[0].sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		do(s)
	})), v.Request(http.MethodPost, "/", nil))
}

// newFleet returns two instances, the second one with the options that change makes.
func newFleet(t *testing.T, change func(second bool, o *session.Options)) *fleet {
	t.Helper()
	f := &fleet{T: t, values: map[string][]string{}, every: 30 * time.Second, pause: 5 * time.Second, scale: 1}
	f.write = func(s *session.Session) { cart.Set(s, time.Now().String()) }
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	shared := memstore.New(&memstore.Options{MaxBytes: 512 << 20})
	f.shared = shared
	for i := range 2 {
		in := &instance{store: storetest.NewFaulty(shared)}
		o := &session.Options{
			Backup: &session.Backup{Keys: keys, Audience: "shop-test", MaxLease: 4 * time.Hour},
			Switch: &in.orders, Hooks: in.figures.Hooks(session.Hooks{}), Cookie: session.Cookie{Insecure: true},
			ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond,
		}
		if change != nil {
			change(i == 1, o)
		}
		in.sessions, err = session.New(in.figures.Store(counted{in.store, &f.evictions}, "memory"), o)
		if err != nil {
			t.Fatal(err)
		}
		in.page = in.figures.Handler(in.sessions)
		t.Cleanup(func() {
			late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			_ = in.sessions.Close(late)
		})
		f.instances = append(f.instances, in)
	}
	time.Sleep(5 * time.Second)
	for range 10 {
		f.visitors = append(f.visitors, f.visitor())
	}
	return f
}

func (f *fleet) visitor() *sessiontest.Visitor {
	return sessiontest.NewVisitor(f.T, f.instances[0].sessions, f.write)
}

// each does something to every instance's store.
func (f *fleet) each(do func(*storetest.Faulty)) {
	for _, in := range f.instances {
		do(in.store)
	}
}

// visit is one request of the next visitor, at the next instance: two read, one writes; now
// and then one logs out, and begins anew.
func (f *fleet) visit() {
	f.turn++
	v, in := f.visitors[f.turn%len(f.visitors)], f.instances[f.turn/len(f.visitors)%2]
	r := v.Request(http.MethodGet, "/", nil)
	if f.change != nil {
		f.change(r, f.turn)
	}
	v.Do(in.sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		switch {
		case err != nil:
			session.Error(w, r, err)
		case f.turn%97 == 0:
			_, _ = s.Destroy(r.Context())
		case f.turn%3 == 0:
			f.write(s)
		default:
			_ = cart.Or(s, "")
		}
	})), r)
}

// after lets a time pass, with visits and scrapes.
func (f *fleet) after(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range f.every / f.pause {
			f.visit()
			time.Sleep(f.pause)
		}
		f.read()
	}
}

// damage leaves a journal file as a process does whose machine has lost its power: what it had
// written last is not what the disk has.
func damage(f *fleet, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 200 {
			continue // of the other instance, to which nobody came
		}
		copy(text[len(text)/2:], make([]byte, 50))
		if err := os.WriteFile(filepath.Join(dir, "0123456789abcdef.journal"), text, 0o600); err != nil {
			f.Fatal(err)
		}
		return
	}
	f.Fatal("no journal file has anything")
}

// flood is a third instance that tells the others of so many sessions which have ended there.
func flood(f *fleet, n int) {
	ended := make(known, 0, n)
	third := members.New(members.Config{
		Store: records{f.shared}, Set: &ended, Numbers: new(members.Numbers), Instance: 3, Now: time.Now,
		ID:     func(base string) (string, error) { return recordid.Numbered(base, 0), nil },
		Budget: time.Minute, Life: 24 * time.Hour, UserLife: 24 * time.Hour,
	})
	death := state.Death{Dot: state.Dot{Clock: uint64(time.Now().UnixMilli()) << state.CounterBits, Instance: 3}, Reason: state.Renewed}
	for i := range uint64(n) {
		t := revoked.Tombstone{Death: death, Class: revoked.Known}
		binary.BigEndian.PutUint64(t.ID[:], (i+1)*0x9e3779b97f4a7c15) // as evenly as random ones
		binary.BigEndian.PutUint64(t.Successor[:], (i+1)*0xc2b2ae3d27d4eb4f)
		ended = append(ended, t)
	}
	if err := third.Append(f.Context(), ended...); err != nil {
		f.Fatal(err)
	}
	if _, err := third.Exchange(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.after(5 * time.Minute)
	if err := third.Close(f.Context()); err != nil {
		f.Fatal(err)
	}
}

// records is a store as package members sees it.
type records struct{ session.Store }

func (s records) Load(ctx context.Context, id string) ([]byte, members.Version, error) {
	r, err := s.Store.Load(ctx, session.ID(id))
	if errors.Is(err, session.ErrNotFound) {
		return nil, members.Version{}, nil
	}
	return r.Data, members.Version(r.Version), err
}

func (s records) Save(ctx context.Context, id string, data []byte, expires time.Time, over members.Version) (members.Version, bool, error) {
	v, err := s.Store.Save(ctx, session.ID(id), session.Record{Data: data, Expires: expires}, session.Version(over))
	return members.Version(v), errors.Is(err, session.ErrConflict), err
}

// known is the set of an instance that hears of nothing.
type known []revoked.Tombstone

// All implements members.Set.
func (k *known) All() iter.Seq[revoked.Tombstone] {
	return func(yield func(revoked.Tombstone) bool) {
		for _, t := range slices.Backward(*k) {
			if !yield(t) {
				return
			}
		}
	}
}

// Heard implements members.Set.
func (*known) Heard([]revoked.Tombstone) {}

// SetOwn implements members.Set.
func (*known) SetOwn([]revoked.Tombstone) {}

// Forget implements members.Set.
func (*known) Forget(uint8, uint8) {}

var line = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? (\S+)$`)

// read scrapes all instances.
func (f *fleet) read() {
	for i, in := range f.instances {
		w := httptest.NewRecorder()
		in.page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		for _, m := range line.FindAllStringSubmatch(w.Body.String(), -1) {
			name := fmt.Sprintf(`%s{job="shop",instance="%c",%s}`, m[1], 'a'+i, m[2])
			name = strings.Replace(name, ",}", "}", 1)
			for len(f.values[name]) < f.scrape {
				f.values[name] = append(f.values[name], "_")
			}
			f.values[name] = append(f.values[name], m[3])
		}
	}
	f.scrape++
}

// fired returns the alerts that have fired at any time, by promtool.
func fired(t *testing.T, f *fleet, want []string) {
	t.Helper()
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "rule_files: [%q]\nevaluation_interval: %v\ntests:\n- interval: %v\n  input_series:\n", rules, f.every*f.scale, f.every*f.scale)
	used := matches(`\b((?:session|db_client)_[a-z_]+)`, read(t, rulesFile))
	for _, name := range slices.Sorted(maps.Keys(f.values)) {
		if metric, _, _ := strings.Cut(name, "{"); !slices.Contains(used, metric) {
			continue // promtool would take twice the time
		}
		fmt.Fprintf(&b, "  - {series: '%s', values: '%s'}\n", name, strings.Join(f.values[name], " "))
	}
	end := time.Duration(f.scrape-1) * f.every * f.scale
	fmt.Fprintf(&b, "  promql_expr_test:\n  - expr: 'group by (alertname) (last_over_time(ALERTS{alertstate=\"firing\"}[1d]))'\n    eval_time: %v\n", end)
	b.WriteString("    exp_samples:\n")
	for _, name := range want {
		fmt.Fprintf(&b, "    - {labels: '{alertname=\"%s\"}', value: 1}\n", name)
	}
	file := filepath.Join(t.TempDir(), "storm.yaml")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", file)
}

// promtool runs it, and fails with what it prints.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("there is no promtool: make setup installs it, or apt-get install prometheus")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// tamper breaks the sealed copies that a request carries.
func tamper(r *http.Request, _ int) {
	all := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range all {
		if n := len(c.Value); n > 100 {
			c.Value = c.Value[:n-2] + map[bool]string{true: "B", false: "A"}[c.Value[n-2] == 'A'] + c.Value[n-1:]
		}
		r.AddCookie(c)
	}
}

func TestEachAlertFiresInItsStorm(t *testing.T) {
	const million = "another instance ends a million sessions"
	dir := t.TempDir()
	twoKeys, err := seal.NewKeys(seal.NewKey(), seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	storms := []struct {
		name   string
		change func(second bool, o *session.Options)
		run    func(*fleet)
		want   []string
	}{
		{"a quiet hour", nil, func(f *fleet) { f.after(time.Hour) }, nil},
		{"the store is away for twenty minutes", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.each(func(s *storetest.Faulty) { s.Fail(errRefused) })
			f.after(20 * time.Minute)
			f.each((*storetest.Faulty).Heal)
			f.after(20 * time.Minute)
		}, []string{"SessionStoreAway"}},
		{"the store is away for fifty minutes", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.each(func(s *storetest.Faulty) { s.Fail(errRefused) })
			f.after(50 * time.Minute)
		}, []string{"SessionLeaseNearsItsEnd", "SessionStoreAway"}},
		{"the store comes and goes", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			for range 4 {
				f.each(func(s *storetest.Faulty) { s.Fail(errRefused) })
				f.after(30 * time.Second)
				f.each((*storetest.Faulty).Heal)
				f.after(time.Minute)
			}
		}, []string{"SessionStoreFlaps"}},
		{"the store is slow", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.each(func(s *storetest.Faulty) { s.Delay(30 * time.Millisecond) })
			f.after(20 * time.Minute)
		}, []string{"SessionStoreSlow"}},
		{"the store takes no saves", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.each(func(s *storetest.Faulty) {
				s.Before(func(op string, _ session.ID) error {
					if op == "save" {
						return errRefused
					}
					return nil
				})
			})
			f.after(20 * time.Minute)
		}, []string{"SessionStoreReadsOnly"}},
		{"the store has lost its data", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			empty := memstore.New(nil)
			f.each(func(s *storetest.Faulty) { s.Replace(empty) })
			f.after(20 * time.Minute)
		}, []string{"SessionStoreLostData"}},
		{"the journal is full", func(_ bool, o *session.Options) { o.Backup.Journal = 6 << 10 }, func(f *fleet) {
			f.after(5 * time.Minute)
			f.write = func(s *session.Session) { cart.Set(s, rand.Text()+strings.Repeat(rand.Text(), 20)) }
			f.each(func(s *storetest.Faulty) { s.Fail(errRefused) })
			f.after(20 * time.Minute)
		}, []string{"SessionChangesLost", "SessionJournalNearsItsBound", "SessionStoreAway"}},
		{"copies are forged", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.change = tamper
			f.after(20 * time.Minute)
		}, []string{"SessionCopiesForged"}},
		{"an instance has another key", func(second bool, o *session.Options) {
			if second {
				o.Backup.Keys, _ = seal.NewKeys(seal.NewKey())
			}
		}, func(f *fleet) { f.after(30 * time.Minute) }, []string{"SessionKeysUnknown"}},
		{"an instance has a key more", func(second bool, o *session.Options) {
			if second {
				o.Backup.Keys, _ = seal.NewKeys(seal.NewKey(), seal.NewKey())
			}
		}, func(f *fleet) { f.after(30 * time.Minute) }, []string{"SessionKeysDiffer", "SessionKeysUnknown"}},
		{"an instance has another audience", func(second bool, o *session.Options) {
			if second {
				o.Backup.Audience = "shop-staging"
			}
		}, func(f *fleet) { f.after(30 * time.Minute) }, []string{"SessionAudienceDiffers"}},
		{"values do not fit", nil, func(f *fleet) {
			f.write = func(s *session.Session) {
				big := make([]byte, 8<<10)
				_, _ = rand.Read(big)
				notes.Set(s, big)
			}
			f.after(40 * time.Minute)
		}, []string{"SessionCopiesPartial"}},
		{"an order is about to end", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.instances[0].orders.SetUntil(session.Override{Mode: session.StoreOnly}, time.Now().Add(15*time.Minute))
			f.after(20 * time.Minute)
		}, []string{"SessionOverrideEnds"}},
		{"an instance is cut off from the others", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.instances[1].store.Replace(memstore.New(nil)) // it has a store of its own now
			f.after(20 * time.Minute)
		}, []string{"SessionMemberAlone", "SessionStoreLostData"}},
		{"the store drops sessions", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.evict(4)
			f.after(10 * time.Minute)
		}, []string{"SessionStoreEvicts"}},
		{"the store does not take one session", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			v := f.leave()
			f.each(func(s *storetest.Faulty) { s.Fail(errRefused) })
			f.asks(v, f.write)
			f.after(30 * time.Second)
			id := v.Session().ID()
			f.refuse("save", func(asked session.ID) bool { return asked == id })
			f.each((*storetest.Faulty).Heal)
			f.after(15 * time.Minute)
		}, []string{"SessionJournalOld"}},
		{"the store does not take one logout", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			v := f.leave()
			id := v.Session().ID()
			f.each(func(s *storetest.Faulty) { s.Fail(errRefused) })
			f.asks(v, func(s *session.Session) { _, _ = s.Destroy(f.Context()) })
			f.after(30 * time.Second)
			f.refuse("save", func(asked session.ID) bool { return asked == id })
			f.each((*storetest.Faulty).Heal)
			f.after(15 * time.Minute)
		}, []string{"SessionJournalOld", "SessionTombstonesWait"}},
		{"the logs of the instances cannot be read", nil, func(f *fleet) {
			f.after(5 * time.Minute)
			f.refuse("load", func(asked session.ID) bool { return strings.HasPrefix(string(asked), "log-") })
			f.after(10 * time.Minute)
		}, []string{"SessionExchangeLags"}},
		{"an order is forgotten", nil, func(f *fleet) {
			f.scale = 10
			f.after(90 * time.Second)
			f.instances[0].orders.Set(session.Override{Mode: session.StoreOnly})
			f.after(30 * time.Minute)
		}, []string{"SessionOverrideLong"}},
		{"an old key is forgotten", func(_ bool, o *session.Options) { o.Backup.Keys = twoKeys }, func(f *fleet) {
			f.scale = 60
			f.after(25 * time.Minute)
		}, []string{"SessionKeyRotationUnfinished"}},
		{"a crash has left half a journal", func(_ bool, o *session.Options) { o.Backup.Dir = dir }, func(f *fleet) {
			f.after(5 * time.Minute)
			f.each(func(s *storetest.Faulty) { s.Fail(errRefused) })
			f.after(30 * time.Second)
			damage(f, dir)
			f.each((*storetest.Faulty).Heal)
			f.after(10 * time.Minute)
		}, []string{"SessionJournalFileFails"}},
		{million, nil, func(f *fleet) {
			f.after(5 * time.Minute)
			flood(f, 1_300_000)
		}, []string{"SessionTombstonesForgotten"}},
		{"the site is served over plain http", func(_ bool, o *session.Options) { o.Cookie.Insecure = false }, func(f *fleet) {
			f.change = func(r *http.Request, _ int) { r.TLS, r.Host = nil, "shop.test" }
			f.after(10 * time.Minute)
		}, []string{"SessionCookiesLost"}},
	}
	tested := map[string]bool{}
	for _, storm := range storms {
		for _, name := range storm.want {
			tested[name] = true
		}
	}
	for _, name := range matches(`(?m)^  - alert: (\S+)$`, read(t, rulesFile)) {
		if !tested[name] {
			t.Errorf("%s has no storm", name)
		}
	}
	for i, storm := range storms {
		t.Run(storm.name, func(t *testing.T) {
			t.Parallel()
			takesLong := len(storm.want) > 1 || storm.name == million
			if testing.Short() && (takesLong || i%3 > 0) {
				t.Skip("every third storm is short; one of several alerts, or of many tombstones, is not: make test runs all")
			}
			var f *fleet
			synctest.Test(t, func(t *testing.T) {
				f = newFleet(t, storm.change)
				storm.run(f)
			})
			fired(t, f, storm.want)
		})
	}
}
