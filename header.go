package session

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/token"
)

// buildCookies makes the cookies that the answer takes along, beside the token's and
// what its header h has. s.io is held.
func (s *Session) buildCookies(ctx context.Context, h http.Header, l lookup.Loaded, due bool) {
	p := s.cookies
	if p == nil || !p.Opened() && !p.Dirty {
		return
	}
	if !p.Opened() {
		s.openCookies(ctx) // StartNew has not read the cookies
	}
	p.Build(ctx, l, due, func() int { return s.otherBytes(h, false, time.Time{}) })
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
		for _, line := range h["Set-Cookie"] {
			if name, _, _ := strings.Cut(line, "="); s.cookies.Owns(name) {
				n -= headers.FieldSize("Set-Cookie", line)
			}
		}
	}
	t, end := s.token, s.tokenEnd
	sends := s.tokenAction == sendToken || s.tokenAction == passToken && !s.readOnly
	if begins && !sends {
		t, end = token.New(), until
		sends = true
	}
	if sends {
		out := make(http.Header)
		s.transport.Send(out, t, end)
		n += headers.SetCookieSize(out["Set-Cookie"])
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
	s.varyLocked(h)
	s.dropOldCookiesLocked(h)
	if s.tokenAction == passToken {
		s.passNewestLocked()
	}
	switch {
	case s.m.foreign() && s.transport.Header == "":
		s.setForeignCookieLocked(h)
	case s.tokenAction == sendToken, s.tokenAction == passToken && !s.readOnly:
		s.removeLinesLocked(h, s.transport.IsToken)
		s.transport.Send(h, s.token, s.tokenEnd)
	case s.tokenAction == clearToken:
		s.removeLinesLocked(h, s.transport.IsToken)
		s.transport.Clear(h)
	}
	if p := s.cookies; p != nil && len(p.Out) > 0 {
		s.removeLinesLocked(h, p.Owns)
		p.Write(h)
		headers.NoCache(h, "Set-Cookie")
	}
}

// passNewestLocked follows what became of a token that another request has made since
// it was looked up: the answer of a slow request must not undo a login, or bring back a
// token that was rotated again. s.mu is held.
func (s *Session) passNewestLocked() {
	newest, live := s.m.reader.Newest(s.token)
	if s.token = newest; !live {
		s.tokenAction = nothing
	}
}

// passLocked makes the answer send a token that another request has made. s.mu is held.
func (s *Session) passLocked(t token.Token, end time.Time) {
	s.token, s.tokenEnd = t, end
	if s.tokenAction != sendToken {
		s.tokenAction = passToken
	}
}

// headerBuilt is called when the header has everything for the visitor. It reports
// whether that is a token too.
func (s *Session) headerBuilt() (token bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token = s.tokenAction == sendToken
	passed := s.tokenAction == passToken && !s.readOnly
	if s.tokenAction == sendToken || s.tokenAction == clearToken || passed {
		s.sent.tokenAction = s.tokenAction
		s.sent.token, s.sent.tokenEnd = s.token, s.tokenEnd
	}
	s.tokenAction = nothing
	if p := s.cookies; p != nil {
		if len(p.Out) > 0 {
			s.sent.out = p.Out
		}
		p.Out, p.Later = nil, nil
	}
	return token
}

// sentHeader is what the last header said, for an answer whose header is built again
// because the handler returned without writing it.
type sentHeader struct {
	tokenAction tokenAction
	token       token.Token
	tokenEnd    time.Time
	out         []string
}

// removeLinesLocked removes the cookies of this session, as ours reports them, from a
// header that is built again: new lines take their place. s.mu is held.
func (s *Session) removeLinesLocked(h http.Header, ours func(name string) bool) {
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
	if p := s.cookies; p != nil && len(p.Out) == 0 {
		p.Out = s.sent.out
	}
}

// setForeignCookieLocked puts the cookie of a foreign format into an answer's header. s.mu
// is held.
func (s *Session) setForeignCookieLocked(h http.Header) {
	t, why := s.token, foreign.Begun
	switch s.tokenAction {
	case nothing:
		return
	case clearToken:
		t, why = token.Token{}, foreign.Ended
	case repeatToken:
		why = foreign.Seen
		if s.written {
			why = foreign.Changed
		}
	default: // the token is new
	}
	c := s.transport
	if header := c.Format.SetCookie(s.ctx, t.Reveal(), s.loaded.State, why, s.m.now()); header != "" {
		name, _, _ := strings.Cut(header, "=")
		s.removeLinesLocked(h, func(other string) bool { return other == name })
		h.Add("Set-Cookie", header)
		headers.NoCache(h, "Set-Cookie")
	}
}

// repeatForeignCookie lets the format send the token again, which the visitor has.
func (s *Session) repeatForeignCookie() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.transport.Receive(s.in); ok && s.tokenAction == nothing && s.loaded.Phase == lookup.Live && ID(t.ID()) == ID(s.loaded.ID) {
		s.token, s.tokenAction = t, repeatToken
	}
}

// varyLocked adds the request headers that the answer depends on to Vary, for caches. s.mu
// is held.
func (s *Session) varyLocked(h http.Header) {
	headers.AddVary(h, s.transport.Varies(), s.varies[:0])
}
