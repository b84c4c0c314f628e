package revocation

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
)

// Instance is one process of the application.
type Instance struct {
	*session.Manager
	reads *reads
}

// open starts an instance.
func (p Place) open(t testing.TB, keys *seal.Keys) *Instance {
	t.Helper()
	r := &reads{began: map[string]int{}, done: map[string]int{}}
	var store session.Store = watched{p.Open(t), r}
	if w := store.(watched); w.pinner() != nil {
		store = watchedPinner{w}
	}
	m, err := session.New(store, &session.Options{
		Refresh:     p.Refresh,
		ReadTimeout: time.Second, SaveTimeout: 2 * time.Second, // the machine has other work to do
		Backup: &session.Backup{Keys: keys, Audience: "revocation"},
	})
	if err != nil {
		t.Fatal(err)
	}
	i := &Instance{m, r}
	t.Cleanup(func() { i.close(t) })
	return i
}

func (i *Instance) close(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), timeleft.Patience)
	defer cancel()
	if err := i.Close(ctx); err != nil {
		t.Error(err)
	}
}

// exchanged returns a function that reports whether the instance has finished, in each of
// the store's shards, an exchange that began after the call of exchanged.
func (i *Instance) exchanged() func() bool {
	began := map[string]int{}
	for _, s := range i.Stats().Shards {
		began[s.Name] = i.reads.begun(s.Name)
	}
	return func() bool {
		for shard, n := range began {
			// One exchange of a shard begins when the one before is over. So the second one
			// that begins shows that the first is over.
			if i.reads.finished(shard) < n+2 {
				return false
			}
		}
		return true
	}
}

// reads counts how often the members record of each shard was read.
type reads struct {
	mu          sync.Mutex // guards all below
	began, done map[string]int
}

func (r *reads) begun(shard string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began[shard]
}

func (r *reads) finished(shard string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done[shard]
}

func (r *reads) count(by map[string]int, shard string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by[shard]++
}

// load loads a record of a shard, and counts where that is the members record.
func (r *reads) load(ctx context.Context, from session.Store, shard string, id session.ID) (session.Record, error) {
	if !strings.HasPrefix(string(id), recordid.Members+"-") {
		return from.Load(ctx, id)
	}
	r.count(r.began, shard)
	record, err := from.Load(ctx, id)
	if err == nil {
		r.count(r.done, shard)
	}
	return record, err
}

// watched is a store whose reads of members records are counted.
type watched struct {
	Store
	reads *reads
}

func (w watched) pinner() session.Pinner {
	p, _ := w.Store.(session.Pinner)
	return p
}

func (w watched) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return w.reads.load(ctx, w.Store, w.Shard(id), id)
}

// watchedPinner is a watched store that pins.
type watchedPinner struct{ watched }

func (w watchedPinner) Shards() []string { return w.pinner().Shards() }

func (w watchedPinner) Pin(shard string) (session.Store, error) {
	one, err := w.pinner().Pin(shard)
	return pinned{one, shard, w.reads}, err
}

// pinned is a shard of a watched store.
type pinned struct {
	session.Store
	shard string
	reads *reads
}

func (p pinned) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return p.reads.load(ctx, p.Store, p.shard, id)
}
