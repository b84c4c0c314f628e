package copies

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/state"
)

// Build builds the cookies that the answer takes along beside the token's, for the
// session l, at the time now: the request may have gone on for long since Open. due says
// that the session's expiry is put off. others returns how many bytes of the answer's
// header are not for copies; Build calls it only for a copy that it makes. The exchange
// must have been opened.
func (e *Exchange) Build(ctx context.Context, l lookup.Loaded, now time.Time, due bool, others func() int) {
	x := e.with
	e.Out, e.Later = nil, nil
	defer func() { e.Dirty = false }() // the answer takes along what was dirty
	endings, room := e.endingsLine(), x.AnswerSize
	if endings != "" {
		room -= headers.FieldSize("Set-Cookie", endings)
	}
	switch {
	case l.Phase == lookup.Live && e.needsCopy(l, now, due):
		e.buildCopy(ctx, l, room-others())
	case l.Phase != lookup.Live && e.Dirty:
		e.Out = e.jar.Cookies.DropLines(e.in.Cookies())
	}
	if endings != "" {
		e.Out = append(e.Out, endings)
	}
}

// lateAnswers is how long the list of ended sessions travels where the store has all of
// their tombstones: an answer that was under way at a logout has arrived by then, and
// every instance has heard of the logout from the store.
const lateAnswers = time.Minute

// endingsLine returns the line with the list of ended sessions, empty where none ended in
// this request. A list that carries a logout to the store travels until it is there.
func (e *Exchange) endingsLine() string {
	if len(e.Ended) == 0 {
		return ""
	}
	x := e.with
	all := state.JoinSuperseded(e.Known.Ended, e.Ended)
	life := x.Shards.LifeOf(all...)
	if !slices.ContainsFunc(all, func(k state.Superseded) bool { return !k.Durable }) {
		life = min(life, lateAnswers)
	}
	line, err := e.jar.Cookies.EndingsLine(all, x.Clock.Now(), life)
	if err != nil {
		return ""
	}
	return line
}

// attributesMost is more than the attributes of a Set-Cookie line take up.
const attributesMost = 512

// needsCopy reports whether the client needs a new copy: something has changed, the
// expiry is put off, no copy opened, the session holds more than the copies that did,
// or they are worn out and the store has confirmed the session since.
func (e *Exchange) needsCopy(l lookup.Loaded, now time.Time, due bool) bool {
	return e.Dirty || due || !e.Known.Found || !e.Known.Copy().State.Entries.Covers(l.State.Entries) ||
		e.wornOut(now) && l.Confirmed > e.Known.Copy().Confirmed
}

// buildCopy builds the cookies that carry a copy of the session, in room bytes of
// the answer's header where that is possible. It may leave out values that the store
// has, for lack of room, and never those that the store lacks.
func (e *Exchange) buildCopy(ctx context.Context, l lookup.Loaded, room int) {
	x, now := e.with, e.with.Clock.Now()
	b := l.Copy
	b.State, b.Supersedes = l.State.Seen(now), slices.DeleteFunc(slices.Clone(l.Supersedes), x.Shards.Forgotten)
	if x.Without.Lacks(mechanism.EarlyStamp) && l.Source == lookup.FromStore {
		b.Confirmed = now.UnixMilli()
	}
	e.enterSlots(l.ID, now)
	end := x.Storage.CookieEnd(&l.State)
	most, stays := e.narrow(l, b, room, end)
	if stays {
		return
	}
	sealed, err := e.pack(l, b, now, most)
	if err != nil {
		e.dropCopies(ctx, l, err)
		return
	}
	if e.name == "" {
		e.name = jar.NewName()
	}
	e.placeCopy(l, b, sealed.Text, now, end)
	if over := headers.SetCookieSize(e.Out) - room; over > 0 && l.InStore() {
		most = e.jar.Cookies.Size(len(sealed.Text)) - over // for deletions, or another cookie
		if smaller, err := e.pack(l, b, now, most); err == nil {
			sealed = smaller
			e.placeCopy(l, b, sealed.Text, now, end)
		}
	}
	if refused := headers.SetCookieSize(e.Out) > room+x.Margin; refused && l.InStore() {
		e.dropCopies(ctx, l, errNoRoom)
		return
	}
	if len(sealed.Withheld) > 0 {
		x.Fault(ctx, l.ID, backup.Partial, &backup.WithheldError{Values: sealed.Withheld, Room: min(most, x.CopySize), Most: x.CopySize})
	}
	e.jar.Cookies.Remember(sealed)
	if len(e.Out) > 0 { // else older copies stay
		x.Built.Add(1)
		x.BuiltBytes.Add(uint64(e.jar.Cookies.Size(len(sealed.Text))))
	}
}

// Room returns how many bytes of cookies a copy of a session that ends at that time may take
// up in an answer of whose header others bytes are not for copies, so that proxies take it.
func (e *Exchange) Room(end time.Time, others int) int {
	room := e.with.AnswerSize + e.with.Margin - others
	if endings := e.endingsLine(); endings != "" {
		room -= headers.FieldSize("Set-Cookie", endings)
	}
	return e.mostIn(room, end)
}

// mostIn returns how many bytes of cookies a copy may take up in room bytes of an answer's
// header, beside the deletions that the copy may need.
func (e *Exchange) mostIn(room int, end time.Time) int {
	x := e.with
	if e.Opened() && e.in.Size(e.in.Cookies())+x.CopySize > e.jar.Cookies.Budget {
		room -= headers.SetCookieSize(e.jar.Cookies.DropLines(1<<jar.Most - 1))
	}
	return e.jar.Cookies.MostIn(room, end)
}

// CheckRoom returns why cookies of most bytes, and no more than a copy may take up, cannot
// take a copy with all that the store lacks.
func (x *Exchanger) CheckRoom(b state.Copy, most int) error {
	err := x.Cookies.CheckRoom(b, min(most, x.CopySize))
	if err == nil && x.Plain != nil {
		err = x.Plain.Cookies.CheckRoom(b, min(most, x.CopySize))
	}
	var withheld *backup.WithheldError
	if errors.As(err, &withheld) {
		withheld.Most = x.CopySize
	}
	return err
}

// narrow returns how many bytes of cookies the copy b of l may take up in room bytes of the
// answer's header. stays says that there is no room for what the store lacks, and the
// client's copy has it already.
func (e *Exchange) narrow(l lookup.Loaded, b state.Copy, room int, end time.Time) (most int, stays bool) {
	x := e.with
	most = x.CopySize
	switch tight := room < most+attributesMost; {
	case !tight:
		return most, false
	case l.InStore():
		return min(most, room-e.jar.Cookies.LineOverhead(end)), false
	}
	here := min(most, e.mostIn(room+x.Margin, end))
	if here == most || x.CheckRoom(b, here) == nil {
		return here, false
	}
	return most, e.Known.Found && e.Known.Copy().State.Entries.Covers(l.State.Entries)
}

// errNoRoom is the fault of an answer that a proxy would refuse with any copy.
var errNoRoom = errors.New("session: the other fields of the answer leave no room for a copy, even without its values")

// dropCopies drops the copies that the client has, where no copy of the present state can
// be sent: an older copy would hold values that were replaced.
func (e *Exchange) dropCopies(ctx context.Context, l lookup.Loaded, why error) {
	e.with.Fault(ctx, l.ID, backup.TooLarge, why)
	e.Out, e.Later = e.jar.Cookies.DropLines(e.in.Cookies()), nil
}

// pack seals a copy of l, b, that takes up no more than most bytes of cookies. Where that
// is too little even for a copy without values, pack seals such a copy all the same,
// because it still vouches for its session. A copy with writes that the store lacks may
// take up MinBudget then.
func (e *Exchange) pack(l lookup.Loaded, b state.Copy, now time.Time, most int) (backup.Packed, error) {
	cookies, brought := e.jar.Cookies, e.brought
	sealed, err := cookies.Pack(b, brought, now, most)
	least := backup.MinBudget
	if err == nil || most >= least {
		return sealed, err
	}
	if l.InStore() {
		least = min(least, cookies.Least(b))
	}
	return cookies.Pack(b, brought, now, least)
}

// placeCopy decides in which cookies a sealed copy goes, and which are dropped.
func (e *Exchange) placeCopy(l lookup.Loaded, b state.Copy, text string, now, end time.Time) {
	cookies, in := e.jar.Cookies, &e.in
	parts, size := cookies.Parts(len(text)), cookies.Size(len(text))
	set, drop := jar.Mask(1<<parts-1), in.Cookies()
	if e.visit != nil {
		e.visit.Also(l.ID)
		for _, k := range b.Supersedes { // a request of the predecessor may still be under way
			e.visit.Also(k.ID)
		}
		set, drop = e.visit.Take(e.name, parts, now)
	}
	if e.holdsUnread(l) {
		fits := in.Size(in.Cookies())+size <= cookies.Budget
		if !fits || set&in.Cookies() != 0 {
			e.Out, e.Later = nil, nil
			return
		}
		drop = 0
	}
	if l.Away() {
		drop &^= e.Known.Keep // another instance may be able to open it
	}
	stay := in.Cookies() &^ set &^ drop
	must := in.Size(stay|drop)+size > cookies.Budget
	if in.Size(stay)+size > cookies.Budget {
		// These cookies may be planted, or of an instance with a larger budget. They
		// are dropped in any case: a Cookie line that is too long makes the server
		// refuse every request.
		drop |= stay
	}
	var drops []string
	e.Out, drops = cookies.Lines(e.name, text, set, drop, end)
	e.Later = nil
	if must {
		e.Out = append(drops, e.Out...)
	} else {
		e.Later = drops
	}
}

// holdsUnread reports whether the request carried copies of the session that hold what
// the session lacks, because the operator trusts no copy now, or trusted none when the session
// was read. They may have what the store lacks, and stay until a request reads them.
func (e *Exchange) holdsUnread(l lookup.Loaded) bool {
	unread := e.untrusted || e.with.StoreOnly()
	return unread && e.Known.Found && e.Known.Copy().ID == l.ID && !l.State.Entries.Covers(e.Known.Copy().State.Entries)
}
