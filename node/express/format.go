package express

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/mirrorstore"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

// format is how a Manager reads and writes what express-session does.
type format struct {
	profile *Profile

	// As Options returned them:
	idle    time.Duration
	refresh time.Duration
}

// String implements [session.Format].
func (f *format) String() string { return "express-session" }

// Resaves implements [foreign.Resaver].
func (f *format) Resaves() bool { return f.profile.Resave }

// Check implements [foreign.Checker].
func (f *format) Check(s foreign.Settings) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("express: "+format, args...)) }
	if s.Cookie != f.profile.name() {
		bad("Options.Cookie.Name is %q and Profile.Name %q; set it in the Profile", s.Cookie, f.profile.name())
	}
	if s.Idle != f.idle || s.Refresh != f.refresh {
		bad("Options.Idle or Refresh is not what Profile.Options returned; they follow from Profile.Cookie and TTL")
	}
	if store, ok := s.Store.(interface{ IsRaw() bool }); ok && !store.IsRaw() {
		bad("the store puts its versions in front of the sessions, which Node cannot read; make it with redisstore.Raw")
	}
	if _, ok := s.Store.(*mirrorstore.Store); ok {
		bad("the store keeps the sessions in two stores, and Node writes to one of them only; use that one alone")
	}
	if store, ok := s.Store.(interface{ ItemFlags() uint32 }); ok {
		const str, json = 0, 2 // how connect-memcached marks a string and an object
		switch flags := store.ItemFlags(); {
		case flags != str && flags != json:
			bad("the store writes items with the flags %d, which are no session's in Node; make it with connectmemcached.Options.Open", flags)
		case f.profile.Cipher != nil && flags != str:
			bad("the store says of encrypted sessions that they are JSON, at which the Node process dies; make it with connectmemcached.Options.Open")
		}
	}
	return errors.Join(errs...)
}

func (f *format) NewToken(ctx context.Context) (value, id string) {
	if v := f.profile.visit(ctx); v != nil && f.profile.GenID != nil {
		id = f.profile.GenID(v.request)
	}
	if !isID(id) {
		id = NewID()
	}
	value, _ = js.EncodeURIComponent(f.profile.Secrets.Sign(id)) // it is ASCII
	return value, id
}

func (f *format) ParseToken(value string) (id string, ok bool) {
	id, _, ok = f.profile.Secrets.Read("c="+value, "c")
	return id, ok && isID(id)
}

// isID reports whether a store can have an id as it is.
func isID(id string) bool {
	return id != "" && len(id) <= 200 && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func (f *format) SetCookie(ctx context.Context, value string, s state.State, why foreign.Why, now time.Time) string {
	p, v := f.profile, f.profile.visit(ctx)
	if why == foreign.Ended {
		c := p.newCookie(v, now)
		c.SetExpires(time.UnixMilli(0), now)
		header, _ := c.SetCookie(p.name(), "") // the options were tried
		return header
	}
	id, ok := f.ParseToken(value)
	if why != foreign.Seen {
		// As it was saved. The time until a fixed date and the time that a touch
		// adds are counted from one reading of the clock, or the date would move.
		now = time.UnixMilli(s.LastSeen)
	}
	c, err := f.cookie(v, s, now)
	if err != nil || !ok || v != nil && (v.gone && why != foreign.Begun || !v.secure && c.Secure()) {
		return ""
	}
	if again := why == foreign.Changed && c.Ends(); why != foreign.Begun && !p.Rolling && !again {
		return ""
	}
	if _, restarts := c.OriginalMaxAge(); restarts {
		c.Touch(now)
	}
	header, err := c.SetCookie(p.name(), p.Secrets.Sign(id))
	if err != nil {
		return "" // an attribute that Node has stored and could not send either
	}
	return header
}

// cookie returns the cookie object of a session: as it is stored, with what was
// changed since.
func (f *format) cookie(v *visit, s state.State, now time.Time) (*Cookie, error) {
	c := f.profile.newCookie(v, now)
	if s.Origin != nil {
		origin, err := fields.Parse(s.Origin)
		if err != nil {
			return nil, fmt.Errorf("express: record: %w", err)
		}
		value, _ := origin.Get(cookieName)
		if c, err = parseCookie(value, now); err != nil {
			return nil, fmt.Errorf("express: record: %w", err)
		}
	}
	if e, ok := s.Entries.Find(cookieName); ok && e.Flags.Kind() == state.Present {
		if err := c.assign(e.Value, now); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (f *format) Encode(ctx context.Context, s state.State, now time.Time) ([]byte, time.Time, error) {
	if s.Dead() {
		data, err := f.seal(encodeDeath(s.Death))
		return data, time.Time{}, err
	}
	record := new(fields.Fields)
	if s.Origin != nil {
		var err error
		if record, err = fields.Parse(s.Origin); err != nil {
			return nil, time.Time{}, fmt.Errorf("express: record: %w", err)
		}
	} else if err := record.Set(cookieName, null); err != nil { // the first place is the cookie's
		return nil, time.Time{}, err
	}
	seen := time.UnixMilli(s.LastSeen)
	c, err := f.cookie(f.profile.visit(ctx), s, seen)
	if err != nil {
		return nil, time.Time{}, err
	}
	life := f.profile.ttl()
	if ms, ok := c.OriginalMaxAge(); ok {
		c.Touch(seen)
		life = milliseconds(ms)
	}
	m := mark{
		created: s.Created, renewed: s.Authenticated, lastSeen: s.LastSeen, end: s.End,
		rows: make(map[string]row, count(s.Entries)),
	}
	for l := s.Entries; len(l) > 0; {
		e, rest, _ := l.Cut()
		l = rest
		name := string(e.Name)
		r := row{dot: e.Dot, flags: e.Flags}
		switch {
		case e.Flags.Kind() != state.Present:
			if name != cookieName {
				record.Delete(name)
			}
		case name == cookieName:
			r.hash = hashOf(c.attributes())
		default:
			if err := put(record, name, e.Value); err != nil {
				return nil, time.Time{}, err
			}
			r.hash = hashOf(e.Value)
		}
		m.rows[name] = r
	}
	if err := errors.Join(record.Set(cookieName, c.stored()), record.Set(markName, m.encode())); err != nil {
		return nil, time.Time{}, fmt.Errorf("express: record: %w", err)
	}
	expires := seen.Add(life + f.refresh)
	if end := time.UnixMilli(s.End); end.Before(expires) {
		expires = end
	}
	data, err := f.seal(record.Append(nil))
	return data, expires, err
}

func count(l state.Entries) (n int) {
	for len(l) > 0 {
		_, l, _ = l.Cut()
		n++
	}
	return n
}

// put gives a field its value, and refuses what would be lost on the way to
// Node and back.
func put(record *fields.Fields, name string, value json.RawMessage) error {
	if old, ok := record.Get(name); ok && bytes.Equal(old, value) {
		return nil
	}
	switch {
	case !isEntry(name):
		return fmt.Errorf("express: key %q: every JavaScript session has something else of this name; choose another", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("express: key %q: the name is not UTF-8", name)
	case !json.Valid(value):
		return fmt.Errorf("express: key %q: the value is not JSON, which is all that Node can keep; use the codec of NewKey", name)
	}
	if _, exact := fields.Canonical(value); !exact {
		return fmt.Errorf("express: key %q: an integer beyond ±2^53 is another one in Node; make it a string", name)
	}
	return record.Set(name, slices.Clone(value))
}

func (f *format) seal(text []byte) ([]byte, error) {
	if f.profile.Cipher == nil {
		return text, nil
	}
	sealed, err := f.profile.Cipher.Seal(text)
	return []byte(sealed), err
}

func (f *format) Decode(data []byte, now time.Time) (state.State, error) {
	if f.profile.Cipher != nil && len(data) > 0 {
		var err error
		if data, err = f.profile.Cipher.Open(string(data)); err != nil {
			return state.State{}, err
		}
	}
	if s, ok := parseDeath(data); ok {
		return s, nil
	}
	if len(data) == 0 || !js.Truthy(bytes.TrimSpace(data)) {
		return state.State{}, session.ErrNotFound
	}
	record, err := fields.Parse(data)
	if err != nil {
		return state.State{}, fmt.Errorf("express: record: %w", err)
	}
	value, _ := record.Get(cookieName)
	c, err := parseCookie(value, now)
	if err != nil {
		return state.State{}, fmt.Errorf("express: record: %w", err)
	}
	text, _ := record.Get(markName)
	m, marked := parseMark(text) // none where it fails
	s := state.State{
		Created: m.created, Authenticated: m.renewed, LastSeen: m.lastSeen, End: m.end,
		Entries: m.entries(record, c.attributes()), Origin: data, Bare: !marked,
	}
	// A record that Node saves has the time in its expiry.
	if e, ok := c.Expires(); ok {
		if ms, ok := c.OriginalMaxAge(); ok {
			s.LastSeen = max(s.LastSeen, min(e.Add(-milliseconds(ms)).UnixMilli(), now.UnixMilli()))
		}
	}
	if due := now.Add(-f.refresh).UnixMilli(); s.Bare {
		// The sooner it is marked the better: what a slow request in Node has read
		// before cannot be told from what one has removed.
		s.LastSeen = due
	}
	if m.end != 0 && now.UnixMilli() >= m.end {
		return state.State{}, session.ErrNotFound // Node has put it off beyond Lifetime
	}
	return s, nil
}

// milliseconds keeps what JavaScript counts within what a Duration can hold.
func milliseconds(ms float64) time.Duration {
	const most = float64(century / time.Millisecond)
	return time.Duration(min(max(ms, 0), most)) * time.Millisecond
}
