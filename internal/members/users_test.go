package members

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// revokes does what the revocation of a user does.
func (p *process) revokes(t *testing.T, user int) {
	t.Helper()
	x := revoked.Tombstone{ID: idOf(user), Class: revoked.Users}
	x.Death = state.Death{Dot: state.Dot{Clock: state.ClockAt(time.Now()), Instance: p.Instance}, Reason: state.Revoked}
	p.set.Heard([]revoked.Tombstone{x})
	if err := p.Append(t.Context(), x); err != nil {
		t.Fatal(err)
	}
}

// newcomer starts an instance, reports whether it knows of these after its first exchange,
// and lets it go again.
func newcomer(f *store, instance uint32, all ...int) (knows bool) {
	p := newProcess(f, instance)
	p.exchange()
	knows = true
	for _, n := range all {
		knows = knows && p.set.knows(idOf(n))
	}
	p.crash()
	p.wg.Wait()
	return knows
}

// A revocation of a user is needed for longer than the log lives that it was added to. An
// instance that starts hears it at once, as long as it is needed, and no longer.
func TestARevocationOfAUserOutlivesItsLog(t *testing.T) {
	for name, after := range map[string]func(f *store, all []*process){
		"its owner goes on": func(*store, []*process) {},
		"its owner goes": func(f *store, all []*process) {
			all[0].crash()
			<-all[0].gone
		},
		"one after the other goes": func(f *store, all []*process) {
			all[0].crash()
			<-all[0].gone
			time.Sleep(life + 10*time.Minute)
			all[1].crash()
			<-all[1].gone
		},
		"all go": func(f *store, all []*process) {
			for _, p := range all {
				p.crash()
				<-p.gone
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && strings.HasPrefix(name, "its owner") {
				t.Skip("three instances for half a day: make test and make race run them")
			}
			world(t, 3, func(t *testing.T, f *store, all []*process) {
				all[0].revokes(t, 1)
				all[0].mustEnd(t, 2)
				at := time.Now()
				time.Sleep(promised)
				after(f, all)
				others := uint32(100)
				for time.Since(at) < userLife-time.Minute {
					time.Sleep(7 * time.Minute)
					others++
					if time.Since(at) < userLife && !newcomer(f, others, 1) {
						t.Fatalf("after %v an instance that starts does not hear it", time.Since(at))
					}
				}
				time.Sleep(life)
				if newcomer(f, 99, 1) {
					t.Error("it is told of after its time")
				}
				// Nor does it go from log to log without end.
				time.Sleep(userLife)
				if n := usersIn(t, f); n > 0 {
					t.Errorf("%d segments have it long after its time", n)
				}
			})
		})
	}
}

// A log that has expired is not forgotten before it was read: the store may not answer for a
// segment just when the first instance starts again.
func TestALogThatHasExpiredWaitsForItsReader(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		all[0].revokes(t, 1)
		time.Sleep(promised)
		for _, p := range all {
			p.crash()
			<-p.gone
		}
		time.Sleep(life + 10*time.Minute)
		f.failing(func(operation, id string) error {
			if operation == "load" && strings.HasPrefix(id, "log-") {
				return errDown
			}
			return nil
		})
		p := newProcess(f, 9)
		p.exchange()
		f.failing(nil)
		p.exchange()
		if !p.set.knows(idOf(1)) {
			t.Error("the revocation is not heard any more")
		}
		p.crash()
		p.wg.Wait()
	})
}

// usersIn returns how many segments in the store have revocations of users.
func usersIn(t *testing.T, f *store) (n int) {
	t.Helper()
	for id, r := range f.snapshot() {
		seg, err := revoked.DecodeSegment(r.data)
		if err != nil || !r.expires.After(time.Now()) {
			continue // the members record
		}
		for _, x := range seg.Tombstones {
			if x.Class == revoked.Users {
				n++
				t.Logf("%s, until %v", id, r.expires)
				break
			}
		}
	}
	return n
}

// A log is no longer for revocations than it has to be: what is written once more goes with
// its block again.
func TestRevocationsOfUsersDoNotPileUp(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		for n := range 100 {
			all[n%2].revokes(t, n)
		}
		time.Sleep(4 * time.Hour)
		entries := 0
		for _, r := range f.snapshot() {
			if seg, err := revoked.DecodeSegment(r.data); err == nil && r.expires.After(time.Now()) {
				entries += len(seg.Tombstones)
			}
		}
		m, kept := f.members(t), 0
		for _, row := range m.Rows {
			kept += int(row.Next-row.First) / revoked.Block
		}
		if kept > 8 {
			t.Errorf("the logs have %d blocks for 100 revocations, of %d entries in the store", kept, entries)
		}
		if !newcomer(f, 9, 0, 1, 50, 99) {
			t.Error("an instance that starts does not hear them")
		}
	})
}
