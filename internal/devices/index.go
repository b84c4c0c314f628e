package devices

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/running"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
)

// Index keeps the lists of all users in the store. Make one with New; any number of
// goroutines may use it.
type Index struct {
	reader *lookup.Reader
	writer *commit.Writer
	clock  *stamp.Clock
	lists  *storage.Storage
	limit  Limit

	running running.Set // a name for each user of waiting

	mu      sync.Mutex
	waiting map[string][]change // changes of a user's list, which a goroutine saves
}

const (
	// maxUsers bounds the users whose lists are being saved, and maxWaiting the changes
	// that wait for one list. A change beyond either is left out; its session registers
	// with the next refresh.
	maxUsers   = 1024
	maxWaiting = 4096
)

// New returns the lists of the users whose sessions the reader reads and the writer ends. It
// is called when all fields of both are set.
func New(r *lookup.Reader, w *commit.Writer, limit Limit) *Index {
	s := r.Storage
	return &Index{
		reader: r, writer: w, clock: r.Clock, limit: limit,
		waiting: make(map[string][]change),
		// A list ends with its last session, whatever Idle is.
		lists: &storage.Storage{
			Store: s.Store, Shards: s.Shards, Clock: s.Clock, ReadTimeout: s.ReadTimeout, SaveTimeout: s.SaveTimeout,
			Stay: storage.Stay{Idle: storage.Century}, TombstoneLife: s.TombstoneLife,
		},
	}
}

// change is one change of a list.
type change struct {
	row     Row    // to enter; without a session: none
	removed string // a session that has ended, or ""
	place   string // a reservation that is over, or ""
}

func (c change) apply(l List, d state.Dot) List {
	if c.place != "" {
		l = l.without(c.place)
	}
	if c.removed != "" {
		l = l.Remove(c.removed, d)
	}
	if c.row.Session != "" {
		l = l.Put(c.row, d)
	}
	return l
}

// Moved notes that a session has become another state: by a commit, by a refresh, or by its
// end, after which it is zero. The lists of its users are changed in the background, where
// the session has a new ID or another user, has ended, or has been in use for one more
// refresh interval. place is what Reserve has returned for the commit.
func (x *Index) Moved(before, after state.Copy, place Place) {
	if before.ID == after.ID && place.name == "" && !x.due(before.State, after.State) {
		return
	}
	was, had := before.State.Login()
	is, has := after.State.Login()
	c := change{place: place.name}
	if has {
		c.row = x.row(after)
	}
	switch same := had && has && was.User == is.User; {
	case same && before.ID != after.ID:
		c.removed = before.ID
	case had && !same:
		x.enter(was.User, change{removed: before.ID})
	}
	if place.name != "" && (!has || is.User != place.user) {
		x.enter(place.user, change{place: place.name}) // the login has failed
	}
	if has {
		x.enter(is.User, c)
	}
}

// Refreshed is Moved for a session whose expiry was put off.
func (x *Index) Refreshed(before, after state.Copy) { x.Moved(before, after, Place{}) }

// due reports whether a session with this ID must register: its login has changed, or its
// last use is in another refresh interval, counted from its last renewal. The interval is the
// session's own: a row ends no later than the session's idle timeout.
func (x *Index) due(before, after state.State) bool {
	refresh := max(1, x.reader.Storage.RefreshOf(&after).Milliseconds())
	interval := func(st state.State) int64 { return (st.LastSeen - after.Authenticated) / refresh }
	if interval(before) != interval(after) {
		return true
	}
	a, _ := before.Entries.Find(state.LoginEntry)
	b, _ := after.Entries.Find(state.LoginEntry)
	return a.Dot != b.Dot
}

// row returns the row of a session.
func (x *Index) row(c state.Copy) Row {
	login, _ := c.State.Login()
	stay, _ := c.State.Stay()
	return Row{
		Session: c.ID, Began: c.State.Created, Renewed: c.State.Authenticated, Seen: c.State.LastSeen,
		Ends:     x.reader.Storage.Expires(c.State).UnixMilli(),
		LoggedIn: login.At, Login: login.Clock, Idle: stay.Idle.Milliseconds(),
	}
}

// enter has a change made in the background. Changes of one list that come while it is being
// saved are saved together.
func (x *Index) enter(user string, c change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	waiting, busy := x.waiting[user]
	if !busy && !x.running.Start(user, maxUsers) {
		return
	}
	if len(waiting) < maxWaiting {
		x.waiting[user] = append(waiting, c)
	}
	if !busy {
		go x.work(user)
	}
}

// contests is how often changes are saved anew where others came first each time.
const contests = 10

// work saves the changes that wait for the list of a user. It leaves out those that the
// store does not take.
func (x *Index) work(user string) {
	for all := x.take(user); len(all) > 0; all = x.take(user) {
		for range contests {
			if err := x.save(context.Background(), user, all); !errors.Is(err, errContested) {
				break
			}
		}
	}
}

// take returns what waits for the list of a user. Where that is nothing, the user's work is
// done.
func (x *Index) take(user string) []change {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := x.waiting[user]
	if len(all) > 0 {
		x.waiting[user] = nil
		return all
	}
	delete(x.waiting, user)
	x.running.Done(user)
	return nil
}

// Close waits until what was noted is saved, or ctx ends. Later changes are not made.
func (x *Index) Close(ctx context.Context) error { return x.running.Close(ctx) }

// save makes changes of a user's list in the store.
func (x *Index) save(ctx context.Context, user string, all []change) error {
	return x.swap(ctx, user, func(l List, now time.Time, d state.Dot) (List, error) {
		for _, c := range all {
			l = c.apply(l, d)
		}
		// Tidy is last: a session that it leaves out is not ended any more.
		return x.trim(ctx, user, l, all, d).Tidy(now.UnixMilli()), nil
	})
}

// swap replaces a user's list by what step makes of it, by compare-and-set. step may run
// several times. An unchanged list is not saved.
func (x *Index) swap(ctx context.Context, user string, step func(List, time.Time, state.Dot) (List, error)) error {
	end := x.lists.Attempts()
	for fresh := false; ; fresh = true {
		before, over, err := x.load(ctx, user, fresh)
		if err != nil && !errors.Is(err, state.ErrCorrupt) { // one that is damaged is written anew
			return err
		}
		now := x.clock.Now()
		after, err := step(before, now, x.clock.Dot(state.State{Entries: before.entries}))
		if err != nil || before.equal(after) {
			return err
		}
		_, err = x.lists.Save(ctx, ID(user), after.Encode(now.UnixMilli()), over)
		if !errors.Is(err, failure.ErrConflict) {
			return err
		}
		if !x.clock.Now().Before(end) {
			return errContested
		}
	}
}

var errContested = errors.New("session: too many changes of the list of a user's sessions at once")

// load returns the list of a user, and the version over which it is replaced. Where the store
// has none the list is empty, and where that is damaged too, beside state.ErrCorrupt. A list in a
// format that this program does not know is another error: a newer program may know it.
func (x *Index) load(ctx context.Context, user string, fresh bool) (List, record.Version, error) {
	var r record.Session
	err := x.lists.Load(ctx, ID(user), false, fresh, &r)
	if errors.Is(err, failure.ErrNotFound) {
		return List{}, r.Version, nil
	}
	if errors.Is(err, state.ErrCorrupt) {
		return List{}, r.Unreadable, err
	}
	return Decode(r.State), r.Version, err
}
