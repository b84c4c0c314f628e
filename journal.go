package session

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/session/internal/state"
)

// journal is what this process owes one shard of the store, and the ring: every
// tombstone that it made or saw there, for as long as a tombstone lives. It is
// in memory only. What a crash takes is still in the cookies and in the
// journals of other instances.
//
// It asks nobody, and has no clock and no goroutine. Any number of goroutines
// may use it.
type journal struct {
	ledger *ledger // of all journals together

	mu       sync.RWMutex // guards all below
	debts    map[string]*list.Element
	oldDebts list.List // of *debt, the oldest first
	graves   map[string]*list.Element
	ring     list.List // of *grave, the first to be forgotten first
	weak     list.List // of *grave that are weak, likewise
	unburied int       // graves that the store lacks
	again    int       // those of them that it had before it lost its memory
	tally
}

// newJournal returns an empty journal, whose size counts in l.
func newJournal(l *ledger) *journal { return &journal{ledger: l} }

// debt is a state that the store lacks.
type debt struct {
	state.Copy
	version int // grows with each write to it
}

// What an element of the journal takes up, besides its values: measured, with
// the maps' and lists' share; a tombstone with the 96 bytes of a link on top.
const (
	debtSize  = 512
	graveSize = 416
)

// ledger is the size of all journals of a Manager together, and what became of
// what they held.
type ledger struct {
	size atomic.Int64
	tally
}

// tally counts what has left a journal for good.
type tally struct{ delivered, lost atomic.Uint64 }

func (d *debt) size() int64 { return debtSize + int64(len(d.State.Entries)) }

// arrivedLocked counts something that the shard has taken.
func (j *journal) arrivedLocked() {
	j.delivered.Add(1)
	j.ledger.delivered.Add(1)
}

// loseLocked counts something that was dropped and that the shard lacks.
func (j *journal) loseLocked() {
	j.lost.Add(1)
	j.ledger.lost.Add(1)
}

// buried returns the tombstone of a session, if it has ended as far as this
// process knows.
func (j *journal) buried(id string) (grave, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.graves[id]; e != nil {
		return *e.Value.(*grave), true
	}
	return grave{}, false
}

// owed returns what the store lacks of a session.
func (j *journal) owed(id string) (state.Copy, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.debts[id]; e != nil {
		return e.Value.(*debt).Copy, true
	}
	return state.Copy{}, false
}

// owe keeps a state that the store lacks until it is delivered. Where the
// session has ended meanwhile it keeps nothing, and returns the tombstone.
func (j *journal) owe(b state.Copy) (ended grave, dead bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.graves[b.ID]; e != nil {
		return *e.Value.(*grave), true
	}
	d := &debt{Copy: b}
	if e := j.debts[b.ID]; e != nil {
		d = e.Value.(*debt)
		j.ledger.size.Add(-d.size())
		d.State = state.Join(d.State, b.State)
		d.Confirmed = max(d.Confirmed, b.Confirmed)
		d.Saved = min(d.Saved, b.Saved)
		d.Supersedes = state.JoinSuperseded(d.Supersedes, b.Supersedes)
		d.Born = d.Born || b.Born
		d.NeverStored = d.NeverStored && b.NeverStored
		d.version++
		j.oldDebts.MoveToBack(e)
	} else {
		if j.debts == nil {
			j.debts = make(map[string]*list.Element)
		}
		j.debts[b.ID] = j.oldDebts.PushBack(d)
	}
	j.ledger.size.Add(d.size())
	return grave{}, false
}

// burial is what became of a tombstone that was entered.
type burial struct {
	grave   grave      // as it stands now, merged with what was known
	ended   []string   // sessions that another hand's tombstone ends too
	line    bool       // what rotations made of the session ends too, and was not asked for before
	owed    state.Copy // what the store still lacked of the session: it is owed no more
	wasOwed bool
}

// bury enters a tombstone. unpaid is called with the journal locked where the
// store lacks it, so that nobody sees the shard serve in between. keeps reports
// of what the store lacked of the session whether it lives on, under another ID;
// what does not is lost.
func (j *journal) bury(g grave, unpaid func(), keeps func(state.Copy, grave) bool) (b burial) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.graves[g.id]; e != nil {
		old := *e.Value.(*grave)
		b.line = g.pending && g.line && !old.line
		g, b.ended = g.onto(old)
		j.unburyLocked(e)
		j.ledger.size.Add(-graveSize)
	}
	if j.graves == nil {
		j.graves = make(map[string]*list.Element)
	}
	b.grave = g
	j.graves[g.id] = j.listLocked(&g).PushBack(&g)
	j.ledger.size.Add(graveSize)
	if g.pending {
		j.unburied++
		unpaid()
	}
	if g.again {
		j.again++
	}
	if e := j.debts[g.id]; e != nil {
		b.owed, b.wasOwed = e.Value.(*debt).Copy, true
		if !keeps(b.owed, b.grave) {
			j.loseLocked()
		}
		j.forgiveLocked(e)
	}
	return b
}

// unburyLocked takes a grave out of the lists.
func (j *journal) unburyLocked(e *list.Element) {
	g := e.Value.(*grave)
	j.listLocked(g).Remove(e)
	delete(j.graves, g.id)
	j.settleLocked(g)
}

// settleLocked notes that the store does not lack g any more, or that g is
// dropped.
func (j *journal) settleLocked(g *grave) {
	if g.pending {
		j.unburied--
	}
	if g.again {
		j.again--
	}
	g.pending, g.again = false, false
}

func (j *journal) listLocked(g *grave) *list.List {
	if g.weak {
		return &j.weak
	}
	return &j.ring
}

// knownLocked yields all graves.
func (j *journal) knownLocked(yield func(*grave) bool) {
	for _, l := range []*list.List{&j.ring, &j.weak} {
		for e := l.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(*grave)) {
				return
			}
		}
	}
}

// forgiveLocked drops a debt.
func (j *journal) forgiveLocked(e *list.Element) {
	d := j.oldDebts.Remove(e).(*debt)
	delete(j.debts, d.ID)
	j.ledger.size.Add(-d.size())
}

// inDebt reports whether the store lacks anything.
func (j *journal) inDebt() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.unburied > 0 || len(j.debts) > 0
}

// pendingGraves returns the tombstones that the store lacks.
func (j *journal) pendingGraves() (out []grave) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.unburied == 0 {
		return nil
	}
	for g := range j.knownLocked {
		if g.pending {
			out = append(out, *g)
		}
	}
	return out
}

// pendingDebts returns the states that the store lacks, the oldest first.
func (j *journal) pendingDebts() (out []debt) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for e := j.oldDebts.Front(); e != nil; e = e.Next() {
		out = append(out, *e.Value.(*debt))
	}
	return out
}

// waiting reports whether a tombstone waits that was refused less than most
// times, and whether one of those could be written without asking anything.
// Where none waits, paid is called with the journal locked, so that none comes
// in between.
func (j *journal) waiting(most int, paid func()) (waiting, blind bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unburied > 0 {
		for g := range j.knownLocked {
			if g.pending && g.tries < most {
				waiting, blind = true, blind || g.heir == "" && !g.gentle
			}
		}
	}
	if !waiting {
		paid()
	}
	return waiting, blind
}

// tried counts an attempt to deliver a tombstone that failed.
func (j *journal) tried(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.graves[id]; e != nil {
		e.Value.(*grave).tries++
	}
}

// arrive notes that the shard has the tombstone g, whose death was known before
// it was delivered. What has changed since is still owed.
func (j *journal) arrive(g grave, known state.Death) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.graves[g.id]
	if e == nil {
		return
	}
	now := e.Value.(*grave)
	if !now.pending || now.death != known || now.heir != g.heir {
		return
	}
	if now.owed() {
		j.arrivedLocked()
	}
	j.unburyLocked(e)
	now.heir = ""                         // which may live, or is dead
	now.weak, now.ifStored = false, false // the store had it
	j.graves[g.id] = j.listLocked(now).PushBack(now)
}

// settleNobody notes that the shard has nothing to end under an ID. The process
// goes on knowing that it has ended, among what goes first.
func (j *journal) settleNobody(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.graves[id]; e != nil {
		if g := e.Value.(*grave); g.ifStored {
			j.settleLocked(g)
		}
	}
}

// paid drops a debt that was delivered, or lost for good, unless more has been
// written to the session since.
func (j *journal) paid(d debt, delivered bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.debts[d.ID]
	if e == nil || e.Value.(*debt).version != d.version {
		return
	}
	j.forgiveLocked(e)
	if delivered {
		j.arrivedLocked()
	} else {
		j.loseLocked()
	}
}

// forgot notes that the shard has lost its memory: all tombstones, if publish,
// are pending again. unpaid is called with the journal locked if any is.
func (j *journal) forgot(publish bool, unpaid func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for g := range j.knownLocked {
		if g.ifStored && !g.pending {
			continue // the shard had nothing to end before it lost its memory, either
		}
		g.ifStored = false // that it has nothing says nothing any more
		if !g.pending && publish {
			g.pending, g.again = true, true
			j.unburied++
			j.again++
		}
	}
	if j.unburied > 0 {
		unpaid()
	}
}

// empty takes everything out of the journal, and returns it.
func (j *journal) empty() (graves []grave, debts []state.Copy) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for g := range j.knownLocked {
		graves = append(graves, *g)
	}
	j.ledger.size.Add(-graveSize * int64(len(graves)))
	for e := j.oldDebts.Front(); e != nil; e = j.oldDebts.Front() {
		debts = append(debts, e.Value.(*debt).Copy)
		j.forgiveLocked(e)
	}
	j.graves, j.unburied, j.again = nil, 0, 0
	j.ring.Init()
	j.weak.Init()
	return graves, debts
}

// expire forgets the graves whose time has come by now, in Unix milliseconds.
func (j *journal) expire(now int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range []*list.List{&j.ring, &j.weak} {
		for e := l.Front(); e != nil; {
			g, next := e.Value.(*grave), e.Next()
			if g.until > now {
				break
			}
			if !g.pending {
				j.unburyLocked(e)
				j.ledger.size.Add(-graveSize)
			}
			e = next
		}
	}
}

// canMakeRoom reports whether there is anything but pending tombstones of
// sessions that somebody has seen.
func (j *journal) canMakeRoom() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return len(j.debts) > 0 || j.weak.Len() > 0 || j.unburied < len(j.graves)
}

// dropWeak drops the oldest tombstone of a session that nobody has seen.
func (j *journal) dropWeak() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.weak.Front()
	if e == nil {
		return false
	}
	if e.Value.(*grave).owed() {
		j.loseLocked()
	}
	j.unburyLocked(e)
	j.ledger.size.Add(-graveSize)
	return true
}

// dropDebt drops the oldest state.
func (j *journal) dropDebt() (id string, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.oldDebts.Front()
	if e == nil {
		return "", false
	}
	id = e.Value.(*debt).ID
	j.forgiveLocked(e)
	j.loseLocked()
	return id, true
}

// dropGrave drops the oldest tombstone that the store has.
func (j *journal) dropGrave() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for e := j.ring.Front(); e != nil; e = e.Next() {
		if !e.Value.(*grave).pending {
			j.unburyLocked(e)
			j.ledger.size.Add(-graveSize)
			return true
		}
	}
	return false
}

// journalCounts are what a journal holds, and what has left it for good.
type journalCounts struct {
	states, tombstones int // that the store lacks; tombstones it never had
	again              int // tombstones that it had, and lost
	ring               int // all tombstones
	delivered, lost    uint64
}

func (j *journal) counts() journalCounts {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return journalCounts{
		states: len(j.debts), tombstones: j.unburied - j.again, again: j.again, ring: len(j.graves),
		delivered: j.delivered.Load(), lost: j.lost.Load(),
	}
}
