package revocation

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// stream is an event stream of a session, at an instance.
type stream struct {
	of    *visit
	id    session.ID // of the session
	at    int
	ended <-chan struct{}
	shown bool // it was seen to end after its session, with the mu of its person held
}

// watch begins a stream of the session that the request carries, until ctx ends.
func watch(ctx context.Context, m *session.Manager, ended *<-chan struct{}) http.Handler {
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if s.User() != "" {
			w.Header().Set("X-Session", string(s.ID()))
			*ended = s.Done(ctx)
			fmt.Fprint(w, s.User())
		}
	}))
}

// open begins a stream. A stream that ends although nothing has ended its session is a
// fault.
func (d *device) open(at int) {
	var ended <-chan struct{}
	if _, ok := d.askOf(at, watch(d.Context(), d.all[at].Manager, &ended), "/stream"); !ok {
		return
	}
	x := &stream{of: d.visit, id: d.id, at: at, ended: ended}
	d.mu.Lock()
	d.streams = append(d.streams, x)
	d.mu.Unlock()
	d.opened.Add(1)
	go func() {
		<-ended
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.Context().Err() == nil && x.of.mayEnd == "" && !x.of.renews {
			d.Errorf("%v: a stream of %s at instance %d has ended, and nothing had ended its session", d.since(), d.name, at)
		}
	}()
}

// endOfLocked returns what has ended the session of a stream, nil: nothing. u.mu is held.
func (u *person) endOfLocked(x *stream) *ending {
	if e := u.ends[x.id]; e != nil {
		return e
	}
	return x.of.ended
}

// checkStreams wants those streams to have ended whose session is over for two seconds, at
// instances that have heard of it.
func (u *person) checkStreams() {
	u.mu.Lock()
	var due []*stream
	for _, x := range u.streams {
		e := u.endOfLocked(x)
		if e != nil && !x.shown && u.mustKnowLocked(x.at, e) {
			x.shown = true
			due = append(due, x)
		}
	}
	u.mu.Unlock()
	for _, x := range due {
		timeleft.Poll(u, "the end of a stream whose session has ended", func() bool {
			select {
			case <-x.ended:
				return true
			default:
				return false
			}
		})
		u.streamsEnded.Add(1)
	}
}

// endsUnheard forgets the ends of single sessions that some instance has not heard of: the one
// server that has them may be lost.
func (s *storm) endsUnheard() {
	s.outages.Add(1)
	for _, u := range s.people {
		u.mu.Lock()
		maps.DeleteFunc(u.ends, func(_ session.ID, e *ending) bool { return !s.heardOf(e.at.Add(tellIn)) })
		u.mu.Unlock()
	}
}

// endOne ends the session id at an instance. Its streams must end where the end is durable,
// and the store has lost nothing meanwhile.
func (u *person) endOne(at int, id session.ID) {
	losses := u.losses.Load()
	outages := u.outages.Load()
	d, err := u.all[at].Revoke(u.Context(), id)
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := losses%2 == 0 && u.losses.Load() == losses && u.outages.Load() == outages
	if err == nil && d == session.Durable && kept {
		u.ends[id] = &ending{at: time.Now(), what: "an end by the list", by: at}
	}
}
