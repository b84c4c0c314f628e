package copies

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Open opens the copies that a request with this header carries, and enters the sessions
// that its tombstone cookie names into the journal. For visits see Read. answers says
// that the answer of the request can still set cookies.
func (e *Exchange) Open(ctx context.Context, in http.Header, visits, answers bool) {
	x := e.with
	now := x.Clock.Now()
	e.visits = visits
	e.untrusted = x.StoreOnly()
	e.collect(in)
	ended := e.openEndings(ctx)
	for _, k := range ended {
		sh := x.Shards.Of(k.ID)
		g, known := sh.Tombstone(k.ID)
		ofAnother := g.ByOtherWriter(k) && !g.Conflict && !k.IfLive
		waits := !k.Durable && !k.IfStored && g.OnlyHeard() // the visitor knows of no save
		if !known || ofAnother || waits {
			_ = sh.AddTombstone(ctx, journal.Named(k))
		}
	}
	if e.HasToken {
		id := e.Token.ID()
		e.Read(id, now, visits)
		e.Known = e.open(ctx, id, now)
		if e.Known.Found {
			x.Shards.Carried(id, e.Known.Copy().State.Entries, now)
		}
		if visits && answers && !e.left { // else nobody gives the slot back
			e.enterSlots(id, now)
		}
	}
	e.Known.Ended = ended
	e.opened = now
}

// Turn makes t the token that counts of those that the request carries, after Open. It
// returns what the request carries for it, and a function that undoes it. An Exchange that
// is nil carries nothing.
func (e *Exchange) Turn(t token.Token) (known lookup.Known, back func()) {
	if e == nil {
		return lookup.Known{}, func() {}
	}
	id := t.ID()
	first, brought := e.Token, e.Known
	e.Token, e.Known = t, e.Reopen(id, brought)
	now := e.with.Clock.Now()
	e.Read(id, now, e.visits)
	if e.Known.Found {
		e.with.Shards.Carried(id, e.Known.Copy().State.Entries, now)
	}
	if e.visit != nil {
		e.visit.Also(id)
	}
	return e.Known, func() {
		e.Token, e.Known = first, brought
		e.Read(first.ID(), e.with.Clock.Now(), e.visits)
	}
}

// collect takes the token and the copies out of a request's header, unopened, in one pass.
func (e *Exchange) collect(in http.Header) {
	e.in = backup.RequestCookies{} // a session that is looked for again opens them again
	search := e.jar.Transport.Search()
	for _, line := range in["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			p, line = cookieheader.Next(line)
			e.jar.Cookies.Take(&e.in, p)
			search.Take(p)
		}
	}
	e.Token, e.HasToken = search.Token, search.Found
}

// open reads what the request carries for the session id.
func (e *Exchange) open(ctx context.Context, id string, now time.Time) (w lookup.Known) {
	opened := e.jar.Cookies.Open(&e.in, id)
	for _, f := range opened.Faults {
		e.tell(ctx, id, f)
		if sealedAt, ok := f.SealedAt(); ok {
			if age := now.Sub(sealedAt); age < e.with.MaxLease && age > -2*state.MaxAhead {
				w.Excused = true
				w.Keep |= f.Cookies
			}
		}
	}
	for b := range opened.Copies {
		w.Add(b, now)
	}
	e.brought = opened.Brought(w.Copy().State.Entries)
	return w
}

// openEndings reads the tombstone cookie.
func (e *Exchange) openEndings(ctx context.Context) []state.Superseded {
	l, faults := e.jar.Cookies.OpenEndings(&e.in)
	for _, f := range faults {
		e.tell(ctx, "", f)
	}
	return slices.DeleteFunc(l, e.with.Shards.Forgotten)
}

// tell tells of a fault of the request's cookies when they are opened for the first time.
func (e *Exchange) tell(ctx context.Context, id string, f backup.Fault) {
	if !e.Opened() {
		e.with.Fault(ctx, id, f.Kind, f.Err)
	}
}

// Reopen returns what the request carries for the session id, to which rotations lead
// from the session that its token names. brought is what it carries for that one. Copies
// of other sessions are no faults: Open has reported them.
func (e *Exchange) Reopen(id string, brought lookup.Known) lookup.Known {
	w := lookup.Known{Excused: brought.Excused, Keep: brought.Keep, Ended: brought.Ended}
	if !e.Opened() {
		return w
	}
	opened := e.jar.Cookies.Open(&e.in, id)
	for b := range opened.Copies {
		w.Add(b, e.with.Clock.Now())
	}
	return w
}

// enterSlots registers the request with the slots of the session's cookies, so that
// overlapping answers do not overwrite each other's copies.
func (e *Exchange) enterSlots(id string, now time.Time) {
	if e.visit != nil || e.with.Without.Lacks(mechanism.Overlaps) {
		return
	}
	var few [jar.Most]string // on the stack
	e.visit = e.jar.Slots.Enter(id, e.in.Cookies(), e.in.AppendNames(few[:0]), now)
}
