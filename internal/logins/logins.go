// Package logins revokes logins: it says from when on the logins of a user count, and which
// clock value a login gets. Package journal, which readers of sessions ask for tombstones,
// decides whether a session is dead by a revocation.
package logins

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
)

// Logins are those to the sessions of one application. The fields are set before the first
// call; from then on any number of goroutines may use it.
type Logins struct {
	Shards  *failover.Shards
	Clock   *stamp.Clock
	Foreign bool // other programs write the records too, which have no place for a user
	Backup  bool // without one no instance hears of a revocation

	Audit *audit.Log // nil: new sessions are not reported

	// Listed returns when a session in the list of a user was last renewed, by the clock of
	// the instance that did it; zero: not known. It may be nil.
	Listed func(ctx context.Context, user string) time.Time

	// Revoked is called for what this process has revoked. It may be nil.
	Revoked func(ctx context.Context, user string, d failover.Durability)
}

var (
	errForeign = fmt.Errorf("session: the records of Options.Format have no place for a user: %w", errors.ErrUnsupported)
	errAlone   = fmt.Errorf("session: revoking logins needs Options.Backup, by which the instances hear of it: %w", errors.ErrUnsupported)
)

// check returns why a user cannot have a name.
func check(user string) error {
	switch {
	case user == "":
		return errors.New("session: the user's name is empty")
	case len(user) > state.MaxUser:
		return fmt.Errorf("session: the user's name has %d bytes; at most %d are allowed", len(user), state.MaxUser)
	case !utf8.ValidString(user):
		return errors.New("session: the user's name is not UTF-8")
	}
	return nil
}

// Login returns a login made now, which counts whatever was revoked before. It fails for a
// text that cannot be the name of a user.
func (l *Logins) Login(ctx context.Context, user string) (state.Login, error) {
	if l.Foreign {
		return state.Login{}, errForeign
	}
	if err := check(user); err != nil {
		return state.Login{}, err
	}
	after := uint64(0)
	if !l.Shards.Without.Lacks(mechanism.LoginLoads) {
		after = l.Shards.RevokedUpTo(ctx, user)
	}
	at := max(l.Clock.Now().UnixMilli(), l.Shards.EverybodyRevokedUpTo().UnixMilli()+1)
	return state.Login{User: user, Clock: l.Clock.Login(after), At: at}, nil
}

// Change returns the change that makes a login that of a session.
func (l *Logins) Change(login state.Login) state.Change {
	c := login.Change()
	if l.Shards.Without.Lacks(mechanism.LoginCopies) {
		c.Flags |= state.ServerOnly
	}
	return c
}

// Stay returns the change that makes a session last as long as how says.
func (l *Logins) Stay(how state.Stay) state.Change {
	c := how.Change()
	if l.Shards.Without.Lacks(mechanism.StayCopies) {
		c.Flags |= state.ServerOnly
	}
	return c
}

// Find returns the login in a session that has these changes to come; zero: there is none.
func (l *Logins) Find(st state.State, changes state.Changes) state.Login {
	value, err := state.Lookup(st, changes, state.LoginEntry)
	if err != nil || l.Foreign {
		return state.Login{}
	}
	login, _ := state.ReadLogin(value)
	return login
}

// Tell reports to the Audit log the session that a commit has begun; before is the session
// that it replaces.
func (l *Logins) Tell(ctx context.Context, c *commit.Commit, before state.Copy) {
	a := l.Audit
	if !c.Begun || a == nil {
		return
	}
	last, _ := before.State.Login()
	login := l.Find(c.State, nil)
	previous := before.ID
	if c.Previous != "" {
		previous = c.Previous
	}
	if c.Adopted || c.Renewal == commit.NewValues {
		previous = c.Replaced
	}
	if c.Adopted {
		last = state.Login{} // nothing has told of it
	}
	hook := a.Renewed
	switch another := !login.Same(last); {
	case another && login.User != "":
		hook = a.Login
	case c.Renewal == commit.RotateID:
		hook = a.Rotated
	case previous == "" || c.Renewal == commit.NewValues:
		hook = a.Began
	}
	if hook != nil {
		hook(ctx, c.ID, previous, login.User)
	}
}

// Check returns why no login can be revoked.
func (l *Logins) Check() error {
	switch {
	case l.Foreign:
		return errForeign
	case !l.Backup:
		return errAlone
	}
	return nil
}

// CheckOf returns why the other logins of the user of one cannot be revoked.
func (l *Logins) CheckOf(login state.Login) error {
	if err := l.Check(); err != nil {
		return err
	}
	if login.User == "" {
		return errors.New("session: RevokeOthers: the session knows no user: call SetUser at the login")
	}
	return nil
}

// Revocation returns the clock value up to which the logins of a user are to count no more:
// those until now, also where the clock of the instance was ahead of this one by a minute, or
// by more and the login is listed.
func (l *Logins) Revocation(ctx context.Context, user string) uint64 {
	after := l.Shards.RevokedUpTo(ctx, user)
	if l.Shards.Without.Lacks(mechanism.Ahead) {
		return l.Clock.Login(after)
	}
	if l.Listed != nil {
		if t := l.Listed(ctx, user); !t.IsZero() {
			after = max(after, state.ClockAt(t.Add(state.MaxAhead)))
		}
	}
	return l.Clock.Revocation(after)
}

// Revoke revokes the logins of a user up to now.
func (l *Logins) Revoke(ctx context.Context, user string) (failover.Durability, error) {
	if err := errors.Join(l.Check(), check(user)); err != nil {
		return 0, err
	}
	return l.RevokeUpTo(ctx, user, l.Revocation(ctx, user))
}

// RevokeUpTo revokes the logins of a user up to a clock value.
func (l *Logins) RevokeUpTo(ctx context.Context, user string, clock uint64) (failover.Durability, error) {
	return l.revoke(ctx, user, revoked.UserID(user), clock)
}

// RevokeEverybody revokes the logins of all users up to the time t, which is after 1970 and at
// most state.MaxAhead from now.
func (l *Logins) RevokeEverybody(ctx context.Context, t time.Time) (failover.Durability, error) {
	if err := l.Check(); err != nil {
		return 0, err
	}
	// A clock value holds no time before 1970: it would wrap to one far in the future.
	if t.Before(time.UnixMilli(1)) {
		return 0, fmt.Errorf("session: RevokeBefore: %v is no time after 1970", t)
	}
	if ahead := t.Sub(l.Clock.Now()); ahead > state.MaxAhead {
		return 0, fmt.Errorf("session: RevokeBefore: %v is %v from now: logins of until then would not count", t, ahead)
	}
	return l.revoke(ctx, "", revoked.Everybody, state.ClockAt(t))
}

func (l *Logins) revoke(ctx context.Context, user, id string, clock uint64) (failover.Durability, error) {
	dot := state.Dot{Clock: clock, Instance: l.Clock.Instance}
	t := journal.Stored(id, state.Death{Dot: dot, Reason: state.Revoked})
	d, err := l.Shards.EndOne(context.WithoutCancel(ctx), &t, record.Any)
	if err == nil && l.Revoked != nil {
		l.Revoked(ctx, user, d)
	}
	return d, err
}
