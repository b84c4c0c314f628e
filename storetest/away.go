package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session"
)

var awayCases = []testCase{
	{name: "a store that is away is not an empty one", says: saysAway, needs: []capability{down}, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		c.Down(c.t)
		defer c.Up(c.t)
		fails := func(what string, call func(context.Context) error) {
			c.Helper()
			ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
			defer cancel()
			switch err := call(ctx); {
			case err == nil:
				c.Fatalf("%s of a store that is away: got no error", what)
			case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrConflict):
				c.Fatalf("%s of a store that is away: got %v, which is the answer of one that is there", what, err)
			}
		}
		for range 3 { // the first finds the connection broken, the second has none
			for _, id := range []session.ID{alice, bob} {
				fails("Load", func(ctx context.Context) error {
					_, err := c.store.Load(ctx, id)
					return err
				})
				if fresh, ok := c.store.(session.FreshLoader); ok {
					fails("LoadFresh", func(ctx context.Context) error {
						_, err := fresh.LoadFresh(ctx, id)
						return err
					})
				}
			}
			for _, over := range []session.Version{v, session.Absent, session.Any} {
				fails("Save over "+name(over), func(ctx context.Context) error {
					_, err := c.store.Save(ctx, alice, record("late"), over)
					return err
				})
			}
		}
	}},

	{name: "a store that is back serves again", says: saysLoad, needs: []capability{down}, run: func(c *check) {
		c.mustSave(alice, record("before"), session.Absent)
		func() {
			c.Down(c.t)
			defer c.Up(c.t)
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			defer cancel()
			_, _ = c.store.Load(ctx, alice) // it breaks the connection
		}()
		c.untilItAnswers(alice)
		var v session.Version
		c.until("a save", func() (err error) { // another connection than the load's may be broken
			v, err = c.save(alice, record("after"), session.Any)
			return err
		})
		c.wantRecord(alice, "after", v)
	}},
}
