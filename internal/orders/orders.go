// Package orders keeps a few small values for a fleet in one record of a session store: an
// operator's order, and the votes of monitors. They change by compare-and-set, all together,
// so that a change of one can depend on another.
package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// Entry is a value as it stands.
type Entry struct {
	Value    []byte `json:"value"`
	Revision int64  `json:"revision"` // of its last change, never zero
}

// Guard is a condition of a change: the entry must be of this revision, where zero says that
// nothing stands.
type Guard struct {
	Name     string
	Revision int64
}

// Client reads and changes the values in a store. It may be used concurrently.
type Client struct{ store session.Store }

// New returns a Client. It does not ask the store yet.
func New(s session.Store) *Client { return &Client{s} }

// id has the form of a record that a store keeps for itself, so that no session has it.
const id session.ID = "~orders-0"

// life is how long the record stands after its last change.
const life = 10 * 365 * 24 * time.Hour

// most is how large the record may become.
const most = 256 << 10

// board is the record.
type board struct {
	Format  int              `json:"holdfast-orders"`
	Last    int64            `json:"last"` // revision of any entry
	Entries map[string]Entry `json:"entries"`
}

func (c *Client) load(ctx context.Context) (board, session.Version, error) {
	load := c.store.Load
	if f, ok := c.store.(session.FreshLoader); ok {
		load = f.LoadFresh
	}
	r, err := load(ctx, id)
	if errors.Is(err, session.ErrNotFound) {
		// A record that was lost begins anew. Its revisions are later than those before.
		return board{1, time.Now().UnixMicro(), map[string]Entry{}}, session.Absent, nil
	}
	if err != nil {
		return board{}, session.Absent, err
	}
	var b board
	if err := json.Unmarshal(r.Data, &b); err != nil || b.Format != 1 {
		return board{}, session.Absent, fmt.Errorf("orders: the record %s is not of a format that this version knows", id)
	}
	if b.Entries == nil {
		b.Entries = map[string]Entry{}
	}
	return b, r.Version, nil
}

// Get returns the entry of a name; the zero Entry where nothing stands.
func (c *Client) Get(ctx context.Context, name string) (Entry, error) {
	b, _, err := c.load(ctx)
	return b.Entries[name], err
}

// List returns the entries whose names begin with a prefix, by the rest of their names.
func (c *Client) List(ctx context.Context, prefix string) (map[string]Entry, error) {
	b, _, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]Entry{}
	for name, e := range b.Entries {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			found[rest] = e
		}
	}
	return found, nil
}

// Set writes an entry if it is of revision over and every guard holds, and reports whether
// it did. A call whose save was not answered fails, and may have written.
func (c *Client) Set(ctx context.Context, name string, value []byte, over int64, guards ...Guard) (bool, error) {
	return c.change(ctx, name, over, guards, func(b *board) {
		b.Last++
		b.Entries[name] = Entry{value, b.Last}
	})
}

// Put writes an entry whatever stands.
func (c *Client) Put(ctx context.Context, name string, value []byte) error {
	for {
		e, err := c.Get(ctx, name)
		if err != nil {
			return err
		}
		if done, err := c.Set(ctx, name, value, e.Revision); done || err != nil {
			return err
		}
	}
}

// Remove removes an entry as Set writes one.
func (c *Client) Remove(ctx context.Context, name string, over int64, guards ...Guard) (bool, error) {
	return c.change(ctx, name, over, guards, func(b *board) { delete(b.Entries, name) })
}

func (c *Client) change(ctx context.Context, name string, over int64, guards []Guard, do func(*board)) (bool, error) {
	for {
		b, v, err := c.load(ctx)
		if err != nil {
			return false, err
		}
		for _, g := range append([]Guard{{name, over}}, guards...) {
			if b.Entries[g.Name].Revision != g.Revision {
				return false, nil
			}
		}
		do(&b)
		data, err := json.Marshal(b)
		if err != nil {
			return false, err
		}
		if len(data) > most {
			return false, fmt.Errorf("orders: %d bytes of values are more than %d", len(data), most)
		}
		_, err = c.store.Save(ctx, id, session.Record{Data: data, Expires: time.Now().Add(life)}, v)
		if !errors.Is(err, session.ErrConflict) {
			return err == nil, err
		}
	}
}
