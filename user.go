package session

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// SetUser says that a user has logged in: id names the user; User returns it. Names are compared
// byte by byte, so that an application in which "Ann" and "ann" are one user passes one
// spelling. Call it once for each login, when the credentials have been checked. It renews the
// session as Renew does, so a login needs no other call; a login of the same user again is
// another login, at a later time.
//
// The user and the time of the login are a part of the session: they are in each copy of
// it, and known while the store is away. Neither Renew nor Rotate moves the time of the
// login, so that a thief does not escape a revocation by renewing. Destroy is the logout.
// A login of another user than the last one drops what Remember has said before.
//
// Like Renew, SetUser that fails makes the commit answer its error, and Err returns it:
// for an id that is empty, longer than 255 bytes or not UTF-8; ErrTooLate once the
// response header is written; ErrReadOnly; an error that wraps errors.ErrUnsupported with
// an Options.Format, whose records have no place for it; and that of a session that is
// not known.
func (s *Session) SetUser(id string) {
	l, err := s.m.logins.Login(s.ctx, id)
	if err != nil {
		_ = s.failed(err)
		return
	}
	last := s.login()
	if l.At == last.At {
		l.At++ // another login is at another time
	}
	if s.renew() != nil {
		return
	}
	s.set(s.m.logins.Change(l))
	if l.User != last.User {
		s.forgetStay()
	}
}

// RevokeOthers ends all sessions of the session's user but this one, as
// [Manager.RevokeUser] does: "log out everywhere else". This session is saved at once under a
// new token, as by Renew and Save, before the others end; LoggedIn stays.
//
// PerUser refuses it nothing, however many sessions there are. So a login that calls SetUser and
// then RevokeOthers takes the place of all others.
//
// It does not check who the visitor is: a thief who has stolen a session can end the
// user's own. Ask for the password first, see LoggedIn.
//
// On error the others may or may not have ended. It fails with ErrTooLate once the
// response header is written, with ErrReadOnly, with an error of Save, and where the
// session knows no user.
func (s *Session) RevokeOthers(ctx context.Context) (Durability, error) {
	l := s.login()
	if err := s.m.logins.CheckOf(l); err != nil {
		return 0, err
	}
	if err := s.renew(); err != nil {
		return 0, err
	}
	upTo := s.m.logins.Revocation(ctx, l.User)
	l.Clock = upTo + 1
	s.set(s.m.logins.Change(l))
	if _, err := s.Save(devices.Alone(ctx)); err != nil {
		return 0, err
	}
	d, err := s.m.logins.RevokeUpTo(ctx, l.User, upTo)
	return Durability(d), err
}

// RevokeUser ends all sessions to which a user has logged in by SetUser until now,
// wherever they are: in the store, or in a copy that a visitor or a thief holds. Call it
// where a password was changed or stolen, an account is closed, or an identity provider
// asks for it; where a request of that user asks for it, [Session.RevokeOthers] leaves
// the visitor logged in. A session whose login was before the first SetUser of an
// application knows no user, and is not ended.
//
// Durable says that every instance that reaches the store honors it within two seconds, as it
// does a logout, and one that does not at most a Backup.Lease later. Pending says that a part of
// the store has not taken it. This instance honors it at once. Instances that reach a part which
// this one reaches too honor it within two seconds. The others honor it when it is delivered.
// With ErrUnavailable it may or may not have happened.
//
// A login that begins afterwards counts. At an instance that has not heard of the revocation,
// because it does not reach the store, a login counts only from a minute after the revocation
// on, by the clock of the instance that has revoked, because clocks differ.
//
// It needs Options.Backup, by which the instances hear of it, and fails without one, or with
// an Options.Format, with an error that wraps errors.ErrUnsupported.
func (m *Manager) RevokeUser(ctx context.Context, user string) (Durability, error) {
	d, err := m.logins.Revoke(ctx, user)
	return Durability(d), err
}

// RevokeBefore ends all sessions of the application in which the last login was at a time t or
// before, or which, knowing no user, began or were last renewed by then: for the day after a
// breach. The rest is as with RevokeUser. t is after 1970 and at most a minute from now; for any
// other, the zero time above all, RevokeBefore fails and nothing ends. Where the clocks of
// instances differ, add the difference. On an instance that has heard of it, a new login counts
// even before t; its LoggedIn is then after t.
func (m *Manager) RevokeBefore(ctx context.Context, t time.Time) (Durability, error) {
	d, err := m.logins.RevokeEverybody(ctx, t)
	return Durability(d), err
}

// Revoke ends the session id for good, as Destroy does, for every client that has its token,
// and the sessions that Rotate has made of it since. An id without a session gets a tombstone
// too, so that none can begin under it. An id that a Renew has replaced already ends nobody's
// session. With ErrUnavailable the session may or may not have ended. A malformed id fails with
// another error.
//
// With a Backup the answer is Pending also in the seconds after the store has lost its data,
// where the store has nothing under the id: this instance honors the end at once, the others
// when all have told each other which sessions had ended before.
//
// A record of the library's own is no session: nothing happens to it, and the
// answer is Durable. So all that a Lister yields may be revoked in a loop.
func (m *Manager) Revoke(ctx context.Context, id ID) (Durability, error) {
	if err := checkID(id); err != nil {
		return 0, fmt.Errorf("session: revoke: %w", err)
	}
	if recordid.Reserved(string(id)) {
		return Durable, nil
	}
	ctx = context.WithoutCancel(ctx)
	var mine state.Copy
	var before lookup.Loaded
	if m.audit.Ended != nil {
		mine = m.current(ctx)
		before = m.reader.GoesOn(ctx, m.reader.Fetch(ctx, string(id), lookup.Known{}, true))
	}
	t := journal.IfLive(string(id), m.clock.Death(state.Revoked))
	d, line, err := m.writer.End(ctx, &t, record.Any)
	if err == nil {
		m.reader.Ended(ctx, string(id), before, line, audit.RevokedBy(mine, before.Copy), d)
	}
	return Durability(d), err
}

// User returns the user of the last SetUser, or "" where no user has logged in or there
// is no session. Where it is unknown whether there is a session User is empty too, and
// as with ID the commit answers the error.
func (s *Session) User() string { return s.login().User }

// LoggedIn returns when User logged in; zero: no user has. Unlike Renewed it is not moved by
// Renew.
func (s *Session) LoggedIn() time.Time { return s.login().Time() }

// login returns the last login, one that is not saved yet included; zero: there is none.
func (s *Session) login() state.Login {
	s.lockLoaded()
	defer s.mu.Unlock()
	s.decideLocked()
	return s.m.logins.Find(s.loaded.State, s.changes)
}
