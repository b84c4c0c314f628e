package session

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// buildCookies makes the cookies that the answer takes along, beside the token's and
// what its header h has. s.io is held.
func (s *Session) buildCookies(ctx context.Context, h http.Header, l lookup.Loaded, now time.Time, due bool) {
	p := s.cookies
	if p == nil || !p.Opened() && !p.Dirty {
		return
	}
	if !p.Opened() {
		s.openCookies(ctx) // StartNew has not read the cookies
	}
	p.Build(ctx, l, now, due, func() int { return s.otherBytes(h, false, time.Time{}) })
}

// answerRoom is a Session as its commit sees it: what room its answer has for a copy.
type answerRoom Session

// Room returns how many bytes of cookies a copy may take up. It is more than any copy does
// where the handler may still set fields, because the commit is that of Save. s.io is held.
func (a *answerRoom) Room(end time.Time, token bool) int {
	s := (*Session)(a)
	if s.out == nil || s.cookies == nil {
		return math.MaxInt
	}
	return s.cookies.Room(end, s.otherBytes(s.out, token, end))
}

// otherBytes returns how many bytes of the header of an answer are not for copies: what
// the handler has set, and what buildHeader adds. begins says that the answer is going to
// send the token of a session whose cookies last until then.
func (s *Session) otherBytes(h http.Header, begins bool, until time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := headers.Size(h) + headers.Marks
	if s.returned { // the header is built again
		n -= headers.CookiesSize(h, s.cookies.Owns)
	}
	a := s.tokenAction
	sends := a.Sends(s.readOnly)
	if begins && !sends {
		a = transport.Action{Kind: transport.Send, Token: token.New(), End: until}
		sends = true
	}
	if sends {
		n += a.Size(s.transport)
	}
	return n
}

// buildHeader puts into the answer's header what the visitor must know: also
// where the commit failed, as an earlier Save or Destroy may have succeeded.
func (s *Session) buildHeader(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.Phase == lookup.Unasked {
		return
	}
	headers.AddVary(h, s.transport.Varies(), s.varies[:0]) // for caches
	s.dropOldCookiesLocked(h)
	if s.tokenAction.Kind == transport.Pass {
		s.passNewestLocked()
	}
	if s.m.foreign() && s.transport.Header == "" {
		s.tokenAction.WriteForeign(s.ctx, h, s.transport, s.loaded.State, s.written, s.returned, s.m.now())
	} else {
		s.tokenAction.Write(h, s.transport, s.readOnly, s.returned)
	}
	if p := s.cookies; p != nil && len(p.Out) > 0 {
		if s.returned {
			headers.RemoveCookies(h, p.Owns)
		}
		p.Write(h)
		headers.NoCache(h, "Set-Cookie")
	}
}

// passNewestLocked follows what became of a token that another request has made since
// it was looked up: the answer of a slow request must not undo a login, or bring back a
// token that was rotated again. s.mu is held.
func (s *Session) passNewestLocked() {
	newest, live := s.m.reader.Newest(s.tokenAction.Token)
	if s.tokenAction.Token = newest; !live {
		s.tokenAction.Kind = transport.Nothing
	}
}

// headerBuilt is called when the header has everything for the visitor. It reports
// whether that is a token too.
func (s *Session) headerBuilt() (token bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token = s.tokenAction.Kind == transport.Send
	if s.tokenAction.Shows(s.readOnly) {
		s.sent = s.tokenAction
	}
	s.tokenAction = transport.Action{}
	if p := s.cookies; p != nil {
		if len(p.Out) > 0 {
			p.Sent = p.Out
		}
		p.Out, p.Later = nil, nil
	}
	return token
}

// sendAgain makes buildHeader repeat what it wrote when the handler returned,
// because the header of an error replaces that one. Anything newer stays.
func (s *Session) sendAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokenAction.Kind == transport.Nothing {
		s.tokenAction = s.sent
	}
	if p := s.cookies; p != nil && len(p.Out) == 0 {
		p.Out = p.Sent
	}
}

// repeatForeignCookie lets the format send again the token that the visitor has.
func (s *Session) repeatForeignCookie() {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.transport.Receive(s.in)
	opensLoaded := ok && s.loaded.Phase == lookup.Live && t.ID() == s.loaded.ID
	if opensLoaded && s.tokenAction.Kind == transport.Nothing {
		s.tokenAction = transport.Action{Kind: transport.Repeat, Token: t}
	}
}
