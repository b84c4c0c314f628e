// Package store is a source of orders for a whole fleet: a record of a session store, for a
// site that has neither etcd nor ZooKeeper.
//
//	source, err := store.New(pgstore.New(pool), "shop/override", nil)
//	follower, err := override.Follow(source, &override.FollowOptions{Keep: "/var/lib/shop/override"})
//
// An operator gives an order by
//
//	holdfast override set backup-only --for 2h --order postgres://host/db#shop/override
//
// Use another store than the one whose outage the orders are for, or the same one for
// planned work only: while it does not answer no order can be given, and the last one
// stands.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/orders"
	"github.com/holdfast-go/session/override"
)

// Options are the options of New. Nil means all defaults.
type Options struct {
	// Every is how often the store is read, and so how late an order may come. It
	// defaults to 1 s.
	Every time.Duration
}

// Source is an [override.Source] on one name.
type Source struct {
	client *orders.Client
	name   string
	every  time.Duration
}

var (
	_ override.Source = (*Source)(nil)
	_ override.Writer = (*Source)(nil)
)

// New returns a Source of the order under a name. It does not ask the store yet. The
// Source does not close the store.
func New(s session.Store, name string, o *Options) (*Source, error) {
	every := time.Second
	if o != nil && o.Every != 0 {
		every = o.Every
	}
	switch {
	case s == nil:
		return nil, errors.New("override/store: no store")
	case name == "":
		return nil, errors.New("override/store: no name; give one, like shop/override")
	case every < 0:
		return nil, fmt.Errorf("override/store: Every is %v; zero is the default", every)
	}
	return &Source{orders.New(s), name, every}, nil
}

// String names the order.
func (s *Source) String() string { return "store record " + s.name }

// Read implements [override.Source].
func (s *Source) Read(ctx context.Context) (text string, stands bool, err error) {
	e, err := s.client.Get(ctx, s.name)
	if err != nil {
		return "", false, fmt.Errorf("override/store: %w", err)
	}
	return string(e.Value), e.Revision != 0, nil
}

// Write implements [override.Writer].
func (s *Source) Write(ctx context.Context, o override.Order) error {
	text, err := o.Text()
	if err != nil {
		return err
	}
	if err := s.client.Put(ctx, s.name, []byte(text)); err != nil {
		return fmt.Errorf("override/store: %w", err)
	}
	return nil
}

// Remove implements [override.Writer].
func (s *Source) Remove(ctx context.Context) error {
	for {
		e, err := s.client.Get(ctx, s.name)
		if err != nil {
			return fmt.Errorf("override/store: %w", err)
		}
		if e.Revision == 0 {
			return nil
		}
		done, err := s.client.Remove(ctx, s.name, e.Revision)
		if err != nil {
			return fmt.Errorf("override/store: %w", err)
		}
		if done {
			return nil
		}
	}
}

// Wait implements [override.Source]. A store tells of no change, so it returns after Every.
func (s *Source) Wait(ctx context.Context) error {
	select {
	case <-time.After(s.every):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements [override.Source].
func (s *Source) Close() error { return nil }
