package backup

import (
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// FaultKind is what is wrong with a copy.
type FaultKind uint8

// The kinds of faults: of the cookies of a request, and then of a copy that is needed or
// made. They have the order of session.BackupFault.
const (
	Forged     FaultKind = iota + 1 // not sealed by the key that it names, or damaged
	Malformed                       // no sealed text, of an unknown format, or larger than any of ours
	UnknownKey                      // sealed by a key that is not among the keys
	Foreign                         // of another session
	Audience                        // of another audience, by its own account
	Stale                           // needed, and it does not vouch any more
	Incomplete                      // parts are missing
	Partial                         // made, without values for which there is no room
	TooLarge                        // not made, for lack of room
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
	first *kept // nil: there is none
	more  []*kept
}

// Brought is what a client has, for Pack: what travels again need not be news, and
// need not be compressed again. The zero Brought is nothing.
type Brought struct {
	entries state.Entries
	first   *kept
}

// Brought returns what the client has. entries are those of its copies, joined.
func (o *Opened) Brought(entries state.Entries) Brought {
	return Brought{entries, o.first}
}

// Copies yields the copies of the session that was asked for. Nobody may alter them.
func (o *Opened) Copies(yield func(*state.Copy) bool) {
	if o.first == nil || !yield(&o.first.Copy) {
		return
	}
	for _, b := range o.more {
		if !yield(&b.Copy) {
			return
		}
	}
}

func (o *Opened) add(b *kept) {
	if o.first != nil {
		o.more = append(o.more, b)
		return
	}
	o.first = b
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
func (c *Cookies) open(sealed jar.Copy) (*kept, error) {
	sum, generation := sumOf(sealed.Pieces()...), c.Copies.Keys.Generation()
	if b, ok := c.opened.get(sum, generation); ok {
		return b, nil
	}
	b, err := c.openText(sealed.Text())
	if err == nil {
		c.opened.put(sum, generation, b)
	}
	return &b, err
}

// openText returns the copy that a text was sealed from.
func (c *Cookies) openText(text string) (k kept, err error) {
	c.opens.Add(1)
	plain, _, err := c.Copies.Open(text)
	if err != nil {
		return kept{}, err
	}
	return decode(plain)
}

// Decode returns the copy of the plaintext of a sealed copy, docs/SPEC.md. The error is
// state.ErrCorrupt, names the format, or says that a value does not decompress.
func Decode(plain []byte) (state.Copy, error) {
	k, err := decode(plain)
	return k.Copy, err
}

// DecodeEndings returns the list of the plaintext of a tombstone cookie. The error is
// state.ErrCorrupt.
func DecodeEndings(plain []byte) ([]state.Superseded, error) {
	if len(plain) == 0 || plain[0] != state.FormatV1 {
		return nil, state.ErrCorrupt
	}
	l, rest, ok := state.CutSuperseded(plain[1:])
	if !ok || len(rest) > 0 {
		return nil, state.ErrCorrupt
	}
	return l, nil
}

// decode is Decode, with what the values were compressed to.
func decode(plain []byte) (k kept, err error) {
	k.Copy, err = state.DecodePacked(plain, maxPlain, func(name, body []byte, most int) ([]byte, error) {
		k.deflated = append(k.deflated, deflated{string(name), body})
		return seal.Flate.Decompress(nil, body, most)
	})
	return k, err
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
	return DecodeEndings(plain)
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
