package failover_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// servers are those that instances share.
type servers map[string]*instance.Store

func newServers() servers {
	return servers{"a": new(instance.Store), "b": new(instance.Store), "c": new(instance.Store)}
}

// list is the store as an instance sees it that has some of the servers in its list.
type list struct {
	record.Store // the rest of it is that of any server
	all          servers

	mu    sync.Mutex // guards names
	names []string
}

func (l *list) Shards() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.names
}

func (l *list) set(names string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names = strings.Split(names, "")
}

func (l *list) Shard(id string) string { return shardIn(l.Shards(), id) }

func shardIn(names []string, id string) string {
	h := fnv.New32a()
	h.Write([]byte(id))
	return names[int(h.Sum32())%len(names)]
}

func (l *list) Load(ctx context.Context, id string, fresh bool) (record.Record, error) {
	return l.all[l.Shard(id)].Load(ctx, id, fresh)
}

func (l *list) Save(ctx context.Context, id string, data []byte, expires time.Time, over record.Version) (record.Version, error) {
	return l.all[l.Shard(id)].Save(ctx, id, data, expires, over)
}

func (l *list) Caches() bool { return false }
func (l *list) Probes() bool { return false }

func (l *list) Incarnation(context.Context, string) (string, error) { return "", nil }

func (l *list) Evictions(context.Context, string) (uint64, error) { return 0, errors.ErrUnsupported }

func (l *list) Pin(shard string) (record.Store, error) {
	if !slices.Contains(l.Shards(), shard) {
		return nil, errors.New("no such shard")
	}
	return &list{all: servers{shard: l.all[shard]}, names: []string{shard}}, nil
}

// with starts an instance that has these servers in its list.
func (all servers) with(t *testing.T, names string) (*instance.Instance, *list) {
	l := &list{all: all}
	l.set(names)
	return instance.New(t, new(instance.Store), true, func(i *instance.Instance) {
		i.Shards.Store = l
		i.Storage.Store = l
	}), l
}

// idOn returns the n-th ID whose server is one in a list of servers and another in another.
func idOn(n int, list1, server1, list2, server2 string) string {
	for k := 0; ; k++ {
		id := longID(fmt.Sprint("session ", k))
		found := shardIn(strings.Split(list1, ""), id) == server1 && shardIn(strings.Split(list2, ""), id) == server2
		if found && n == 0 {
			return id
		}
		if found {
			n--
		}
	}
}

// ends makes an instance end a session, durably.
func ends(t *testing.T, i *instance.Instance, id string) {
	t.Helper()
	endsAs(t, i, id, failover.Durable)
}

func endsAs(t *testing.T, i *instance.Instance, id string, want failover.Durability) {
	t.Helper()
	g := journal.Stored(id, i.Clock.Death(state.Destroyed))
	if d, err := i.Shards.EndOne(t.Context(), &g, record.Any); d != want || err != nil {
		t.Errorf("the end of %s: %v, %v, want %v", id, d, err, want)
	}
}

func wantKnown(t *testing.T, i *instance.Instance, id, what string) {
	t.Helper()
	if _, known := i.Shards.Tombstone(id); !known {
		t.Errorf("%s: the instance does not know that the session has ended", what)
	}
}

func closed(t *testing.T, i *instance.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := i.Shards.Close(ctx); err != nil {
		t.Error(err)
	}
}

// An instance that hears of a tombstone here does not find it: it is on a server that is
// not in that instance's list, and is lost.
func TestInstancesWhoseListsOfServersDiffer(t *testing.T) {
	onlyThere := idOn(0, "abc", "c", "ab", "a") // for abc it lies on c, for ab on a
	tests := []struct {
		name string
		run  func(t *testing.T, all servers)
	}{
		{"an end is known within two seconds, both ways", func(t *testing.T, all servers) {
			two, _ := all.with(t, "ab")
			three, _ := all.with(t, "abc")
			ends(t, three, onlyThere)
			other := idOn(1, "abc", "c", "ab", "b")
			ends(t, two, other)
			all["b"].Remove(other)
			all["c"].Remove(onlyThere)
			time.Sleep(2 * time.Second)
			wantKnown(t, two, onlyThere, "a session on a server that it does not know")
			wantKnown(t, three, other, "a session on another server than its own layout has it")
		}},
		{"what was told before is told again", func(t *testing.T, all servers) {
			three, _ := all.with(t, "abc")
			ends(t, three, onlyThere)
			all["c"].Remove(onlyThere)
			time.Sleep(20 * time.Minute / 4)
			two, _ := all.with(t, "ab")
			wantKnown(t, two, onlyThere, "before it began")
		}},
		{"so is what an instance had told that is gone", func(t *testing.T, all servers) {
			gone, _ := all.with(t, "abc")
			stays, _ := all.with(t, "abc")
			ends(t, gone, onlyThere)
			time.Sleep(2 * time.Second)
			closed(t, gone)
			time.Sleep(5 * time.Minute) // its row in the members record is no live one
			wantKnown(t, stays, onlyThere, "the one that stays")
			two, _ := all.with(t, "ab")
			wantKnown(t, two, onlyThere, "the one that begins with another list")
		}},
		{"a list that has grown between two starts", func(t *testing.T, all servers) {
			id := idOn(0, "ab", "a", "abc", "c")
			two, _ := all.with(t, "ab")
			ends(t, two, id)
			all["a"].Remove(id)
			closed(t, two)
			three, _ := all.with(t, "abc")
			wantKnown(t, three, id, "the one that began later")
		}},
		{"a list that has shrunk in a running process", func(t *testing.T, all servers) {
			runs, l := all.with(t, "abc")
			ends(t, runs, onlyThere)
			l.set("ab")
			time.Sleep(3 * time.Second)
			closed(t, runs)
			later, _ := all.with(t, "ab")
			wantKnown(t, later, onlyThere, "the one that began later")
		}},
		{"a log that was lost has it again", func(t *testing.T, all servers) {
			two, _ := all.with(t, "ab")
			three, _ := all.with(t, "abc")
			ends(t, three, onlyThere)
			time.Sleep(2 * time.Second)
			closed(t, two)
			all["a"].Empty()
			all["b"].Empty()
			time.Sleep(20 * time.Second)
			later, _ := all.with(t, "ab")
			wantKnown(t, later, onlyThere, "the one that began after the loss")
		}},
		{"an end under way when another layout is seen", func(t *testing.T, all servers) {
			id := idOn(0, "ab", "a", "c", "c")
			runs, l := all.with(t, "ab")
			time.Sleep(950 * time.Millisecond) // the next probe is in 40 ms
			l.set("abc")
			all["a"].PlanFor(instance.SavesOf(id), instance.Fate{Takes: 90 * time.Millisecond})
			ends(t, runs, id)
			all["a"].Remove(id)
			time.Sleep(2 * time.Second)
			other, _ := all.with(t, "c")
			wantKnown(t, other, id, "one that does not know that server")
		}},
		{"a server that was away hears it when it is back", func(t *testing.T, all servers) {
			two, _ := all.with(t, "ab")
			three, _ := all.with(t, "abc")
			all["a"].Away(true)
			all["b"].Away(true)
			time.Sleep(10 * time.Second)
			endsAs(t, three, onlyThere, failover.Pending) // an instance that reaches a alone does not hear of it
			all["c"].Remove(onlyThere)
			all["a"].Away(false)
			all["b"].Away(false)
			time.Sleep(10 * time.Second)
			wantKnown(t, two, onlyThere, "after the outage")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.run(t, newServers()) })
		})
	}
}

// If all have one layout, a tombstone goes into one log.
func TestOneLayoutTellsOneLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newServers()
		first, _ := all.with(t, "abc")
		second, _ := all.with(t, "abc")
		var mu sync.Mutex
		told := map[string]int{}
		for name, s := range all {
			s.Plan(func(c instance.Call) instance.Fate {
				if c.Save && strings.HasPrefix(c.ID, "log-") {
					mu.Lock()
					told[name]++
					mu.Unlock()
				}
				return instance.Fate{}
			})
		}
		id := idOn(0, "abc", "c", "ab", "a")
		ends(t, first, id)
		time.Sleep(2 * time.Second)
		wantKnown(t, second, id, "the other instance")
		mu.Lock()
		defer mu.Unlock()
		if told["c"] == 0 || told["a"]+told["b"] > 0 {
			t.Errorf("logs were saved on %v, want on c alone", told)
		}
	})
}

// An instance that starts with another list of servers looks for a session on a server that does
// not have its tombstone. It shows none before it has read the logs of all servers, so that it
// knows what an instance with the former list has ended.
func TestAProcessThatStartsWithAnotherList(t *testing.T) {
	id := idOn(0, "ab", "a", "abc", "c")
	start := func(t *testing.T, all servers) *world {
		l := &list{all: all}
		l.set("abc")
		return &world{T: t, Instance: instance.Start(t, new(instance.Store), true, func(i *instance.Instance) {
			i.Shards.Store = l
			i.Storage.Store = l
		})}
	}
	tests := []struct {
		name       string
		stands     bool // a record of the session, alive, on the server where the instance looks
		log        instance.Fate
		want       lookup.Phase
		wantSource lookup.Source
		most       time.Duration
	}{
		{"where it finds nothing", false, instance.Fate{Takes: 10 * time.Millisecond}, lookup.Dead, lookup.FromStore, 20 * time.Millisecond},
		{"where it finds the session alive", true, instance.Fate{Takes: 10 * time.Millisecond}, lookup.Dead, lookup.FromStore, 20 * time.Millisecond},
		{"no longer than a read may take", true, instance.Never, lookup.Live, lookup.FromBackup, instance.ReadTimeout},
		{"and does not wait for a server that fails", true, instance.Fate{Err: instance.ErrRefused}, lookup.Live, lookup.FromStore, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := newServers()
				before, _ := all.with(t, "ab")
				stays, _ := all.with(t, "abc") // so that the server c has a log, and no quarantine
				w := &world{T: t, Instance: before}
				live := w.live("x", "1")
				stolen := w.copyOf(id, live)
				ends(t, before, id)
				time.Sleep(2 * time.Second)
				closed(t, before)
				wantKnown(t, stays, id, "the one that stays")
				if tt.stands {
					all["c"].Set(id, live)
				}
				for _, server := range []string{"a", "b"} {
					all[server].PlanFor(func(c instance.Call) bool { return !c.Save && segments(c) }, tt.log)
				}
				starts := start(t, all)
				var k lookup.Known
				k.Add(&stolen, time.Now())
				began := time.Now()
				l := starts.Reader.Fetch(t.Context(), id, k, false)
				if l.Phase != tt.want || l.Phase == lookup.Live && l.Source != tt.wantSource {
					t.Errorf("the session is %v, from %v, %v; want %v, from %v", l.Phase, l.Source, l.Err, tt.want, tt.wantSource)
				}
				if took := time.Since(began); took > tt.most {
					t.Errorf("it took %v, want %v at most", took, tt.most)
				}
			})
		})
	}
}
