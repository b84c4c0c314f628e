package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/token"
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
		_, err = s.commit(ctx, cookies)
	}
	s.mu.Lock()
	l, readOnly := s.loaded, s.readOnly
	s.mu.Unlock()
	if !cookies || readOnly && !s.cookies.changed() {
		return err
	}
	due := !readOnly && s.seenLongAgo(&l)
	if err == nil && due && l.Version == before {
		l = s.putOff(ctx, l)
	}
	s.buildCookies(ctx, h, l, due)
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
	if again && !s.cookies.changed() {
		return true, true // nothing has changed since the handler returned
	}
	if s.cookies != nil || s.m.foreign() {
		return true, false
	}
	return true, s.readOnly || !s.seenLongAgo(&s.loaded) // as in most requests
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

// seenLongAgo reports whether it is time to put the expiry off.
func (s *Session) seenLongAgo(l *lookup.Loaded) bool {
	return l.Phase == lookup.Live && s.m.now().Sub(time.UnixMilli(l.State.LastSeen)) >= s.m.options.Refresh
}

// giveUp takes the place of finish after a panic: what was saved before must
// reach the visitor still.
func (s *Session) giveUp(ctx context.Context, h http.Header) {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, saved := s.loaded, s.cookies.changed() && !s.sealed
	s.mu.Unlock()
	if saved {
		s.buildCookies(ctx, h, l, false)
	}
}

// buildHeader puts into the answer's header what the visitor must know: also
// where the commit failed, as an earlier Save or Destroy may have succeeded.
func (s *Session) buildHeader(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.Phase == lookup.Unasked {
		return
	}
	s.vary(h)
	s.dropOldCookies(h)
	if s.tokenAction == passToken {
		s.passNewestLocked()
	}
	switch {
	case s.m.foreign() && s.m.transport.Header == "":
		s.setForeignCookie(h)
	case s.tokenAction == sendToken, s.tokenAction == passToken && !s.readOnly:
		s.removeLines(h, s.m.transport.IsToken)
		s.m.transport.Send(h, s.token, time.UnixMilli(s.tokenEnd))
	case s.tokenAction == clearToken:
		s.removeLines(h, s.m.transport.IsToken)
		s.m.transport.Clear(h)
	}
	if p := s.cookies; p != nil && len(p.out) > 0 {
		s.removeLines(h, s.m.copies.Owns)
		p.write(h, s.m.backup.answerSize())
		headers.NoCache(h, "Set-Cookie")
	}
}

// headerBuilt is called when the header has everything for the visitor.
func (s *Session) headerBuilt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	passed := s.tokenAction == passToken && !s.readOnly
	if s.tokenAction == sendToken || s.tokenAction == clearToken || passed {
		s.sent.tokenAction = s.tokenAction
		s.sent.token, s.sent.tokenEnd = s.token, s.tokenEnd
	}
	s.tokenAction = nothing
	if p := s.cookies; p != nil {
		if len(p.out) > 0 {
			s.sent.out = p.out
		}
		p.out, p.later = nil, nil
	}
}

// sentHeader is what the last header said, for an answer whose header is built again
// because the handler returned without writing it.
type sentHeader struct {
	tokenAction tokenAction
	token       token.Token
	tokenEnd    int64
	out         []string
}

// removeLines removes the cookies of this session, as ours reports them, from a
// header that is built again: new lines take their place. s.mu is held.
func (s *Session) removeLines(h http.Header, ours func(name string) bool) {
	if !s.returned || len(h["Set-Cookie"]) == 0 {
		return
	}
	h["Set-Cookie"] = slices.DeleteFunc(slices.Clone(h["Set-Cookie"]), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return ours(name)
	})
}

// sendAgain makes buildHeader say again what it said when the handler returned,
// because an error's header replaces that one. Anything newer stays.
func (s *Session) sendAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokenAction == nothing && s.sent.tokenAction != nothing {
		s.tokenAction = s.sent.tokenAction
		s.token, s.tokenEnd = s.sent.token, s.sent.tokenEnd
	}
	if p := s.cookies; p != nil && len(p.out) == 0 {
		p.out = s.sent.out
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
	if len(s.edits) > 0 || s.fault.err != nil {
		s.watch()
	}
}

// watch makes sure that changes after the return of the handler are saved: shortly
// after the end of the request, if no first byte and no Save has done so before. The
// end of the request's context does not show that end, because middleware that gave
// the request a context of its own ends it before it writes the answer. s.mu is
// held.
func (s *Session) watch() {
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

// restAfter is how long an answer, or a goroutine that outlives its request, has
// until what was changed is saved without being asked.
const restAfter = time.Second

// saveRest saves the changes that were made after the handler returned. The response
// is over, so only Hooks.Dropped can report a failure.
func (s *Session) saveRest() {
	s.mu.Lock()
	s.watched, s.sealed = false, true
	s.mu.Unlock()
	s.late(context.WithoutCancel(s.ctx))
}

// vary adds the request headers that the answer depends on to Vary, for caches. s.mu
// is held.
func (s *Session) vary(h http.Header) {
	headers.AddVary(h, s.m.transport.Varies(), s.varies[:0])
}

// late saves, when the handler has returned, the changes that it made after the
// header was written.
func (s *Session) late(ctx context.Context) {
	s.mu.Lock()
	seq, fault := s.seq, s.fault.err != nil
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
	if !fault { // which kept the other changes from being tried
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
	s.forget()
}
