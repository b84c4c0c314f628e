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
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
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

	write  func(*session.Session)              // what a visitor does
	change func(from *http.Request, visit int) // to a request on its way
	values map[string][]string                 // of a series, at each scrape
	scrape int                                 // how many there were
}

const (
	interval = 30 * time.Second // between two scrapes
	pause    = 5 * time.Second  // between two requests
)

// newFleet returns two instances, the second one with the options that change makes.
func newFleet(t *testing.T, change func(second bool, b *session.Backup)) *fleet {
	t.Helper()
	f := &fleet{T: t, values: map[string][]string{}}
	f.write = func(s *session.Session) { cart.Set(s, time.Now().String()) }
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	shared := memstore.New(nil)
	for i := range 2 {
		in := &instance{store: storetest.NewFaulty(shared)}
		backup := &session.Backup{Keys: keys, Audience: "shop-test", MaxLease: 4 * time.Hour}
		if change != nil {
			change(i == 1, backup)
		}
		in.sessions, err = session.New(in.figures.Store(in.store, "memory"), &session.Options{
			Backup: backup, Switch: &in.orders, Hooks: in.figures.Hooks(session.Hooks{}), Cookie: session.Cookie{Insecure: true},
			ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond,
		})
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
		for range interval / pause {
			f.visit()
			time.Sleep(pause)
		}
		f.read()
	}
}

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
	fmt.Fprintf(&b, "rule_files: [%q]\nevaluation_interval: %v\ntests:\n- interval: %v\n  input_series:\n", rules, interval, interval)
	used := matches(`\b((?:session|db_client)_[a-z_]+)`, read(t, rulesFile))
	for _, name := range slices.Sorted(maps.Keys(f.values)) {
		if metric, _, _ := strings.Cut(name, "{"); !slices.Contains(used, metric) {
			continue // promtool would take twice the time
		}
		fmt.Fprintf(&b, "  - {series: '%s', values: '%s'}\n", name, strings.Join(f.values[name], " "))
	}
	end := time.Duration(f.scrape-1) * interval
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
	for _, storm := range []struct {
		name   string
		change func(second bool, b *session.Backup)
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
		{"the journal is full", func(_ bool, b *session.Backup) { b.Journal = 6 << 10 }, func(f *fleet) {
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
		{"an instance has another key", func(second bool, b *session.Backup) {
			if second {
				b.Keys, _ = seal.NewKeys(seal.NewKey())
			}
		}, func(f *fleet) { f.after(30 * time.Minute) }, []string{"SessionKeysUnknown"}},
		{"an instance has a key more", func(second bool, b *session.Backup) {
			if second {
				b.Keys, _ = seal.NewKeys(seal.NewKey(), seal.NewKey())
			}
		}, func(f *fleet) { f.after(30 * time.Minute) }, []string{"SessionKeysDiffer", "SessionKeysUnknown"}},
		{"an instance has another audience", func(second bool, b *session.Backup) {
			if second {
				b.Audience = "shop-staging"
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
	} {
		t.Run(storm.name, func(t *testing.T) {
			if testing.Short() && len(storm.want) > 1 {
				t.Skip("storms of several alerts are not short: make test and make race run them in full")
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
