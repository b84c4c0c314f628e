package simulation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/storetest"
)

// The store that the world gives to an instance keeps the contract, as long as nothing is
// broken.
func TestTheSimulatedStoreKeepsTheContract(t *testing.T) {
	var c *cluster
	var clients []*client
	open := func() session.Store {
		clients = append(clients, newClient(c, len(clients), len(clients)+1))
		return clients[len(clients)-1]
	}
	set := func(f Fault) {
		for _, cl := range clients {
			for i := range cl.links {
				cl.links[i].set(f, false)
			}
		}
	}
	storetest.Run(t, storetest.Harness{
		New: func(testing.TB) session.Store {
			c, clients = newCluster(2, 1, Switches{}, func(Event) {}), nil
			return open()
		},
		Again: func(testing.TB) session.Store { return open() },
		Restart: func(testing.TB) {
			for i := range c.shards {
				c.forget(i, true)
			}
		},
		Freeze: func(testing.TB) { set(Hang) },
		Thaw:   func(testing.TB) { set(Healthy) },
		Down:   func(testing.TB) { set(Refuse) },
		Up:     func(testing.TB) { set(Healthy) },
		Each:   synctest.Test,
	})
}

func TestASwitchTakesItsPartOfTheStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const id = "00112233445566778899aabbccddeeff"
		for _, test := range []struct {
			is     string
			off    Switches
			second error // of a Save over a Version that is gone
			tomb   error // of a Load of a tombstone
			kept   error // of a Load of what is no session, after a restart
		}{
			{"nothing", Switches{}, session.ErrConflict, nil, session.ErrNotFound},
			{"CAS", Switches{CAS: true}, nil, nil, session.ErrNotFound},
			{"tombstones", Switches{Tombstones: true}, session.ErrConflict, session.ErrNotFound, session.ErrNotFound},
			{"incarnation", Switches{Incarnation: true}, session.ErrConflict, nil, nil},
		} {
			t.Log(test.is)
			c := newCluster(1, 1, test.off, func(Event) {})
			s := newClient(c, 0, 1)
			ctx := t.Context()
			record := func(data string) session.Record {
				return session.Record{Data: []byte(data), Expires: inAnHour()}
			}
			v, err := s.Save(ctx, id, record(alive), session.Absent)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Save(ctx, id, record(alive+"2"), v); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Save(ctx, id, record(alive+"3"), v); err != test.second {
				t.Errorf("Save over an old Version: %v, want %v", err, test.second)
			}
			if _, err := s.Save(ctx, id, record("dead"), session.Any); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Load(ctx, id); err != test.tomb {
				t.Errorf("Load of a tombstone: %v, want %v", err, test.tomb)
			}
			if _, err := s.Save(ctx, "canary-0", record("x"), session.Absent); err != nil {
				t.Fatal(err)
			}
			before, _ := s.Probe(ctx, "0")
			c.forget(0, true)
			after, err := s.Probe(ctx, "0")
			if err != nil || (before == after) != test.off.Incarnation {
				t.Errorf("incarnation %q, then %q, %v", before, after, err)
			}
			if _, err := s.Load(ctx, "canary-0"); err != test.kept {
				t.Errorf("Load of the canary after a restart: %v, want %v", err, test.kept)
			}
		}
	})
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }
