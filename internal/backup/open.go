package backup

import (
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// FaultKind is what is wrong with the cookies of a request.
type FaultKind uint8

// The kinds of faults.
const (
	Forged     FaultKind = iota + 1 // not sealed by the key that it names, or damaged
	Malformed                       // no sealed text, of an unknown format, or larger than any of ours
	UnknownKey                      // sealed by a key that is not among the keys
	Foreign                         // of another session
	Audience                        // of another audience, by its own account
	Incomplete                      // parts are missing
)

// Fault is one thing that is wrong with the cookies of a request.
type Fault struct {
	Kind    FaultKind
	Err     error
	Cookies jar.Mask // in which the copy lay, where there is a whole one
}

// SealedAt returns when a copy with an UnknownKey was sealed, by its own account,
// which is not authenticated.
func (f Fault) SealedAt() (time.Time, bool) {
	var unknown *seal.UnknownKeyError
	if !errors.As(f.Err, &unknown) {
		return time.Time{}, false
	}
	return unknown.SealedAt, true
}

// Opened is what the copies in a request's cookies came to.
type Opened struct {
	Faults []Fault

	// The copies of the session that was asked for. Most requests carry one, and
	// reading it must not allocate.
	found bool
	first state.Copy
	more  []state.Copy
}

// Copies yields the copies of the session that was asked for.
func (o *Opened) Copies(yield func(state.Copy) bool) {
	if !o.found || !yield(o.first) {
		return
	}
	for _, b := range o.more {
		if !yield(b) {
			return
		}
	}
}

func (o *Opened) add(b state.Copy) {
	if o.found {
		o.more = append(o.more, b)
		return
	}
	o.found, o.first = true, b
}

var (
	errIncomplete = errors.New("session: parts of a backup are missing")
	errOversized  = errors.New("session: a cookie of a backup's name is larger than a backup can be")
	errForeign    = errors.New("session: a backup of another session")
)

// Open returns the copies of the session id that a request carried, and what is
// wrong with the request's other cookies of our names.
func (c *Cookies) Open(in *RequestCookies, id string) (out Opened) {
	if in.parts.Incomplete() {
		out.Faults = append(out.Faults, Fault{Kind: Incomplete, Err: errIncomplete})
	}
	for range in.oversized {
		out.Faults = append(out.Faults, Fault{Kind: Malformed, Err: errOversized})
	}
	for sealed := range in.parts.Copies {
		if sealed.Len() > MaxBudget { // no instance seals so much, whatever its Budget
			out.Faults = append(out.Faults, Fault{Kind: Malformed, Err: errOversized, Cookies: sealed.Cookies})
			continue
		}
		b, err := c.open(sealed)
		switch {
		case err != nil:
			out.Faults = append(out.Faults, Fault{Kind: kindOf(err), Err: err, Cookies: sealed.Cookies})
		case b.ID != id:
			out.Faults = append(out.Faults, Fault{Kind: Foreign, Err: errForeign, Cookies: sealed.Cookies})
		default:
			out.add(b)
		}
	}
	return out
}

// open returns the copy of a text, from the cache where it is there.
func (c *Cookies) open(sealed jar.Copy) (state.Copy, error) {
	sum, generation := sumOf(sealed.Pieces()...), c.Copies.Keys.Generation()
	if b, ok := c.opened.get(sum, generation); ok {
		return b, nil
	}
	plain, _, err := c.Copies.Open(sealed.Text())
	if err != nil {
		return state.Copy{}, err
	}
	b, err := state.DecodeCopy(plain)
	if err == nil {
		c.opened.put(sum, generation, b)
	}
	return b, err
}

// OpenEndings returns the sessions that the lists in a request's cookies say have
// ended, and what is wrong with the lists that do not open.
func (c *Cookies) OpenEndings(in *RequestCookies) (ended []state.Superseded, faults []Fault) {
	for _, text := range in.endings {
		l, err := c.openEndings(text)
		if err != nil {
			faults = append(faults, Fault{Kind: kindOf(err), Err: err})
			continue
		}
		ended = state.JoinSuperseded(ended, l)
	}
	return ended, faults
}

func (c *Cookies) openEndings(text string) ([]state.Superseded, error) {
	plain, _, err := c.Endings.Open(text)
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 || plain[0] != state.FormatV1 {
		return nil, state.ErrCorrupt
	}
	l, rest, ok := state.CutSuperseded(plain[1:])
	if !ok || len(rest) > 0 {
		return nil, state.ErrCorrupt
	}
	return l, nil
}

// kindOf returns what is wrong with a text that does not open.
func kindOf(err error) FaultKind {
	switch {
	case errors.As(err, new(*seal.UnknownKeyError)):
		return UnknownKey
	case errors.Is(err, seal.ErrAudience):
		return Audience
	case errors.Is(err, seal.ErrForged):
		return Forged
	}
	return Malformed
}
