package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/lookup"
)

// finish commits, because the handler has returned or, the last time, because
// the response header h is about to be written.
func (s *Session) finish(ctx context.Context, h http.Header, last bool) error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	before, cookies := s.loaded.Version, !s.sealed
	idle, done := s.startFinishLocked(last)
	s.mu.Unlock()
	if done {
		return nil
	}
	var err error
	if !idle {
		s.out = h
		_, err = s.commit(ctx, cookies)
		s.out = nil
	}
	s.mu.Lock()
	l, readOnly := s.loaded, s.readOnly
	s.mu.Unlock()
	if !cookies || readOnly && !s.cookies.Changed() {
		return err
	}
	now := s.m.now()
	due := !readOnly && s.seenLongAgo(&l, now)
	if err == nil && due && l.Version == before {
		l = s.putOff(ctx, l)
	}
	s.buildCookies(ctx, h, l, now, due)
	if err == nil && !readOnly && s.m.foreign() {
		s.repeatForeignCookie()
	}
	return err
}

// startFinishLocked reports whether there is nothing to commit, and whether there
// is nothing to do at all. s.mu is held.
func (s *Session) startFinishLocked(last bool) (idle, done bool) {
	idle = s.idleLocked()
	again := s.finished
	s.finished = true
	if last {
		s.sealed = true // later changes cannot send a cookie
	}
	if !idle {
		return false, false
	}
	if again && !s.cookies.Changed() {
		return true, true // nothing has changed since the handler returned
	}
	if s.cookies != nil || s.m.foreign() {
		return true, false
	}
	return true, s.readOnly || !s.seenLongAgo(&s.loaded, s.m.now()) // as in most requests
}

// putOff puts off the expiry of l, which is due. It returns the session as it is
// afterwards.
func (s *Session) putOff(ctx context.Context, l lookup.Loaded) lookup.Loaded {
	if l.Away() || l.Placement == lookup.Missing {
		return l
	}
	if s.m.resaves() {
		return s.resave(ctx, l)
	}
	s.m.reader.Refresh(ctx, l)
	return l
}

// resave saves the session as it was read, unless this request has saved it
// already. Like every refresh it undoes nothing, and nothing is lost where it
// fails. s.io is held.
func (s *Session) resave(ctx context.Context, l lookup.Loaded) lookup.Loaded {
	s.mu.Lock()
	saved := s.written
	s.mu.Unlock()
	if !saved && s.m.reader.Due(l) {
		l = s.m.reader.PutOff(ctx, l)
		_ = s.settle(l) // an edit that fails now was refused by the commit before
	}
	return l
}

// seenLongAgo reports whether it is time to put the expiry off.
func (s *Session) seenLongAgo(l *lookup.Loaded, now time.Time) bool {
	return l.Phase == lookup.Live && now.Sub(time.UnixMilli(l.State.LastSeen)) >= s.m.storage.RefreshOf(&l.State)
}

// giveUp is finish after a panic: a token that was saved before must still reach
// the visitor.
func (s *Session) giveUp(ctx context.Context, h http.Header) {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, saved := s.loaded, s.cookies.Changed() && !s.sealed
	s.mu.Unlock()
	if saved {
		s.buildCookies(ctx, h, l, s.m.now(), false)
	}
}

// seal notes that the header is written.
func (s *Session) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
}

// handOff notes that the handler has returned: changes have to be watched from now
// on.
func (s *Session) handOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.returned = true
	if len(s.edits) > 0 || s.fault != nil {
		s.watchLocked()
	}
}

// watchLocked makes sure that changes after the return of the handler are saved: shortly
// after the end of the request, if no first byte and no Save has done so before. The
// end of the request's context does not show that end, because middleware that gave
// the request a context of its own ends it before it writes the answer. s.mu is
// held.
func (s *Session) watchLocked() {
	if !s.returned || s.watched {
		return
	}
	s.watched = true
	rest := func() {
		saved := s.m.reader.Refreshes.Hold()
		time.AfterFunc(restAfter, func() {
			defer saved()
			s.saveRest()
		})
	}
	if s.answered {
		rest() // the context may be of more than the request, and never end
		return
	}
	context.AfterFunc(s.ctx, rest)
}

// restAfter is how long after the request its changes are saved, where neither a first
// byte nor a Save has saved them.
const restAfter = time.Second

// saveRest saves the changes that were made after the handler returned. The response
// is over, so only Hooks.Dropped can report a failure.
func (s *Session) saveRest() {
	s.mu.Lock()
	s.watched, s.sealed = false, true
	s.mu.Unlock()
	s.late(context.WithoutCancel(s.ctx))
}

// late saves, when the handler has returned, the changes that it made after the
// header was written.
func (s *Session) late(ctx context.Context) {
	s.mu.Lock()
	seq, fault := s.seq, s.fault != nil
	late := fault || (len(s.edits) > 0 || s.renewal != commit.KeepID) && seq != s.lost
	s.mu.Unlock()
	if !late {
		return
	}
	s.io.Lock()
	defer s.io.Unlock()
	_, err := s.commit(ctx, false)
	if err == nil || errors.Is(err, ErrPending) {
		return
	}
	s.mu.Lock()
	if !fault { // an earlier fault keeps the other changes from being saved
		s.lost = seq
	}
	s.mu.Unlock()
	if s.m.hooks.Dropped != nil {
		s.m.hooks.Dropped(ctx, s.name(), err)
	}
}

// discard drops what was changed and not saved.
func (s *Session) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked()
}

// releaseSlot gives back the slot of a request that is over, and notes that it uses its
// session no longer.
func (s *Session) releaseSlot() {
	p := s.cookies
	if p == nil {
		return
	}
	s.io.Lock()
	defer s.io.Unlock()
	p.Leave()
}
