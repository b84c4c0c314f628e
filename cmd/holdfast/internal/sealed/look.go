package sealed

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// Options are how cookies are looked at.
type Options struct {
	Keys     *seal.Keys // nil: they stay shut
	Audience string     // Backup.Audience
	Name     string     // of the token's cookie, where nothing else says it
	Domain   string     // of the token's cookie, where no Set-Cookie line says it
	Path     string
	Lease    time.Duration
	Reveal   bool
}

// Report is what was found.
type Report struct {
	Tokens []Token `json:"tokens"`
	Texts  []Text  `json:"texts"`
}

// Token is the cookie with a token. It is not shown, but the session that it opens.
type Token struct {
	Cookie string `json:"cookie"`
	ID     string `json:"id"`
}

// Kind is what a sealed text is.
type Kind string

// The kinds.
const (
	Copy       Kind = "copy"       // of a session
	Tombstones Kind = "tombstones" // of sessions that ended
	Unknown    Kind = "unknown"
)

// Text is a sealed text, which lies in one cookie or several.
type Text struct {
	Cookies []string `json:"cookies"`
	Kind    Kind     `json:"kind"`
	Bytes   int      `json:"bytes"`            // of the cookies, names included
	Format  int      `json:"format,omitempty"` // of the text
	KeyID   string   `json:"key,omitempty"`
	Hint    string   `json:"audienceHint,omitempty"` // 32 bits of a hash of whom it is for
	Sealed  *Minute  `json:"sealed,omitempty"`
	Fault   string   `json:"fault,omitempty"` // why it does not open, by one name
	Why     string   `json:"why,omitempty"`   // the same in words
	Opened  bool     `json:"opened"`
	Session *Session `json:"session,omitempty"` // of a copy that opened
	Ended   []Ended  `json:"ended,omitempty"`   // of tombstones that opened
}

// Minute is when a text was sealed. It is vouched for only where the text opens.
type Minute struct{ time.Time }

// Session is what a copy says.
type Session struct {
	ID            string  `json:"id"`
	User          string  `json:"user,omitempty"`
	LoggedIn      *Date   `json:"loggedIn,omitempty"`
	Created       Date    `json:"created"`
	Authenticated Date    `json:"authenticated"`
	LastSeen      Date    `json:"lastSeen"`
	End           Date    `json:"end"`
	Rotated       *Date   `json:"rotated,omitempty"`
	Confirmed     Date    `json:"confirmed"`
	Vouches       Date    `json:"vouchesUntil"`
	NeverStored   bool    `json:"neverStored"`
	Unsaved       bool    `json:"unsaved"` // it has what the store lacked then
	Supersedes    []Ended `json:"supersedes"`
	Values        []Value `json:"values"`
}

// Date is a time to the millisecond.
type Date struct{ time.Time }

// Ended is a session that ended.
type Ended struct {
	ID    string   `json:"id"`
	At    Date     `json:"at"`
	Flags []string `json:"flags"`
}

// Value is an entry of a session.
type Value struct {
	Name    string   `json:"name"`
	Flags   []string `json:"flags"`
	Rank    int      `json:"rank"`
	Size    int      `json:"size"`
	Written Date     `json:"written"`
	Value   *string  `json:"value,omitempty"`  // with Reveal, where it is text
	Base64  *string  `json:"base64,omitempty"` // with Reveal, where it is none
}

// Look opens what in has, as far as o lets it.
func Look(in Input, o Options) Report {
	r := Report{Tokens: []Token{}, Texts: []Text{}}
	for name, id := range in.tokens {
		r.Tokens = append(r.Tokens, Token{name, id})
	}
	slices.SortFunc(r.Tokens, func(a, b Token) int { return strings.Compare(a.Cookie, b.Cookie) })
	for _, g := range in.groups {
		r.Texts = append(r.Texts, g.look(o)...)
	}
	for i := range r.Texts {
		r.Texts[i].foreign(r.Tokens)
	}
	return r
}

// Sound reports whether nothing is wrong with any text.
func (r *Report) Sound() bool {
	return !slices.ContainsFunc(r.Texts, func(t Text) bool { return t.Fault != "" })
}

// foreign says that a copy is of another session than the token opens beside which it came.
func (t *Text) foreign(tokens []Token) {
	if t.Session == nil || t.Fault != "" {
		return
	}
	base, _ := splitName(t.Cookies[0])
	for _, token := range tokens {
		if token.Cookie == base && token.ID != t.Session.ID {
			t.Fault, t.Why = "foreign", "it is of another session than the one that the token opens, "+token.ID
		}
	}
}

func (g *group) look(o Options) (all []Text) {
	if g.name != "" {
		o.Name = g.name
	}
	if g.domain != "" {
		o.Domain = strings.TrimPrefix(g.domain, ".")
	}
	if g.path != "" {
		o.Path = g.path
	}
	for _, parts := range g.copies() {
		t, text := join(parts)
		if t.Fault == "" {
			t.open(text, o, Copy)
		}
		all = append(all, t)
	}
	for _, c := range g.endings {
		t := Text{Cookies: []string{c.name}, Kind: Tombstones, Bytes: c.bytes()}
		t.open(c.value, o, Tombstones)
		all = append(all, t)
	}
	for _, c := range g.other {
		t := Text{Cookies: []string{c.shown()}, Kind: Unknown, Bytes: c.bytes()}
		if c.name == "" { // a sealed text alone, of either kind
			t.open(c.value, o, Copy)
		} else {
			t.Kind = Copy
			t.Fault, t.Why = "malformed", "the value is not a part of a copy: want nnnnnn.0.1.text"
		}
		all = append(all, t)
	}
	return all
}

func (c cookie) bytes() int { return len(c.name) + len(c.value) }

func (c cookie) shown() string {
	if c.name == "" {
		return bare
	}
	return c.name
}

// copies returns the parts of each copy, in their order, those of the first cookie first.
func (g *group) copies() (all [][]part) {
	for _, p := range g.parts {
		i := slices.IndexFunc(all, func(parts []part) bool { return parts[0].copy == p.copy && parts[0].count == p.count })
		if i < 0 {
			all = append(all, []part{p})
		} else {
			all[i] = append(all[i], p)
		}
	}
	for _, parts := range all {
		slices.SortStableFunc(parts, func(a, b part) int { return a.number - b.number })
	}
	return all
}

// join puts the parts of a copy together. Of a part that is there twice the first counts.
func join(parts []part) (t Text, _ string) {
	t.Kind = Copy
	have := map[int]bool{}
	var pieces []string
	for _, p := range parts {
		t.Cookies = append(t.Cookies, p.shown())
		t.Bytes += p.bytes()
		if !have[p.number] {
			pieces = append(pieces, p.text)
		} else {
			t.Fault, t.Why = "incomplete", fmt.Sprintf("part %d is there twice: one of the two was planted, or set by another answer", p.number)
		}
		have[p.number] = true
	}
	var lacks []string
	for n := range parts[0].count {
		if !have[n] {
			lacks = append(lacks, strconv.Itoa(n))
		}
	}
	if len(lacks) > 0 {
		t.Fault, t.Why = "incomplete", fmt.Sprintf("of %d parts it lacks %s, counted from 0", parts[0].count, strings.Join(lacks, ", "))
	}
	return t, strings.Join(pieces, "")
}

// open reads what everybody can see of a text, and opens it where there are keys.
func (t *Text) open(text string, o Options, kind Kind) {
	t.peek(text)
	if o.Keys == nil || t.Fault != "" {
		return
	}
	box := seal.Box{Keys: o.Keys, Audience: backup.AudienceOf(o.Audience, o.Name, o.Domain, o.Path)}
	plain, as, err := openAs(box, text, kind)
	switch {
	case err != nil:
		t.Fault, t.Why = faultOf(err)
		return
	case t.Kind == Unknown:
		t.Kind = as
	case as != kind:
		t.Kind = as
		t.Fault, t.Why = "misplaced", fmt.Sprintf("it holds %s, and has the cookie of %s", as.words(), kind.words())
	}
	t.Opened = true
	if as == Tombstones {
		ended, err := backup.DecodeEndings(plain)
		t.Ended = endedOf(ended)
		t.corrupt(err)
		return
	}
	c, err := backup.Decode(plain)
	if t.corrupt(err) {
		return
	}
	t.Session = sessionOf(c, o)
}

func (k Kind) words() string {
	if k == Tombstones {
		return "a list of sessions that ended"
	}
	return "a copy of a session"
}

func (t *Text) corrupt(err error) bool {
	if err != nil {
		t.Opened = false
		t.Fault = "malformed"
		t.Why = "it was sealed with the key, and what is in it is nothing that this version knows: " + err.Error()
	}
	return err != nil
}

// openAs opens a text as the kind that it should be, else as the other.
func openAs(box seal.Box, text string, kind Kind) (plain []byte, as Kind, err error) {
	purposes := map[Kind]string{Copy: backup.CopiesPurpose, Tombstones: backup.EndingsPurpose}
	other := Tombstones
	if kind == Tombstones {
		other = Copy
	}
	box.Purpose = purposes[kind]
	if plain, _, err = box.Open(text); err == nil {
		return plain, kind, nil
	}
	box.Purpose = purposes[other]
	if plain, _, otherErr := box.Open(text); otherErr == nil {
		return plain, other, nil
	}
	return nil, kind, err
}

// peek reads the head of a text, which is in the clear: docs/SPEC.md.
func (t *Text) peek(text string) {
	const head, least = 1 + 4 + 4 + 4, 1 + 4 + 4 + 4 + 24 + 16
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	switch {
	case text == "":
		t.Fault, t.Why = "malformed", "it is empty: it drops the cookie"
		return
	case err != nil || strings.ContainsAny(text, "\r\n"):
		t.Fault, t.Why = "malformed", "it is no base64url: it was cut, or something has rewritten it"
		return
	}
	t.Format = int(raw[0])
	switch {
	case raw[0] != 1:
		t.Fault, t.Why = "format", fmt.Sprintf("it has the format %d, which this version does not know", raw[0])
		return
	case len(raw) < head:
		t.Fault, t.Why = "malformed", fmt.Sprintf("it has %d bytes: it was cut short", len(raw))
		return
	}
	t.KeyID, t.Hint = hex.EncodeToString(raw[1:5]), hex.EncodeToString(raw[9:head])
	t.Sealed = &Minute{time.Unix(int64(binary.BigEndian.Uint32(raw[5:]))*60, 0).UTC()}
	if len(raw) < least+128 || (len(raw)-least)%128 != 0 {
		t.Fault, t.Why = "malformed", fmt.Sprintf("it has %d bytes, which no sealed text has: it was cut short", len(raw))
	}
}

// faultOf returns the name of what is wrong with a text, and the same in words.
func faultOf(err error) (fault, why string) {
	unknown := (*seal.UnknownKeyError)(nil)
	switch {
	case errors.As(err, &unknown):
		return "unknown-key", "the keys lack " + unknown.ID.String() + ", which it names"
	case errors.Is(err, seal.ErrAudience):
		return "audience", "it is for another audience: another Backup.Audience, or a cookie of another name, Domain or Path (--audience, --name, --domain, --path)"
	case errors.Is(err, seal.ErrForged):
		return "forged", "the key that it names has not sealed it like this: it was changed, made up, or sealed for something else"
	case errors.Is(err, seal.ErrTooLarge):
		return "too-large", "it is larger than any copy"
	}
	return "malformed", err.Error()
}

func date(millis int64) Date { return Date{time.UnixMilli(millis).UTC()} }

func sessionOf(c state.Copy, o Options) *Session {
	s := &Session{
		ID: c.ID, Created: date(c.State.Created), Authenticated: date(c.State.Authenticated),
		LastSeen: date(c.State.LastSeen), End: date(c.State.End), Confirmed: date(c.Confirmed),
		Vouches: date(c.Confirmed + o.Lease.Milliseconds()), NeverStored: c.NeverStored,
		Unsaved: c.NeverStored || c.State.Entries.Latest() > c.Saved, Supersedes: endedOf(c.Supersedes), Values: []Value{},
	}
	if c.State.Rotated != 0 {
		at := date(c.State.Rotated)
		s.Rotated = &at
	}
	if login, ok := c.State.Login(); ok {
		at := date(login.At)
		s.User, s.LoggedIn = login.User, &at
	}
	for rest := c.State.Entries; len(rest) > 0; {
		var e state.Entry
		e, rest, _ = rest.Cut()
		s.Values = append(s.Values, valueOf(e, o.Reveal))
	}
	return s
}

func valueOf(e state.Entry, reveal bool) Value {
	v := Value{Name: string(e.Name), Flags: []string{}, Rank: e.Flags.Rank(), Size: len(e.Value), Written: Date{e.Dot.Time().UTC()}}
	flag := func(is bool, name string) {
		if is {
			v.Flags = append(v.Flags, name)
		}
	}
	flag(e.Flags.Kind() == state.Deleted, "deleted")
	flag(e.Flags.Kind() == state.Withheld, "withheld")
	flag(e.Flags&state.ServerOnly != 0, "server-only")
	flag(e.Flags&state.Uncompressed != 0, "uncompressed")
	if reveal && e.Flags.Kind() == state.Present && v.Name != state.LoginEntry {
		if text := string(e.Value); isText(text) {
			v.Value = &text
		} else {
			encoded := base64.StdEncoding.EncodeToString(e.Value)
			v.Base64 = &encoded
		}
	}
	return v
}

// isText reports whether a terminal can show s.
func isText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == '\uFFFD' || !strconv.IsPrint(r) && r != '\n' && r != '\t' })
}

func endedOf(l []state.Superseded) []Ended {
	all := []Ended{}
	for _, s := range l {
		e := Ended{ID: s.ID, At: Date{s.Dot.Time().UTC()}, Flags: []string{}}
		for _, f := range []struct {
			is   bool
			name string
		}{
			{s.Predecessor, "predecessor"},
			{s.IfLive, "if-live"},
			{s.Durable, "durable"},
			{s.NeverStored, "never-stored"},
			{s.IfStored, "if-stored"},
		} {
			if f.is {
				e.Flags = append(e.Flags, f.name)
			}
		}
		all = append(all, e)
	}
	return all
}
