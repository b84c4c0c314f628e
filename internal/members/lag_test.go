package members

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
)

// lags returns how long ago an instance has heard all, and has told all.
func (p *process) lags() (heard, told time.Duration) {
	return time.Since(p.Heard()), time.Since(p.Told())
}

func (p *process) logName() revoked.LogName {
	p.Shard.mu.Lock()
	defer p.Shard.mu.Unlock()
	return p.reach.name
}

func TestHeardAndTold(t *testing.T) {
	world(t, 2, func(t *testing.T, f *store, all []*process) {
		a, b := all[0], all[1]
		want := func(when string, p *process, heardAt, toldAt time.Duration) {
			t.Helper()
			heard, told := p.lags()
			for _, c := range []struct {
				what      string
				got, want time.Duration
			}{{"heard", heard, heardAt}, {"told", told, toldAt}} {
				if late := c.got - c.want; late < 0 || late > 2*time.Second {
					t.Errorf("%s, instance %d has %s %v ago, want %v", when, p.Instance, c.what, c.got, c.want)
				}
			}
		}
		want("while all is well", a, 0, 0)
		want("while all is well", b, 0, 0)

		f.failing(func(_, id string) error {
			if strings.HasPrefix(id, "log-") {
				return errDown
			}
			return nil
		})
		if err := a.ends(1); !errors.Is(err, errDown) {
			t.Fatalf("an end that no log takes: got %v", err)
		}
		time.Sleep(10 * time.Second)
		want("when its log is not taken", a, 0, 10*time.Second)
		want("when its log is not taken", b, 0, 0)

		f.failing(nil)
		time.Sleep(2 * time.Second)
		want("when it is taken again", a, 0, 0)
		logOfB := recordid.Segment(b.logName(), false, 0)
		f.failing(func(operation, id string) error {
			if operation == "load" && strings.HasPrefix(id, logOfB+"-") {
				return errDown
			}
			return nil
		})
		b.mustEnd(t, 3)
		time.Sleep(10 * time.Second)
		want("when it cannot read the log of the other", a, 10*time.Second, 0)
		f.failing(nil)
		time.Sleep(2 * time.Second)
		want("when it can again", a, 0, 0)

		f.failing(func(string, string) error { return errDown })
		time.Sleep(10 * time.Second)
		want("when the store is away", b, 10*time.Second, 10*time.Second)
	})
	if p := newProcess(newStore(), 1); !p.Heard().IsZero() || !p.Told().IsZero() {
		t.Errorf("before the first exchange: got %v and %v, want zero", p.Heard(), p.Told())
	}
}
