package monitor

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/probe"
	"github.com/holdfast-go/session/internal/recordid"
)

// Budgets are the times that visitors' operations have. An operation that takes
// longer has failed.
type Budgets struct {
	Read, Save time.Duration
}

// Probes asks the shards of a store what visitors would: a record is read, another is
// created and replaced.
type Probes struct {
	budgets Budgets
	store   probed
	shards  map[string]*probe.Shard
	read    map[string]string // by shard, the ID of a record that visitors' instances read
}

// NewProbes returns the Probes of a store. It sends nothing.
func NewProbes(store session.Store, b Budgets) *Probes {
	asked := probed{store}
	p := &Probes{budgets: b, store: asked, shards: map[string]*probe.Shard{}, read: map[string]string{}}
	instance := rand.Uint32()
	for n := range 256 { // there are few shards
		id := recordid.Numbered(recordid.Members, n)
		name := asked.Shard(id)
		if p.shards[name] == nil {
			p.read[name] = id
			p.shards[name] = &probe.Shard{Store: asked, Name: name, Instance: instance, Now: time.Now, Budget: b.Save}
		}
	}
	return p
}

// Shards returns the names of the shards.
func (p *Probes) Shards() []string {
	var all []string
	for name := range p.shards {
		all = append(all, name)
	}
	return all
}

// Probe asks one shard, and returns why a visitor would not be served.
func (p *Probes) Probe(ctx context.Context, shard string) error {
	s := p.shards[shard]
	limited, cancel := context.WithTimeout(ctx, p.budgets.Read)
	defer cancel()
	if err := p.store.look(limited, shard, p.read[shard]); err != nil {
		return err
	}
	return s.Try(ctx, func(probe.Kind, error) {})
}

// probed is a store as package probe asks it.
type probed struct{ session.Store }

// look asks a shard whether it answers, and reads a record of it past all caches.
func (p probed) look(ctx context.Context, shard, id string) error {
	if prober, ok := p.Store.(session.Prober); ok {
		if _, err := prober.Probe(ctx, shard); err != nil {
			return err
		}
	}
	load := p.Load
	if fresh, ok := p.Store.(session.FreshLoader); ok {
		load = fresh.LoadFresh
	}
	_, err := load(ctx, session.ID(id))
	if errors.Is(err, session.ErrNotFound) {
		return nil
	}
	return err
}

func (p probed) Save(ctx context.Context, id string, data []byte, expires time.Time, over probe.Version) (probe.Version, bool, error) {
	v, err := p.Store.Save(ctx, session.ID(id), session.Record{Data: data, Expires: expires}, session.Version(over))
	return probe.Version(v), errors.Is(err, session.ErrConflict), err
}

func (p probed) Overwrite(ctx context.Context, id string, data []byte, expires time.Time) error {
	_, err := p.Store.Save(ctx, session.ID(id), session.Record{Data: data, Expires: expires}, session.Any)
	return err
}

func (p probed) Shard(id string) string {
	if prober, ok := p.Store.(session.Prober); ok {
		return prober.Shard(session.ID(id))
	}
	return ""
}
