package coordinator

import (
	"context"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/orders"
)

// storeCoordinator keeps everything in one record of a session store.
type storeCoordinator struct {
	client *orders.Client
	close  func()
}

// OnStore returns a Coordinator in a record of a store, which Close closes with the function
// given.
func OnStore(s session.Store, closeStore func()) Coordinator {
	return storeCoordinator{orders.New(s), closeStore}
}

func (c storeCoordinator) Get(ctx context.Context, name string) (Entry, error) {
	e, err := c.client.Get(ctx, name)
	return Entry(e), err
}

func (c storeCoordinator) List(ctx context.Context, folder string) (map[string]Entry, error) {
	found, err := c.client.List(ctx, folder+"/")
	if err != nil {
		return nil, err
	}
	all := map[string]Entry{}
	for name, e := range found {
		all[name] = Entry(e)
	}
	return all, nil
}

func (c storeCoordinator) Set(ctx context.Context, name string, value []byte, over int64, guards ...Guard) (bool, error) {
	return c.client.Set(ctx, name, value, over, conditions(guards)...)
}

func (c storeCoordinator) Remove(ctx context.Context, name string, over int64, guards ...Guard) (bool, error) {
	return c.client.Remove(ctx, name, over, conditions(guards)...)
}

func conditions(guards []Guard) []orders.Guard {
	var all []orders.Guard
	for _, g := range guards {
		all = append(all, orders.Guard(g))
	}
	return all
}

func (c storeCoordinator) Close() { c.close() }
