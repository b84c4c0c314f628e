package revocation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// Weather is what a storm of users does to its store.
type Weather struct {
	Away, Back func()        // an outage begins and ends
	Lose       func()        // the store loses all that it has
	For        time.Duration // of each of: calm, what follows the loss, the outage, and calm
}

const (
	people    = 6
	sessions  = 3    // of each user at once
	leastTry  = 1000 // tries with old jars after the storm
	refreshIn = time.Second
	shortly   = 700 * time.Millisecond // Weather.For at most, under -short
)

// storm is users whose devices log in, look, write, renew, list and end sessions, all at the
// same time, while their store loses the lists of the users again and again, and once all that
// it has, and is away for a while.
type storm struct {
	*testing.T
	place  Place
	all    []*Instance
	people []*person
	began  time.Time

	stop   atomic.Bool
	upset  atomic.Bool  // the store is away, or was shortly before
	losses atomic.Int64 // how often the store lost all that it had

	lostAt  atomic.Int64 // when the store last had lost all, or came back, in Unix nanoseconds
	outages atomic.Int64 // how often a server was lost that has the ends of single sessions

	requests, refused, tries, letIn, revocations atomic.Int64
	opened, streamsEnded                         atomic.Int64 // of streams
}

// Users lets a storm of users happen. Two seconds after each durable RevokeUser and
// RevokeOthers, no jar that a visitor had before is let in at an instance that has heard of
// it. Nobody else is logged out. When the storm is over, the list of each user is complete
// after one refresh interval, and names nothing that has ended.
func Users(t *testing.T, p Place, w Weather) {
	p.Refresh = refreshIn
	if testing.Short() {
		w.For = min(w.For, shortly)
	}
	s := &storm{T: t, place: p, began: time.Now()}
	keys := newKeys(t)
	for range instances {
		s.all = append(s.all, p.open(t, keys))
	}
	var wg sync.WaitGroup
	for n := range people {
		u := &person{storm: s, name: fmt.Sprint("user-", n), ends: map[session.ID]*ending{}}
		s.people = append(s.people, u)
		for range sessions {
			d := &device{person: u}
			u.devices = append(u.devices, d)
			wg.Go(d.live)
		}
	}
	wg.Go(s.evictLists)
	time.Sleep(w.For)
	s.loseAll(w.Lose)
	time.Sleep(w.For)
	s.upset.Store(true)
	w.Away()
	s.endsUnheard()
	time.Sleep(w.For)
	w.Back()
	calm := time.Now()
	s.lostAt.Store(calm.UnixNano())
	time.Sleep(w.For)
	s.stop.Store(true)
	wg.Wait()

	for _, u := range s.people[:people/2] {
		timeleft.Poll(t, "a durable RevokeUser", func() bool { return u.revoke(s.any()) })
	}
	last := time.Now()
	time.Sleep(2 * time.Second)
	timeleft.Poll(t, "shards that name all revocations", func() bool { return s.toldOf(last) })
	last = time.Now()
	s.noteTold(last)
	timeleft.Poll(t, "instances that have heard of all revocations", func() bool { return s.heardOf(last) })
	s.tryAll()
	s.checkStreams()
	timeleft.Poll(t, "instances that have delivered all", s.delivered)
	time.Sleep(time.Until(calm.Add(3 * time.Second)))
	s.settled()
	s.checkLogins()
	s.checkLists()
	t.Logf("%d requests, %d of them refused; %d durable revocations of users; let in %d of %d tries; %d streams, %d of which ended with their sessions; in %v",
		s.requests.Load(), s.refused.Load(), s.revocations.Load(), s.letIn.Load(), s.tries.Load(), s.opened.Load(), s.streamsEnded.Load(), s.since())
}

// settled notes that the store is there for good, and that all instances have heard of all.
func (s *storm) settled() {
	s.upset.Store(false)
	for _, u := range s.people {
		u.unheard = false
	}
}

func (s *storm) any() int { return rand.IntN(len(s.all)) }

func (s *storm) since() time.Duration { return time.Since(s.began).Round(time.Millisecond) }

func (s *storm) evictLists() {
	for !s.stop.Load() {
		time.Sleep(100 * time.Millisecond)
		if !s.upset.Load() {
			s.place.Delete(s, session.ID(devices.ID(s.people[rand.IntN(people)].name)))
		}
	}
}

// tellIn is how long an instance may take to tell of what it ended, which it does for all of a
// short while together.
const tellIn = time.Second

// recovery is how long after a loss all members have written their logs again at the latest.
const recovery = 5 * time.Second

// loseAll has the store lose all. Ends that an instance has not heard of before are not
// asked for afterwards.
func (s *storm) loseAll(lose func()) {
	s.losses.Add(1)
	s.endsUnheard()
	for _, u := range s.people {
		u.mu.Lock()
		u.unheard = u.revoking > 0 || !s.heardOf(u.last.at.Add(tellIn))
		for _, l := range u.visits {
			if l.ended != nil && !s.heardOf(l.ended.at.Add(tellIn)) {
				l.ended = nil
			}
		}
		u.mu.Unlock()
	}
	lose()
	s.lostAt.Store(time.Now().UnixNano())
	s.losses.Add(1)
}

// heardOf reports whether each instance has heard of what was told to the store by a time.
func (s *storm) heardOf(at time.Time) bool {
	return !slices.ContainsFunc(s.all, func(i *Instance) bool { return !i.heardOf(at) })
}

// heardOf reports whether the instance has heard of what was told to the store by a time.
func (i *Instance) heardOf(at time.Time) bool {
	return !slices.ContainsFunc(i.Stats().Shards, func(s session.ShardStats) bool { return !s.Heard.After(at) })
}

func (s *storm) toldOf(at time.Time) bool {
	return !slices.ContainsFunc(s.all, func(i *Instance) bool { return !i.toldOf(at) })
}

// noteTold notes that the shards name all revocations to the others.
func (s *storm) noteTold(at time.Time) {
	for _, u := range s.people {
		u.mu.Lock()
		for _, l := range u.visits {
			if l.ended != nil && l.ended.told.IsZero() {
				l.ended.told = at
			}
		}
		u.mu.Unlock()
	}
}

// toldOf reports whether the shards name to the others all that the instance had ended by a time.
func (i *Instance) toldOf(at time.Time) bool {
	return !slices.ContainsFunc(i.Stats().Shards, func(s session.ShardStats) bool { return !s.Told.After(at) })
}

func (s *storm) delivered() bool {
	return !slices.ContainsFunc(s.all, func(i *Instance) bool {
		j := i.Stats().Journal
		return j.States+j.Tombstones > 0
	})
}

// tryAll lets those try who have a jar of a session that has ended, at all instances.
func (s *storm) tryAll() {
	type stolen struct {
		of *visit
		jar
	}
	var all []stolen
	for _, u := range s.people {
		for _, l := range u.visits {
			for _, j := range l.jars {
				if l.ended != nil {
					all = append(all, stolen{l, j})
				}
			}
		}
	}
	if len(all) == 0 {
		s.Fatal("no session has ended: the test shows nothing")
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	tried := 0
	for n := 0; tried < leastTry || n < min(len(all), 3*leastTry); n++ {
		l := all[n%len(all)]
		tried += l.of.try((n+n/len(all))%len(s.all), l.jar)
		if n > 100*leastTry {
			s.Fatalf("%d tries at instances that have not heard of what ended", n)
		}
	}
	s.Logf("%d jars of sessions that have ended; %d tries when the storm was over", len(all), tried)
}

// checkStreams wants the streams of all sessions that have ended to have ended.
func (s *storm) checkStreams() {
	for _, u := range s.people {
		u.checkStreams()
	}
	if s.streamsEnded.Load() == 0 {
		s.Error("no stream had to end: the test shows nothing")
	}
}

// checkLogins lets each device look at all instances, and those log in again that are out.
func (s *storm) checkLogins() {
	for _, u := range s.people {
		for _, d := range u.devices {
			if d.visit != nil {
				d.ask(s.any(), "/look")
			}
			if d.visit == nil {
				d.logIn(s.any())
			}
			if d.visit == nil {
				s.Errorf("%v: a login of %s fails when the storm is over", s.since(), u.name)
				continue
			}
			for i := range s.all {
				if d.visit != nil {
					d.ask(i, "/look")
				}
			}
		}
	}
}

// checkLists has the store lose all lists, and each session used for one refresh interval. A
// refresh that a busy machine does not get done in time is made up for by the next.
func (s *storm) checkLists() {
	for _, u := range s.people {
		s.place.Delete(s, session.ID(devices.ID(u.name)))
	}
	for began, last := time.Now(), false; !last; time.Sleep(50 * time.Millisecond) {
		last = time.Since(began) > refreshIn+100*time.Millisecond
		for _, u := range s.people {
			u.look()
		}
	}
	for _, u := range s.people {
		for n, i := range s.all {
			s.checkList(u, n, i)
		}
	}
}

func (s *storm) checkList(u *person, n int, i *Instance) {
	want := map[session.ID]bool{}
	for _, d := range u.devices {
		if d.visit != nil {
			want[d.id] = true
		}
	}
	for end, next := time.Now().Add(20*time.Second), time.Now().Add(5*time.Second); ; time.Sleep(10 * time.Millisecond) {
		all, err := i.Sessions(s.Context(), u.name)
		got := map[session.ID]bool{}
		for _, v := range all {
			got[v.ID] = true
		}
		switch now := time.Now(); {
		case err == nil && maps.Equal(got, want):
			return
		case now.After(end):
			s.Errorf("%v: instance %d lists %v of %s (%v), want %v", s.since(), n, slices.Collect(maps.Keys(got)), u.name, err, slices.Collect(maps.Keys(want)))
			return
		case now.After(next):
			u.look()
			next = now.Add(5 * time.Second)
		}
	}
}

// look has all sessions of the user used.
func (u *person) look() {
	for _, d := range u.devices {
		if d.visit != nil {
			d.ask(u.any(), "/look")
		}
	}
}
