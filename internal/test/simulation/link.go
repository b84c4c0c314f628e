package simulation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// Fault is what is wrong between one instance and one shard.
type Fault uint8

// The faults of a link.
const (
	Healthy  Fault = iota
	Refuse         // an error at once; nothing is done
	Hang           // no answer; a save is not done
	HangLate       // no answer; a save is done when its caller has gone
	Slow           // each way takes 20 to 80 ms
	LoseAck        // a save is done and answered by an error
	HangAck        // a save is done and not answered
	faults
)

func (f Fault) String() string {
	return [...]string{"healthy", "refuses", "hangs", "hangs, and saves later", "slow", "loses acks", "hangs after saving",
		"takes 20 % of SaveTimeout for each save", "takes 40 %", "takes 90 %", "refuses saves"}[f]
}

var (
	errRefused = errors.New("simulation: connection refused")
	errReset   = errors.New("simulation: connection reset")
)

// client is the store as one generation of one instance has it: a
// session.Store and a session.Prober.
type client struct {
	c        *cluster
	instance int
	birth    int // counts the generations of all instances
	start    time.Time
	observe  func(what string)
	journal  func(Event)
	links    []link // one for each shard

	saveTimeout time.Duration
}

type link struct {
	mu      sync.Mutex
	fault   Fault
	dead    bool          // the instance crashed: nothing it does is heard
	changed chan struct{} // closed when the fault changes
	stalled time.Time     // until when it hears nothing
}

func (l *link) set(f Fault, dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault, l.dead = f, l.dead || dead
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) state() (Fault, bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault, l.dead, l.changed
}

func newClient(c *cluster, instance, birth int) *client {
	cl := &client{c: c, instance: instance, birth: birth, start: time.Now(), links: make([]link, len(c.shards)),
		observe: func(string) {}, journal: func(Event) {}}
	for i := range cl.links {
		cl.links[i].changed = make(chan struct{})
	}
	return cl
}

type requestKey struct{}

// requestOf finds the request that a call to the store belongs to; what runs
// in the background has none.
func requestOf(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

// Shard implements session.Prober.
func (cl *client) Shard(id session.ID) string { return strconv.Itoa(cl.c.of(id)) }

// Probe implements session.Prober.
func (cl *client) Probe(ctx context.Context, name string) (string, error) {
	shard, err := strconv.Atoi(name)
	if err != nil || shard < 0 || shard >= len(cl.links) {
		return "", fmt.Errorf("simulation: probe: there is no shard %q", name)
	}
	incarnation := cl.c.incarnation(shard)
	if _, err := cl.there(ctx, shard); err != nil {
		return "", err
	}
	if incarnation != cl.c.incarnation(shard) {
		return "", errReset
	}
	if err := cl.wait(ctx, shard, 2); err != nil {
		return "", err
	}
	if cl.c.off.Incarnation {
		incarnation = 0
	}
	return fmt.Sprintf("%d since %d", shard, incarnation), nil
}

// Load implements session.Store.
func (cl *client) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, _, err := cl.load(ctx, id)
	return r, err
}

// load also returns the number of the save that made the record.
func (cl *client) load(ctx context.Context, id session.ID) (r session.Record, save int, err error) {
	if err := cl.heed(ctx); err != nil {
		return session.Record{}, 0, err
	}
	shard, sent := cl.c.of(id), time.Now()
	if _, err := cl.there(ctx, shard); err != nil {
		cl.observe("load: " + short(err))
		return session.Record{}, 0, err
	}
	r, save, err = cl.c.load(id, time.Now())
	if back := cl.wait(ctx, shard, 2); back != nil {
		return session.Record{}, 0, back
	}
	if gone := cl.heed(ctx); gone != nil {
		return session.Record{}, 0, gone
	}
	if isSession(id) {
		cl.journal(Event{Kind: Loaded, Sent: sent.Sub(cl.start), Request: requestOf(ctx), Session: id, Shard: shard, Save: save})
	}
	return r, save, err
}

// Save implements session.Store.
func (cl *client) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("simulation: save: Record.Expires is zero")
	}
	if err := ctx.Err(); err != nil {
		return session.Absent, err
	}
	shard, sent := cl.c.of(id), time.Now()
	incarnation := cl.c.incarnation(shard)
	r.Data = append([]byte(nil), r.Data...)
	e := Event{Sent: sent.Sub(cl.start), Request: requestOf(ctx), Session: id, Shard: shard}
	do := func() (session.Version, int, error) {
		e.At = time.Since(cl.start)
		e.Instance = cl.instance
		e.Birth = cl.birth
		return cl.c.save(id, r, over, incarnation, e)
	}
	before, after := cl.work(shard)
	if late, err := cl.sendSave(ctx, shard, before); err != nil {
		if late > 0 {
			cl.observe("save: done when its caller had gone")
			time.AfterFunc(late, func() {
				if _, dead, _ := cl.links[shard].state(); !dead {
					_, _, _ = do()
				}
			})
		}
		cl.observe("save: " + short(err))
		return session.Absent, err
	}
	v, save, err := do()
	if lost, cause := cl.losesAnswer(ctx, shard, after, err); lost {
		return session.Absent, cause
	}
	if isSession(id) {
		e.Save = save
		cl.journalSave(e, err)
	}
	return v, err
}

// sendSave is the way of a save to the shard, and the time until the shard does it. Where it
// returns an error, the shard may do the save later: after late, unless that is zero.
func (cl *client) sendSave(ctx context.Context, shard int, before time.Duration) (late time.Duration, err error) {
	late, err = cl.there(ctx, shard)
	if fault, _, _ := cl.links[shard].state(); err == nil && fault == SavesRefused {
		err = errors.Join(errRefused, cl.wait(ctx, shard, 2))
	}
	if err == nil {
		late, err = cl.slowly(ctx, before)
	}
	return late, err
}

// losesAnswer reports whether the answer of a shard to a save, err, does not reach its caller, and
// returns the error that the caller gets then.
func (cl *client) losesAnswer(ctx context.Context, shard int, after time.Duration, err error) (lost bool, cause error) {
	if err == nil || errors.Is(err, session.ErrConflict) {
		switch fault, _, _ := cl.links[shard].state(); fault {
		case LoseAck:
			cl.observe("save: acknowledgement lost")
			return true, errReset
		case HangAck:
			cl.observe("save: acknowledgement lost")
			<-ctx.Done()
			return true, ctx.Err()
		}
	}
	if back := errors.Join(sleep(ctx, after), cl.wait(ctx, shard, 2)); back != nil {
		cl.observe("save: acknowledgement lost")
		return true, ctx.Err()
	}
	return false, nil
}

// journalSave notes that an instance has got the answer to a save of a session, err.
func (cl *client) journalSave(e Event, err error) {
	switch {
	case err == nil:
		e.Kind = Acked
		cl.journal(e)
	case errors.Is(err, session.ErrConflict):
		cl.observe("save: conflict")
		e.Kind = Conflicted
		cl.journal(e)
	}
}

// there is the way to the shard. Where the call does not arrive in time it
// may still arrive late: after that much, if it is a save.
func (cl *client) there(ctx context.Context, shard int) (late time.Duration, err error) {
	for {
		fault, dead, changed := cl.links[shard].state()
		switch {
		case dead, fault == Refuse:
			if err := cl.wait(ctx, shard, 3); err != nil {
				return 0, err
			}
			return 0, errRefused
		case fault == Hang, fault == HangLate:
			select {
			case <-changed:
				continue
			case <-ctx.Done():
			}
			if fault == HangLate {
				late = time.Duration(1 + mix(cl.c.seed, uint64(time.Since(cl.start)), 4)%uint64(2*time.Second))
			}
			return late, ctx.Err()
		}
		if still := cl.links[shard].stalls(); still > 0 {
			if err := sleep(ctx, still); err != nil {
				return cl.links[shard].stalls() | 1, err
			}
			continue
		}
		if err := cl.wait(ctx, shard, 1); err != nil {
			if fault == Slow && mix(cl.c.seed, uint64(time.Since(cl.start)), 5)%2 == 0 {
				late = 13 * time.Millisecond // it was on the wire
			}
			return late, err
		}
		return 0, nil
	}
}

// wait is the time that one way takes.
func (cl *client) wait(ctx context.Context, shard int, way uint64) error {
	d := 100*time.Microsecond + cl.draw(shard, way, 400*time.Microsecond)
	if fault, _, _ := cl.links[shard].state(); fault == Slow {
		d = 20*time.Millisecond + cl.draw(shard, way, 60*time.Millisecond)
	}
	return sleep(ctx, d)
}

func (cl *client) draw(shard int, way uint64, below time.Duration) time.Duration {
	return time.Duration(mix(cl.c.seed, uint64(time.Since(cl.start)), uint64(cl.birth*8+shard), way) % uint64(below))
}

func short(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "out of time"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, errRefused):
		return "refused"
	}
	return "reset"
}

// heed returns the error of a caller that has gone.
func (cl *client) heed(ctx context.Context) error {
	q := requestOf(ctx)
	if cl.c.off.Patience && q != nil && q.Left > 0 && time.Since(cl.start) >= q.Left {
		return errReset
	}
	return ctx.Err()
}
