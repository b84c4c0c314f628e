package session

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// cookieExchange is what travels between a session and its client's cookies
// besides the token: copies, both ways, and the list of ended sessions. s.io
// guards it.
type cookieExchange struct {
	in    *requestCookies
	known lookup.Known
	visit *jar.Visit
	use   inuse.Use
	left  bool               // the request is over
	name  string             // of the copy that is sent
	dirty bool               // something was saved, or ended
	ended []state.Superseded // the sessions that ended in this request
	out   []string
	later []string // deletions that may wait for a later answer
}

// requestCookies are the cookies of a request that are ours.
type requestCookies struct {
	backup.RequestCookies
	token token.Token
	ok    bool // there is a token
}

// collect returns the cookies of a request that are ours, unopened.
func (m *Manager) collect(h http.Header) *requestCookies {
	in := &requestCookies{RequestCookies: m.copies.Collect(h)}
	in.token, in.ok = m.transport.Receive(h)
	return in
}

// changed reports whether the answer must carry cookies.
func (p *cookieExchange) changed() bool { return p != nil && p.dirty }

// vouched reports whether the request carried a copy of the session.
func (p *cookieExchange) vouched() bool { return p != nil && p.known.Found }

// open takes in what the request carried, and learns whom the visitor has
// ended.
func (p *cookieExchange) open(ctx context.Context, s *Session) {
	m := s.m
	s.mu.Lock()
	visits := s.visits && !s.sealed
	s.mu.Unlock()
	p.in = m.collect(s.in)
	ended := m.endings(ctx, p.in)
	for _, k := range ended {
		sh := m.shards.Of(k.ID)
		if g, ok := sh.Tombstone(k.ID); !ok || g.ByOtherWriter(k) && !g.Conflict && !k.IfLive {
			_ = sh.AddTombstone(ctx, journal.Named(k))
		}
	}
	if p.in.ok {
		s.read(p.in.token.ID(), m.now())
		p.known = m.open(ctx, p.in, ID(p.in.token.ID()))
		if p.known.Found {
			m.shards.Carried(p.known.ID, p.known.State.Entries)
		}
		if visits {
			p.enterSlots(m, ID(p.in.token.ID()))
		}
	}
	p.known.Ended = ended
}

// read notes that what the request knows of a session is not older than a time. What
// this process learns from then on stays known until the request is over. s.io is held.
func (s *Session) read(id string, at time.Time) {
	p := s.cookies
	if p == nil {
		return
	}
	s.mu.Lock()
	visits := s.visits && !p.left
	s.mu.Unlock()
	if visits && id != "" {
		s.m.inUse.Enter(&p.use, id, at)
	} else {
		p.use.Read(at)
	}
}

// enterSlots registers the request with the slots of the session's cookies, so that
// overlapping answers do not overwrite each other's copies.
func (p *cookieExchange) enterSlots(m *Manager, id ID) {
	if p.visit != nil || m.without.Lacks(mechanism.Overlaps) {
		return
	}
	p.visit = m.slots.Enter(string(id), p.in.Cookies(), p.in.Names(), m.now())
}

// buildCookies makes the cookies that the answer takes along, beside the token's and
// what its header h has.
func (s *Session) buildCookies(ctx context.Context, h http.Header, l lookup.Loaded, due bool) {
	m, p := s.m, s.cookies
	if p == nil || p.in == nil && !p.dirty {
		return
	}
	if p.in == nil {
		p.open(ctx, s) // it began without asking
	}
	p.out, p.later = nil, nil
	defer func() { p.dirty = false }() // out has the lines
	carried := p.in.Cookies()
	var endings []string
	if len(p.ended) > 0 {
		all := state.JoinSuperseded(p.known.Ended, p.ended)
		if line, err := m.copies.EndingsLine(all, m.now(), m.shards.LifeOf(all...)); err == nil {
			endings = []string{line}
		}
	}
	switch {
	case l.Phase == lookup.Live && p.needsCopy(m, l, due):
		p.buildCopy(ctx, m, l, m.backup.answerSize()-s.otherBytes(h)-headers.SetCookieSize(endings))
	case l.Phase != lookup.Live && p.dirty:
		p.out = m.copies.DropLines(carried)
	}
	p.out = append(p.out, endings...)
}

// needsCopy reports whether the client needs a new copy: something has changed,
// the expiry is put off, none opened, the session holds more than they do, or
// the store has confirmed it since and that was long ago.
func (p *cookieExchange) needsCopy(m *Manager, l lookup.Loaded, due bool) bool {
	return p.dirty || due || !p.known.Found || !p.known.State.Entries.Covers(l.State.Entries) ||
		m.wornOut(p.known) && l.Confirmed > p.known.Confirmed
}

// buildCopy builds the cookies that carry a copy of the session, in room bytes of
// the answer's header where that is possible. It may leave out values that the store
// has, for lack of room, and never those that the store lacks.
func (p *cookieExchange) buildCopy(ctx context.Context, m *Manager, l lookup.Loaded, room int) {
	now := m.now()
	b := l.Copy
	b.State, b.Supersedes = l.State.Seen(now), slices.DeleteFunc(slices.Clone(l.Supersedes), m.shards.Forgotten)
	if m.without.Lacks(mechanism.EarlyStamp) && l.Source == lookup.FromStore {
		b.Confirmed = now.UnixMilli()
	}
	p.enterSlots(m, ID(l.ID))
	end := time.UnixMilli(l.State.End)
	sealed, err := m.copies.Pack(b, now, m.backup.Copy)
	if err != nil {
		m.fault(ctx, ID(l.ID), BackupTooLarge, err)
		p.out = m.copies.DropLines(p.in.Cookies())
		return
	}
	if p.name == "" {
		p.name = jar.NewName()
	}
	p.placeCopy(m, l, b, sealed.Text, now, end)
	if over := headers.SetCookieSize(p.out) - room; over > 0 && l.InStore() {
		most := max(minBudget, m.copies.Size(len(sealed.Text))-over)
		if smaller, err := m.copies.Pack(b, now, most); err == nil {
			sealed = smaller
			p.placeCopy(m, l, b, sealed.Text, now, end)
		}
	}
	if len(sealed.Withheld) > 0 {
		m.fault(ctx, ID(l.ID), BackupPartial, &backup.WithheldError{Names: sealed.Withheld})
	}
	m.copies.Remember(sealed)
}

// placeCopy decides in which cookies a sealed copy goes, and which are dropped.
func (p *cookieExchange) placeCopy(m *Manager, l lookup.Loaded, b state.Copy, text string, now, end time.Time) {
	parts := m.copies.Parts(len(text))
	set, drop := jar.Mask(1<<parts-1), p.in.Cookies()
	if p.visit != nil {
		p.visit.Also(l.ID)
		for _, k := range b.Supersedes { // a request of the predecessor may still be under way
			p.visit.Also(k.ID)
		}
		set, drop = p.visit.Take(p.name, parts, now)
	}
	if p.holdsUnread(m, l) {
		fits := p.in.Size(p.in.Cookies())+m.copies.Size(len(text)) <= m.backup.Budget
		if !fits || set&p.in.Cookies() != 0 {
			p.out, p.later = nil, nil
			return
		}
		drop = 0
	}
	if l.Away() {
		drop &^= p.known.Keep // another instance may be able to open it
	}
	stay := p.in.Cookies() &^ set &^ drop
	must := p.in.Size(stay|drop)+m.copies.Size(len(text)) > m.backup.Budget
	if p.in.Size(stay)+m.copies.Size(len(text)) > m.backup.Budget {
		// Whatever it is, planted or of an instance with another budget: too much
		// of it, and no request gets through any more.
		drop |= stay
	}
	var drops []string
	p.out, drops = m.copies.Lines(p.name, text, set, drop, end)
	p.later = nil
	if must {
		p.out = append(drops, p.out...)
	} else {
		p.later = drops
	}
}

// holdsUnread reports whether the request carried copies of the session that hold what
// the session lacks, because the operator trusts no copy now. They may have what the
// store lacks, and stay until a copy is trusted again.
func (p *cookieExchange) holdsUnread(m *Manager, l lookup.Loaded) bool {
	return m.override().Mode == StoreOnly && p.known.Found && p.known.ID == l.ID && !l.State.Entries.Covers(p.known.State.Entries)
}

// write adds the cookies to the header of an answer. What only tidies up waits
// for an answer whose header has room for all of it, because half a copy would
// count as a damaged one.
func (p *cookieExchange) write(h http.Header, most int) {
	h["Set-Cookie"] = append(h["Set-Cookie"], p.out...)
	if len(p.later) == 0 {
		return
	}
	size := headers.Size(h)
	for _, line := range p.later {
		size += headers.FieldSize("Set-Cookie", line)
	}
	if size <= most {
		h["Set-Cookie"] = append(h["Set-Cookie"], p.later...)
	}
}

// otherBytes returns how many bytes of the header of an answer are not for copies: what
// the handler has set, and what buildHeader adds.
func (s *Session) otherBytes(h http.Header) int {
	const marks = 70 // of Vary and Cache-Control
	s.mu.Lock()
	defer s.mu.Unlock()
	n := headers.Size(h) + marks
	if s.returned { // an answer that is put together again
		for _, line := range h["Set-Cookie"] {
			if name, _, _ := strings.Cut(line, "="); s.m.copies.Owns(name) {
				n -= headers.FieldSize("Set-Cookie", line)
			}
		}
	}
	if s.tokenAction == sendToken || s.tokenAction == passToken && !s.readOnly {
		out := make(http.Header)
		s.m.transport.Send(out, s.token, time.UnixMilli(s.tokenEnd))
		n += headers.SetCookieSize(out["Set-Cookie"])
	}
	return n
}

// releaseSlot is called when the request is over.
func (s *Session) releaseSlot() {
	p := s.cookies
	if p == nil {
		return
	}
	s.io.Lock()
	defer s.io.Unlock()
	s.m.inUse.Leave(&p.use)
	p.left = true
	if p.visit != nil {
		p.visit.Leave(s.m.now())
		p.visit, p.name = nil, "" // an answer that is put together again is another one
	}
}

// open reads what a request carried for the session id.
func (m *Manager) open(ctx context.Context, in *requestCookies, id ID) (w lookup.Known) {
	now := m.now()
	opened := m.copies.Open(&in.RequestCookies, string(id))
	for _, f := range opened.Faults {
		m.fault(ctx, id, faultOf(f.Kind), f.Err)
		if sealedAt, ok := f.SealedAt(); ok {
			if age := now.Sub(sealedAt); age < m.backup.MaxLease && age > -2*state.MaxAhead {
				w.Excused = true
				w.Keep |= f.Cookies
			}
		}
	}
	for b := range opened.Copies {
		w.Add(b, now)
	}
	return w
}

// faultOf returns the fault for Hooks.Backup.
func faultOf(kind backup.FaultKind) BackupFault {
	return [...]BackupFault{
		backup.Forged: BackupForged, backup.Malformed: BackupMalformed, backup.UnknownKey: BackupUnknownKey,
		backup.Foreign: BackupForeign, backup.Audience: BackupAudience, backup.Incomplete: BackupIncomplete,
	}[kind]
}

// endings reads the tombstone cookie.
func (m *Manager) endings(ctx context.Context, in *requestCookies) []state.Superseded {
	l, faults := m.copies.OpenEndings(&in.RequestCookies)
	for _, f := range faults {
		m.fault(ctx, "", faultOf(f.Kind), f.Err)
	}
	return slices.DeleteFunc(l, m.shards.Forgotten)
}

// wornOut reports whether the visitor should be given a newer copy.
func (m *Manager) wornOut(w lookup.Known) bool {
	quarter := min(m.backup.Lease, m.options.Idle) / 4
	return !w.Found || m.now().UnixMilli() >= w.Confirmed+quarter.Milliseconds()
}

func (m *Manager) fault(ctx context.Context, id ID, f BackupFault, err error) {
	if m.hooks.Backup != nil {
		m.hooks.Backup(ctx, id, f, err)
	}
}
