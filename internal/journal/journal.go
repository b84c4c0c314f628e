// Package journal keeps what a process owes a shard of its store while the shard
// does not answer, and which sessions have ended there, as far as the process
// knows. It decides nothing that needs the store: what follows from an entry is
// returned, and the caller acts on it.
package journal

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/session/internal/state"
)

// Journal holds what one shard lacks, as hints, and every tombstone that this
// process made or saw there, for as long as a tombstone lives. It is in memory
// only: after a crash the states and tombstones are still in the cookies and in
// the journals of other instances.
//
// A Journal does no I/O and has no clock and no goroutine. Any number of
// goroutines may use it. The zero Journal is not usable: see New.
type Journal struct {
	ledger *Ledger // of all journals together

	mu         sync.RWMutex // guards all below
	hints      map[string]*list.Element
	hintsByAge list.List // of *Hint, the oldest first
	tombstones map[string]*list.Element
	verified   list.List // of *Tombstone, the first to expire first
	unverified list.List // of *Tombstone that are Unverified, likewise
	pending    int       // tombstones that the store lacks
	again      int       // those of them that it had before it lost its memory
	Tally
}

// New returns an empty journal whose size and figures also count in l.
func New(l *Ledger) *Journal { return &Journal{ledger: l} }

// Hint is a state that the store lacks and that is to be delivered: a hinted
// handoff, as in Amazon's Dynamo (DeCandia et al., 2007).
type Hint struct {
	state.Copy
	version int // grows with each write to it
}

// What an element of the journal takes up, besides its values: measured, with
// the maps' and lists' share; a tombstone with the 96 bytes of a link on top.
const (
	hintSize      = 512
	TombstoneSize = 416
)

// Ledger is the size of several journals together, in bytes, and what became of
// what they held. The zero Ledger is empty.
type Ledger struct {
	Bytes atomic.Int64
	Tally
}

// Tally counts what has left a journal for good: what the shard has taken, and
// what was dropped although the shard lacks it.
type Tally struct{ Delivered, Lost atomic.Uint64 }

func (d *Hint) size() int64 { return hintSize + int64(len(d.State.Entries)) }

// countDeliveredLocked counts something that the shard has taken.
func (j *Journal) countDeliveredLocked() {
	j.Delivered.Add(1)
	j.ledger.Delivered.Add(1)
}

// countLostLocked counts something that was dropped and that the shard lacks.
func (j *Journal) countLostLocked() {
	j.Lost.Add(1)
	j.ledger.Lost.Add(1)
}

// Tombstone returns the tombstone of a session, if it has ended as far as this
// process knows.
func (j *Journal) Tombstone(id string) (Tombstone, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.tombstones[id]; e != nil {
		return *e.Value.(*Tombstone), true
	}
	return Tombstone{}, false
}

// Copy returns what the store lacks of a session.
func (j *Journal) Copy(id string) (state.Copy, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.hints[id]; e != nil {
		return e.Value.(*Hint).Copy, true
	}
	return state.Copy{}, false
}

// Add keeps a state that the store lacks until it is delivered, joined with what
// is kept of the session already. Where the session has ended it keeps nothing
// and returns the tombstone.
func (j *Journal) Add(b state.Copy) (ended Tombstone, dead bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.tombstones[b.ID]; e != nil {
		return *e.Value.(*Tombstone), true
	}
	d := &Hint{Copy: b}
	if e := j.hints[b.ID]; e != nil {
		d = e.Value.(*Hint)
		j.ledger.Bytes.Add(-d.size())
		d.State = state.Join(d.State, b.State)
		d.Confirmed = max(d.Confirmed, b.Confirmed)
		d.Saved = min(d.Saved, b.Saved)
		d.Supersedes = state.JoinSuperseded(d.Supersedes, b.Supersedes)
		d.Born = d.Born || b.Born
		d.NeverStored = d.NeverStored && b.NeverStored
		d.version++
		j.hintsByAge.MoveToBack(e)
	} else {
		if j.hints == nil {
			j.hints = make(map[string]*list.Element)
		}
		j.hints[b.ID] = j.hintsByAge.PushBack(d)
	}
	j.ledger.Bytes.Add(d.size())
	return Tombstone{}, false
}

// Added is what became of a tombstone, and what the caller has to do about it.
type Added struct {
	Tombstone Tombstone  // as it stands now, merged with what was known
	AlsoEnd   []string   // sessions that another hand's tombstone ends too
	Line      bool       // what rotations made of the session ends too, and was not asked for before
	Owed      state.Copy // what the store still lacked of the session: it is owed no more
	wasOwed   bool
}

// AddTombstone enters t, merged with what is known of the session. What the store
// lacked of the session leaves the journal: it is lost unless keeps, which is
// called with the journal locked, reports that nothing is lost with it. Where the
// store lacks the tombstone, unpaid is called with the journal locked: a breaker
// that it tells cannot let the shard serve before it knows.
func (j *Journal) AddTombstone(g Tombstone, unpaid func(), keeps func(state.Copy, Tombstone) bool) (b Added) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.tombstones[g.ID]; e != nil {
		old := *e.Value.(*Tombstone)
		b.Line = g.Pending && g.Line && !old.Line
		g, b.AlsoEnd = g.merge(old)
		j.removeLocked(e)
		j.ledger.Bytes.Add(-TombstoneSize)
	}
	if j.tombstones == nil {
		j.tombstones = make(map[string]*list.Element)
	}
	b.Tombstone = g
	j.tombstones[g.ID] = j.listLocked(&g).PushBack(&g)
	j.ledger.Bytes.Add(TombstoneSize)
	if g.Pending {
		j.pending++
		unpaid()
	}
	if g.Again {
		j.again++
	}
	if e := j.hints[g.ID]; e != nil {
		b.Owed, b.wasOwed = e.Value.(*Hint).Copy, true
		if !keeps(b.Owed, b.Tombstone) {
			j.countLostLocked()
		}
		j.removeHintLocked(e)
	}
	return b
}

// removeLocked takes a tombstone out of the lists.
func (j *Journal) removeLocked(e *list.Element) {
	g := e.Value.(*Tombstone)
	j.listLocked(g).Remove(e)
	delete(j.tombstones, g.ID)
	j.settleLocked(g)
}

// settleLocked notes that the store does not lack t any more, or that t is
// dropped.
func (j *Journal) settleLocked(g *Tombstone) {
	if g.Pending {
		j.pending--
	}
	if g.Again {
		j.again--
	}
	g.Pending, g.Again = false, false
}

func (j *Journal) listLocked(g *Tombstone) *list.List {
	if g.Unverified {
		return &j.unverified
	}
	return &j.verified
}

// knownLocked yields all tombstones.
func (j *Journal) knownLocked(yield func(*Tombstone) bool) {
	for _, l := range []*list.List{&j.verified, &j.unverified} {
		for e := l.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(*Tombstone)) {
				return
			}
		}
	}
}

// removeHintLocked drops a hint.
func (j *Journal) removeHintLocked(e *list.Element) {
	d := j.hintsByAge.Remove(e).(*Hint)
	delete(j.hints, d.ID)
	j.ledger.Bytes.Add(-d.size())
}

// Owes reports whether the store lacks anything.
func (j *Journal) Owes() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.pending > 0 || len(j.hints) > 0
}

// PendingTombstones returns the tombstones that the store lacks.
func (j *Journal) PendingTombstones() (out []Tombstone) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.pending == 0 {
		return nil
	}
	for g := range j.knownLocked {
		if g.Pending {
			out = append(out, *g)
		}
	}
	return out
}

// Hints returns the states that the store lacks, the oldest first.
func (j *Journal) Hints() (out []Hint) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for e := j.hintsByAge.Front(); e != nil; e = e.Next() {
		out = append(out, *e.Value.(*Hint))
	}
	return out
}

// Waiting reports whether a tombstone waits that the shard has refused fewer than
// most times, and whether one of those can be written without a look at another
// session. Where none waits, paid is called with the journal locked, so that none
// is added in between.
func (j *Journal) Waiting(most int, paid func()) (waiting, blind bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pending > 0 {
		for g := range j.knownLocked {
			if g.Pending && g.tries < most {
				waiting, blind = true, blind || g.Successor == "" && !g.IfLive
			}
		}
	}
	if !waiting {
		paid()
	}
	return waiting, blind
}

// Refused counts an attempt to deliver a tombstone that failed.
func (j *Journal) Refused(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.tombstones[id]; e != nil {
		e.Value.(*Tombstone).tries++
	}
}

// Arrived notes that the shard has taken t, which the journal held with the death
// known. A tombstone that has changed since then is still pending.
func (j *Journal) Arrived(g Tombstone, known state.Death) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.tombstones[g.ID]
	if e == nil {
		return
	}
	now := e.Value.(*Tombstone)
	if !now.Pending || now.Death != known || now.Successor != g.Successor {
		return
	}
	if now.NeverDelivered() {
		j.countDeliveredLocked()
	}
	j.removeLocked(e)
	now.Successor = ""                          // which may live, or is dead
	now.Unverified, now.IfStored = false, false // the store had it
	j.tombstones[g.ID] = j.listLocked(now).PushBack(now)
}

// NothingToEnd notes that the shard holds nothing under the ID of an IfStored
// tombstone. The journal keeps it, among those that are dropped first.
func (j *Journal) NothingToEnd(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.tombstones[id]; e != nil {
		if g := e.Value.(*Tombstone); g.IfStored {
			j.settleLocked(g)
		}
	}
}

// Remove drops a hint that was delivered, or else is lost for good, unless the
// session was written again since Hints returned it.
func (j *Journal) Remove(d Hint, delivered bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.hints[d.ID]
	if e == nil || e.Value.(*Hint).version != d.version {
		return
	}
	j.removeHintLocked(e)
	if delivered {
		j.countDeliveredLocked()
	} else {
		j.countLostLocked()
	}
}

// Republish notes that the shard has lost its data. All tombstones become pending
// again if publish is set. unpaid is called with the journal locked if any is
// pending then.
func (j *Journal) Republish(publish bool, unpaid func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for g := range j.knownLocked {
		if g.IfStored && !g.Pending {
			continue // the shard had nothing to end before it lost its memory, either
		}
		g.IfStored = false // that it has nothing says nothing any more
		if !g.Pending && publish {
			g.Pending, g.Again = true, true
			j.pending++
			j.again++
		}
	}
	if j.pending > 0 {
		unpaid()
	}
}

// Drain takes everything out of the journal, and returns it.
func (j *Journal) Drain() (tombstones []Tombstone, hints []state.Copy) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for g := range j.knownLocked {
		tombstones = append(tombstones, *g)
	}
	j.ledger.Bytes.Add(-TombstoneSize * int64(len(tombstones)))
	for e := j.hintsByAge.Front(); e != nil; e = j.hintsByAge.Front() {
		hints = append(hints, e.Value.(*Hint).Copy)
		j.removeHintLocked(e)
	}
	j.tombstones, j.pending, j.again = nil, 0, 0
	j.verified.Init()
	j.unverified.Init()
	return tombstones, hints
}

// Expire drops the tombstones whose Until has passed, but for pending ones. now is
// in Unix milliseconds.
func (j *Journal) Expire(now int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range []*list.List{&j.verified, &j.unverified} {
		for e := l.Front(); e != nil; {
			g, next := e.Value.(*Tombstone), e.Next()
			if g.Until > now {
				break
			}
			if !g.Pending {
				j.removeLocked(e)
				j.ledger.Bytes.Add(-TombstoneSize)
			}
			e = next
		}
	}
}

// CanMakeRoom reports whether the journal holds anything but pending tombstones of
// sessions that were seen.
func (j *Journal) CanMakeRoom() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return len(j.hints) > 0 || j.unverified.Len() > 0 || j.pending < len(j.tombstones)
}

// DropUnverified drops the oldest Unverified tombstone.
func (j *Journal) DropUnverified() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.unverified.Front()
	if e == nil {
		return false
	}
	if e.Value.(*Tombstone).NeverDelivered() {
		j.countLostLocked()
	}
	j.removeLocked(e)
	j.ledger.Bytes.Add(-TombstoneSize)
	return true
}

// DropHint drops the oldest hint, and returns the ID of its session.
func (j *Journal) DropHint() (id string, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.hintsByAge.Front()
	if e == nil {
		return "", false
	}
	id = e.Value.(*Hint).ID
	j.removeHintLocked(e)
	j.countLostLocked()
	return id, true
}

// DropTombstone drops the oldest tombstone that the store has.
func (j *Journal) DropTombstone() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for e := j.verified.Front(); e != nil; e = e.Next() {
		if !e.Value.(*Tombstone).Pending {
			j.removeLocked(e)
			j.ledger.Bytes.Add(-TombstoneSize)
			return true
		}
	}
	return false
}

// Stats are what a journal holds, and what has left it for good.
type Stats struct {
	States, Tombstones int // that the store lacks; tombstones it never had
	Again              int // tombstones that it had, and lost
	Known              int // all tombstones
	Delivered, Lost    uint64
}

// Stats returns the figures as they are now.
func (j *Journal) Stats() Stats {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return Stats{
		States: len(j.hints), Tombstones: j.pending - j.again, Again: j.again, Known: len(j.tombstones),
		Delivered: j.Delivered.Load(), Lost: j.Lost.Load(),
	}
}

// Add adds the figures of another journal.
func (s *Stats) Add(n Stats) {
	s.States += n.States
	s.Tombstones += n.Tombstones
	s.Again += n.Again
	s.Known += n.Known
	s.Delivered += n.Delivered
	s.Lost += n.Lost
}
