package journal

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
type Journal struct {
	ledger *Ledger // of all journals together

	mu         sync.RWMutex // guards all below
	hints      map[string]*list.Element
	hintsByAge list.List // of *debt, the oldest first
	tombstones map[string]*list.Element
	verified   list.List // of *grave, the first to be forgotten first
	unverified list.List // of *grave that are weak, likewise
	pending    int       // graves that the store lacks
	again      int       // those of them that it had before it lost its memory
	Tally
}

// newJournal returns an empty journal, whose size counts in l.
func New(l *Ledger) *Journal { return &Journal{ledger: l} }

// debt is a state that the store lacks.
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

// ledger is the size of all journals of a Manager together, and what became of
// what they held.
type Ledger struct {
	Bytes atomic.Int64
	Tally
}

// tally counts what has left a journal for good.
type Tally struct{ Delivered, Lost atomic.Uint64 }

func (d *Hint) size() int64 { return hintSize + int64(len(d.State.Entries)) }

// arrivedLocked counts something that the shard has taken.
func (j *Journal) countDeliveredLocked() {
	j.Delivered.Add(1)
	j.ledger.Delivered.Add(1)
}

// loseLocked counts something that was dropped and that the shard lacks.
func (j *Journal) countLostLocked() {
	j.Lost.Add(1)
	j.ledger.Lost.Add(1)
}

// buried returns the tombstone of a session, if it has ended as far as this
// process knows.
func (j *Journal) Tombstone(id string) (Tombstone, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.tombstones[id]; e != nil {
		return *e.Value.(*Tombstone), true
	}
	return Tombstone{}, false
}

// owed returns what the store lacks of a session.
func (j *Journal) Copy(id string) (state.Copy, bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if e := j.hints[id]; e != nil {
		return e.Value.(*Hint).Copy, true
	}
	return state.Copy{}, false
}

// owe keeps a state that the store lacks until it is delivered. Where the
// session has ended meanwhile it keeps nothing, and returns the tombstone.
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

// burial is what became of a tombstone that was entered.
type Added struct {
	Tombstone Tombstone  // as it stands now, merged with what was known
	AlsoEnd   []string   // sessions that another hand's tombstone ends too
	Line      bool       // what rotations made of the session ends too, and was not asked for before
	Owed      state.Copy // what the store still lacked of the session: it is owed no more
	wasOwed   bool
}

// bury enters a tombstone. unpaid is called with the journal locked where the
// store lacks it, so that nobody sees the shard serve in between. keeps reports
// of what the store lacked of the session whether it lives on, under another ID;
// what does not is lost.
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

// unburyLocked takes a grave out of the lists.
func (j *Journal) removeLocked(e *list.Element) {
	g := e.Value.(*Tombstone)
	j.listLocked(g).Remove(e)
	delete(j.tombstones, g.ID)
	j.settleLocked(g)
}

// settleLocked notes that the store does not lack g any more, or that g is
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

// knownLocked yields all graves.
func (j *Journal) knownLocked(yield func(*Tombstone) bool) {
	for _, l := range []*list.List{&j.verified, &j.unverified} {
		for e := l.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(*Tombstone)) {
				return
			}
		}
	}
}

// forgiveLocked drops a debt.
func (j *Journal) removeHintLocked(e *list.Element) {
	d := j.hintsByAge.Remove(e).(*Hint)
	delete(j.hints, d.ID)
	j.ledger.Bytes.Add(-d.size())
}

// inDebt reports whether the store lacks anything.
func (j *Journal) Owes() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.pending > 0 || len(j.hints) > 0
}

// pendingGraves returns the tombstones that the store lacks.
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

// pendingDebts returns the states that the store lacks, the oldest first.
func (j *Journal) Hints() (out []Hint) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for e := j.hintsByAge.Front(); e != nil; e = e.Next() {
		out = append(out, *e.Value.(*Hint))
	}
	return out
}

// waiting reports whether a tombstone waits that was refused less than most
// times, and whether one of those could be written without asking anything.
// Where none waits, paid is called with the journal locked, so that none comes
// in between.
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

// tried counts an attempt to deliver a tombstone that failed.
func (j *Journal) Refused(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.tombstones[id]; e != nil {
		e.Value.(*Tombstone).tries++
	}
}

// arrive notes that the shard has the tombstone g, whose death was known before
// it was delivered. What has changed since is still owed.
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

// settleNobody notes that the shard has nothing to end under an ID. The process
// goes on knowing that it has ended, among what goes first.
func (j *Journal) NothingToEnd(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.tombstones[id]; e != nil {
		if g := e.Value.(*Tombstone); g.IfStored {
			j.settleLocked(g)
		}
	}
}

// paid drops a debt that was delivered, or lost for good, unless more has been
// written to the session since.
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

// forgot notes that the shard has lost its memory: all tombstones, if publish,
// are pending again. unpaid is called with the journal locked if any is.
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

// empty takes everything out of the journal, and returns it.
func (j *Journal) Drain() (graves []Tombstone, debts []state.Copy) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for g := range j.knownLocked {
		graves = append(graves, *g)
	}
	j.ledger.Bytes.Add(-TombstoneSize * int64(len(graves)))
	for e := j.hintsByAge.Front(); e != nil; e = j.hintsByAge.Front() {
		debts = append(debts, e.Value.(*Hint).Copy)
		j.removeHintLocked(e)
	}
	j.tombstones, j.pending, j.again = nil, 0, 0
	j.verified.Init()
	j.unverified.Init()
	return graves, debts
}

// expire forgets the graves whose time has come by now, in Unix milliseconds.
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

// canMakeRoom reports whether there is anything but pending tombstones of
// sessions that somebody has seen.
func (j *Journal) CanMakeRoom() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return len(j.hints) > 0 || j.unverified.Len() > 0 || j.pending < len(j.tombstones)
}

// dropWeak drops the oldest tombstone of a session that nobody has seen.
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

// dropDebt drops the oldest state.
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

// dropGrave drops the oldest tombstone that the store has.
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

// journalCounts are what a journal holds, and what has left it for good.
type Stats struct {
	States, Tombstones int // that the store lacks; tombstones it never had
	Again              int // tombstones that it had, and lost
	Known              int // all tombstones
	Delivered, Lost    uint64
}

func (j *Journal) Stats() Stats {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return Stats{
		States: len(j.hints), Tombstones: j.pending - j.again, Again: j.again, Known: len(j.tombstones),
		Delivered: j.Delivered.Load(), Lost: j.Lost.Load(),
	}
}
