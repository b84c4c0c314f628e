package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// testCase checks one sentence of the contract.
type testCase struct {
	name  string // what its failure would mean, to a visitor where one would notice
	says  string // the sentence
	needs []capability
	run   func(*check)
}

var cases = slices.Concat(dataCases, idCases, versionCases, uniqueCases, concurrentCases,
	expiryCases, contextCases, awayCases, instanceCases, listCases, probeCases, pinCases)

// lacks returns a capability that c needs and that is not there.
func (c testCase) lacks(have []capability) capability {
	for _, need := range c.needs {
		if !slices.Contains(have, need) {
			return need
		}
	}
	return ""
}

// reporter is what a case needs of a *testing.T. The tests of this package put
// something else in its place, to see how cases fail.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// check is one run of a case.
type check struct {
	reporter
	Harness
	t     testing.TB // for the Harness
	store session.Store
}

const (
	// patience bounds what a case waits for; it decides nothing in one that
	// passes.
	patience = 20 * time.Second

	// late is by how much the contract lets a record outlive its Expires.
	late = 2 * time.Second

	alice = session.ID("522b276a356bdf39013dfabea2cd43e1")
	bob   = session.ID("f5d1278e8109edd94e1e4197e04873b9")
)

// record lives for an hour.
func record(data string) session.Record { return expiring(data, time.Hour) }

func expiring(data string, in time.Duration) session.Record {
	return session.Record{Data: []byte(data), Expires: time.Now().Add(in)}
}

func (c *check) save(id session.ID, r session.Record, over session.Version) (session.Version, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	return c.store.Save(ctx, id, r, over)
}

func (c *check) load(id session.ID) (session.Record, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	return c.store.Load(ctx, id)
}

// mustSave is a save that must succeed for the case to go on.
func (c *check) mustSave(id session.ID, r session.Record, over session.Version) session.Version {
	c.Helper()
	v, err := c.save(id, r, over)
	if err != nil {
		c.Fatalf("Save(%s, %s) over %s: %v", id, brief(r.Data), name(over), err)
	}
	return v
}

// wantSaved saves alice, and fails the test if that fails.
func (c *check) wantSaved(what string, r session.Record, over session.Version) {
	c.Helper()
	if _, err := c.save(alice, r, over); err != nil {
		c.Errorf("%s: Save over %s: %v", what, name(over), err)
	}
}

// wantConflict makes a save that has to fail with ErrConflict.
func (c *check) wantConflict(what string, id session.ID, r session.Record, over session.Version) {
	c.Helper()
	if _, err := c.save(id, r, over); !errors.Is(err, session.ErrConflict) {
		c.Errorf("%s: Save over %s: got error %v, want ErrConflict", what, name(over), err)
	}
}

// wantData loads a record, which has to have these bytes.
func (c *check) wantData(id session.ID, data []byte) session.Record {
	c.Helper()
	r, err := c.load(id)
	if err != nil || !bytes.Equal(r.Data, data) {
		c.Fatalf("Load(%s): got %s with error %v, want %s", id, brief(r.Data), err, brief(data))
	}
	return r
}

// wantRecord loads a record, which has to have these bytes and this Version.
func (c *check) wantRecord(id session.ID, data string, v session.Version) {
	c.Helper()
	if r := c.wantData(id, []byte(data)); r.Version != v {
		c.Errorf("Load(%s): got Version %x, want %x, which its Save returned", id, r.Version, v)
	}
}

func (c *check) wantNothing(what string, id session.ID) {
	c.Helper()
	if r, err := c.load(id); !errors.Is(err, session.ErrNotFound) {
		c.Errorf("%s: Load: got %s with error %v, want ErrNotFound", what, brief(r.Data), err)
	}
}

// wantEnd waits for a record to expire, and asks that it is there until then,
// and not much longer.
func (c *check) wantEnd(id session.ID, expires time.Time) {
	c.Helper()
	for {
		asked := time.Now()
		_, err := c.load(id)
		switch answered := time.Now(); {
		case err != nil && !errors.Is(err, session.ErrNotFound):
			c.Errorf("Load: got error %v, want ErrNotFound once it has expired", err)
			return
		case err != nil:
			if answered.Before(expires) {
				c.Errorf("gone %v before it expires", expires.Sub(answered))
			}
			return
		case asked.Sub(expires) > late:
			c.Errorf("there %v after it expired, want at most %v", asked.Sub(expires), late)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// wantStay asks that a record is there for as long.
func (c *check) wantStay(what string, id session.ID, data string, as time.Duration) {
	c.Helper()
	for begun := time.Now(); time.Since(begun) < as; time.Sleep(10 * time.Millisecond) {
		if r, err := c.load(id); err != nil || string(r.Data) != data {
			c.Errorf("%s: after %v Load: got %s with error %v, want %s",
				what, time.Since(begun), brief(r.Data), err, brief([]byte(data)))
			return
		}
	}
}

// untilGone waits for a record to expire, without asking when.
func (c *check) untilGone(id session.ID) {
	c.Helper()
	c.until("the record to be gone", func() error {
		_, err := c.load(id)
		if err == nil {
			return errors.New("still there")
		}
		return nil
	})
}

// untilItAnswers waits for a server that restarted, thawed or is up. It asks
// for each of the IDs: they may live on several.
func (c *check) untilItAnswers(ids ...session.ID) {
	c.Helper()
	for _, id := range ids {
		c.until("an answer", func() error {
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
			defer cancel()
			_, err := c.store.Load(ctx, id)
			if errors.Is(err, session.ErrNotFound) {
				return nil
			}
			return err
		})
	}
}

// until polls.
func (c *check) until(what string, try func() error) {
	c.Helper()
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Since(begun) > patience {
			c.Fatalf("waited %v in vain for %s: %v", patience, what, err)
		}
	}
}

func name(v session.Version) string {
	switch v {
	case session.Absent:
		return "Absent"
	case session.Any:
		return "Any"
	}
	return fmt.Sprintf("Version %x", v)
}

func brief(data []byte) string {
	if len(data) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", data[:40], len(data))
	}
	return fmt.Sprintf("%q", data)
}
