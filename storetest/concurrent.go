package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/holdfast-go/session"
)

// atOnce lets n goroutines go at the same time, and returns their errors.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	gate := make(chan struct{})
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-gate
			errs[i] = f(i)
		})
	}
	ready.Wait()
	close(gate)
	done.Wait()
	return errs
}

// warm lets a hundred callers load at once, so that a store with a pool has all
// its connections before the calls that race: calls that wait for a connection come
// one after the other, and do not race.
func (c *check) warm() {
	for range 3 {
		atOnce(100, func(int) error {
			_, _ = c.load(alice)
			return nil
		})
	}
}

// wantOne asks that one of a hundred saves at once succeeds, and stands.
func (c *check) wantOne(over session.Version) {
	c.Helper()
	c.warm()
	versions := make([]session.Version, 100)
	errs := atOnce(len(versions), func(i int) (err error) {
		versions[i], err = c.save(alice, record(strconv.Itoa(i)), over)
		return err
	})
	winner, won := 0, 0
	for i, err := range errs {
		switch {
		case err == nil:
			winner = i
			won++
		case !errors.Is(err, session.ErrConflict):
			c.Fatalf("one of %d saves at once: got error %v, want none or ErrConflict", len(errs), err)
		}
	}
	if won != 1 {
		c.Fatalf("of %d saves at once over %s, %d succeeded, want 1", len(errs), name(over), won)
	}
	c.wantRecord(alice, strconv.Itoa(winner), versions[winner])
}

var concurrentCases = []testCase{
	{name: "of a hundred saves at once one wins", says: saysOne, run: func(c *check) {
		c.wantOne(c.mustSave(alice, record("before"), session.Absent))
	}},

	{name: "of a hundred first saves at once one wins", says: saysOne, run: func(c *check) {
		c.wantOne(session.Absent)
	}},

	{name: "a logout that races with saves is final", says: saysVersion, run: func(c *check) {
		c.warm()
		for round := range 20 {
			id := session.ID(fmt.Sprintf("%032x", round))
			v := c.mustSave(id, record("before"), session.Absent)
			errs := atOnce(8, func(i int) error {
				if i == 4 {
					_, err := c.save(id, record(tombstone), session.Any)
					return err
				}
				_, err := c.save(id, record("late"), v)
				if errors.Is(err, session.ErrConflict) {
					return nil
				}
				return err
			})
			if err := errors.Join(errs...); err != nil {
				c.Fatalf("saves at once: %v", err)
			}
			if r, err := c.load(id); err != nil || string(r.Data) != tombstone {
				c.Fatalf("round %d: Load after a Save over Any and seven over a Version: got %s with error %v, want %q",
					round, brief(r.Data), err, tombstone)
			}
		}
	}},

	{name: "fifty requests at once count to fifty", says: saysGoroutines, run: func(c *check) {
		c.mustSave(alice, record("0"), session.Absent)
		c.warm()
		errs := atOnce(50, func(int) error {
			for range 500 { // each conflict means that another one succeeded
				r, err := c.load(alice)
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(string(r.Data))
				if err != nil {
					return err
				}
				if _, err = c.save(alice, record(strconv.Itoa(n+1)), r.Version); !errors.Is(err, session.ErrConflict) {
					return err
				}
			}
			return errors.New("500 conflicts in a row")
		})
		for _, err := range errs {
			if err != nil {
				c.Fatalf("one of %d requests at once: %v", len(errs), err)
			}
		}
		c.wantData(alice, []byte("50"))
	}},
}
