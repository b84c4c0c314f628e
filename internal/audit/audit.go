// Package audit reports to an application which sessions began, which replaced another one,
// and who ended them. It never gets a token or a value.
package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/state"
)

// By says who or what has ended a session. The values are those of session.EndedBy.
type By uint8

// The values of By.
const (
	Visitor       By = iota + 1 // by a logout
	Device                      // another session of the same user
	Administrator               // any other caller that ends a session by its ID
	Limit                       // on the sessions of a user
	Revocation                  // of the user's logins, or of everybody's; seen when the session was used
	Predecessor                 // another writer has ended the session that it was renewed from; seen likewise
	Time                        // that it may last, or may be idle; seen likewise
)

// Ending is the end of a session.
type Ending struct {
	ID, User string
	By       By

	Durability failover.Durability // zero where the end was only seen
}

// Log has the functions of an application that hear of sessions. Each may be nil. Its
// functions must not be changed once it is in use; from then on any number of goroutines may
// use it.
type Log struct {
	Began, Renewed, Rotated, Login func(ctx context.Context, id, previous, user string)

	Refused func(ctx context.Context, id, user string)
	Ended   func(ctx context.Context, e Ending)

	mu   sync.Mutex
	told [2]map[string]struct{} // the IDs that were told to end lately, and those before; likewise the logins that were refused
}

// maxTold is how many IDs Saw remembers, and half as many at least.
const maxTold = 8192

// Saw reports that a session was found to have ended, once for each session as far as this
// process remembers, because a browser goes on sending the token. st is zero where the state
// of the session is not known. A nil Log reports nothing.
func (l *Log) Saw(ctx context.Context, id string, st state.State, by By) {
	if l == nil || l.Ended == nil || id == "" || !l.first(id) {
		return
	}
	login, _ := st.Login()
	l.Ended(ctx, Ending{ID: id, User: login.User, By: by})
}

// first reports whether Saw has not reported an ID lately, and remembers the ID.
func (l *Log) first(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, told := range l.told {
		if _, ok := told[id]; ok {
			return false
		}
	}
	if l.told[0] == nil || len(l.told[0]) >= maxTold/2 {
		l.told[0], l.told[1] = make(map[string]struct{}), l.told[0]
	}
	l.told[0][id] = struct{}{}
	return true
}

// End reports that this process has ended a session, whose state is st, and the sessions
// that rotations have made of it since. Where several requests end one session at once, End
// reports it once. A nil Log reports nothing.
func (l *Log) End(ctx context.Context, id string, st state.State, line []state.Superseded, by By, d failover.Durability) {
	login, _ := st.Login()
	live := st.Created != 0 && !st.Dead()
	l.end(ctx, Ending{ID: id, User: login.User, By: by, Durability: d}, live, line)
}

// EndUnread is End for a session that could not be read, so that nobody knows whose it was, nor
// whether there was one. An end that counts only if the store has the session is not reported:
// its ID may be made up.
func (l *Log) EndUnread(ctx context.Context, id string, line []state.Superseded, by By, d failover.Durability) {
	at := slices.IndexFunc(line, func(k state.Superseded) bool { return k.ID == id })
	counts := at >= 0 && !line[at].IfStored
	l.end(ctx, Ending{ID: id, By: by, Durability: d}, counts, line)
}

// Exceeded reports that the limit has ended a session of a user, as its list names it, and the
// sessions that rotations have made of it since. The session itself may not have been read.
func (l *Log) Exceeded(ctx context.Context, id, user string, line []state.Superseded, d failover.Durability) {
	l.end(ctx, Ending{ID: id, User: user, By: Limit, Durability: d}, true, line)
}

// end reports e, if that is an end, and those of the sessions that line names behind it: what
// rotations have made of it since. The sessions before it had been replaced.
func (l *Log) end(ctx context.Context, e Ending, isEnd bool, line []state.Superseded) {
	if l == nil || l.Ended == nil {
		return
	}
	if isEnd && l.first(e.ID) {
		l.Ended(ctx, e)
	}
	since := slices.IndexFunc(line, func(k state.Superseded) bool { return k.ID == e.ID }) + 1
	for _, k := range line[since:] {
		if e.ID = k.ID; l.first(k.ID) {
			l.Ended(ctx, e)
		}
	}
}

// RevokedBy returns who ends a session in a request whose own session is mine, zero outside
// of any.
func RevokedBy(mine, ended state.Copy) By {
	own, _ := mine.State.Login()
	whose, known := ended.State.Login()
	switch {
	case mine.ID != "" && mine.ID == ended.ID:
		return Visitor
	case known && own.User == whose.User:
		return Device
	}
	return Administrator
}

// Refuse reports that the limit has refused a login, once for each login, which a request may try
// to save several times. A nil Log reports nothing.
func (l *Log) Refuse(ctx context.Context, id string, login state.Login) {
	if l == nil || l.Refused == nil {
		return
	}
	if attempt := fmt.Sprint("login ", login.Clock, " ", login.At, " ", login.User); l.first(attempt) {
		l.Refused(ctx, id, login.User)
	}
}
