package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// finish commits, because the response header is about to be written.
func (s *Session) finish(ctx context.Context) error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	before, cookies, idle := s.version, !s.sealed, s.idle()
	s.sealed = true // what comes from now on cannot send a cookie
	if idle && s.parcel == nil && !s.m.foreign() && (s.readOnly || !s.seenLongAgo(&s.loaded)) {
		s.mu.Unlock()
		return nil // which most requests are
	}
	s.mu.Unlock()
	var err error
	if !idle {
		_, err = s.commit(ctx, cookies)
	}
	s.mu.Lock()
	l, readOnly := s.loaded, s.readOnly
	s.mu.Unlock()
	if !cookies || readOnly && !s.parcel.changed() {
		return err
	}
	due := !readOnly && s.seenLongAgo(&l)
	if err == nil && due && l.version == before && l.away.IsZero() && !l.restore {
		s.m.refresh(ctx, l)
	}
	s.wrap(ctx, l, due)
	if err == nil && !readOnly && s.m.foreign() {
		s.repeat()
	}
	return err
}

// seenLongAgo tells whether it is time to put the expiry off.
func (s *Session) seenLongAgo(l *loaded) bool {
	return l.phase == live && s.m.now().Sub(time.UnixMilli(l.state.lastSeen)) >= s.m.options.Refresh
}

// giveUp takes the place of finish after a panic: what was saved before must
// reach the visitor still.
func (s *Session) giveUp(ctx context.Context) {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	l, saved := s.loaded, s.parcel.changed() && !s.sealed
	s.mu.Unlock()
	if saved {
		s.wrap(ctx, l, false)
	}
}

// announce puts into the answer's header what the visitor must know: also
// where the commit failed, as an earlier Save or Destroy may have succeeded.
func (s *Session) announce(h http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == unasked {
		return
	}
	s.vary(h)
	switch {
	case s.m.foreign() && s.m.carrier.header == "":
		s.tell(h)
	case s.notice == sendToken, s.notice == passToken && !s.readOnly:
		s.m.carrier.send(h, s.token, time.UnixMilli(s.tokenEnd))
	case s.notice == clearToken:
		s.m.carrier.clear(h)
	}
	if p := s.parcel; p != nil && len(p.out) > 0 {
		h["Set-Cookie"] = append(h["Set-Cookie"], p.out...)
		s.m.carrier.noCache(h, "Set-Cookie")
	}
}

// announced is called when the visitor has been told.
func (s *Session) announced() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notice = nothing
	if s.parcel != nil {
		s.parcel.out = nil
	}
}

// vary tells caches what the answer depends on. s.mu is held.
func (s *Session) vary(h http.Header) {
	field := s.m.carrier.varies()
	if _, ok := h["Vary"]; !ok {
		s.varies[0] = field
		h["Vary"] = s.varies[:]
		return
	}
	for _, line := range h["Vary"] {
		for f := range strings.SplitSeq(line, ",") {
			if f = strings.TrimSpace(f); f == "*" || strings.EqualFold(f, field) {
				return
			}
		}
	}
	h.Add("Vary", field)
}

// late saves, when the handler has returned, what it changed after the header
// was written.
func (s *Session) late(ctx context.Context) {
	s.mu.Lock()
	late := len(s.edits) > 0 || s.fault != nil
	s.mu.Unlock()
	if !late {
		return
	}
	s.io.Lock()
	defer s.io.Unlock()
	if _, err := s.commit(ctx, false); err != nil && !errors.Is(err, ErrPending) && s.m.hooks.Dropped != nil {
		s.m.hooks.Dropped(ctx, s.ID(), err)
	}
}

// discard drops what was changed and not saved.
func (s *Session) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
}
