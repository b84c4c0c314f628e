package revoked

import (
	"slices"

	"github.com/holdfast-go/session/internal/state"
)

// place is where a tombstone is: its class, and its number in that queue.
type place uint32

const (
	numberBits = 30
	numbers    = 1 << numberBits // they begin again behind the last
)

func (p place) class() Class       { return Class(p >> numberBits) }
func (p place) number() uint32     { return uint32(p) & (numbers - 1) }
func (p place) in(c Class) place   { return place(p.number() | uint32(c)<<numberBits) }
func placeOf(number uint32) place  { return place(number & (numbers - 1)) }
func distance(from, to uint32) int { return int((to - from) & (numbers - 1)) }

const (
	blockSize = 256 // places of a block
	blockSpan = 60  // seconds that a block covers

	entrySize     = 16 + 8 + 4 + 1 + 1
	successorSize = 16

	// In the byte of a reason, besides the flags:
	reasonOf     = 0b0000_0111
	hasSuccessor = 0b1000_0000 // the tombstone names a successor
)

// cost returns what a tombstone takes up, without its share of the index.
func cost(t *Tombstone) int {
	if t.Successor == (ID{}) {
		return entrySize
	}
	return entrySize + successorSize
}

// queue keeps the tombstones of a class in blocks, the oldest first. A block begins when
// the one before it is full, or a minute old.
type queue struct {
	blocks []*block
	first  uint32 // the number of the first place of the first block
	next   uint32 // the number of the next tombstone
	live   int
	bytes  int
}

// block is some tombstones, field by field, so that no byte pads them. A reason of zero
// marks a place whose tombstone was removed.
type block struct {
	first      uint32 // number
	began      uint32 // when the first was heard of, in Unix seconds
	last       uint32 // when the last was
	front      int    // the tombstones at places before it were removed
	live       int
	ids        []ID
	clocks     []uint64
	instances  []uint32
	reasons    []byte // with Flags and hasSuccessor
	from       []uint8
	successors []ID // in the order of the places that name one
}

// add enters a tombstone as the youngest.
func (q *queue) add(t Tombstone, heard uint32) place {
	var b *block
	if n := len(q.blocks); n > 0 {
		b = q.blocks[n-1]
	}
	if b == nil || len(b.ids) == blockSize || heard-b.began >= blockSpan {
		if b != nil {
			b.clip()
		}
		b = &block{first: q.next, began: heard}
		if len(q.blocks) == 0 {
			q.first = q.next
		}
		q.blocks = append(q.blocks, b)
	}
	b.last = heard
	b.ids = append(b.ids, t.ID)
	b.clocks = append(b.clocks, t.Death.Dot.Clock)
	b.instances = append(b.instances, t.Death.Dot.Instance)
	b.reasons = append(b.reasons, byte(t.Death.Reason)|byte(t.Flags))
	b.from = append(b.from, t.From)
	b.live++
	q.live++
	q.bytes += entrySize
	at := placeOf(q.next)
	q.next = placeOf(q.next + 1).number()
	q.name(b, len(b.ids)-1, t.Successor)
	return at
}

// clip gives back what a block that gets no more has room for.
func (b *block) clip() {
	b.ids, b.clocks = slices.Clip(slices.Clone(b.ids)), slices.Clip(slices.Clone(b.clocks))
	b.instances, b.reasons = slices.Clip(slices.Clone(b.instances)), slices.Clip(slices.Clone(b.reasons))
	b.from, b.successors = slices.Clip(slices.Clone(b.from)), slices.Clip(slices.Clone(b.successors))
}

// find returns the block of a place, and which of its places it is.
func (q *queue) find(at place) (b *block, i int) {
	n, found := slices.BinarySearchFunc(q.blocks, at.number(), func(b *block, number uint32) int {
		return distance(q.first, b.first) - distance(q.first, number)
	})
	if !found {
		n--
	}
	b = q.blocks[n]
	return b, distance(b.first, at.number())
}

func (q *queue) id(at place) ID {
	b, i := q.find(at)
	return b.ids[i]
}

func (q *queue) heard(at place) uint32 {
	b, _ := q.find(at)
	return b.last
}

// at returns the tombstone at a place.
func (q *queue) at(at place) Tombstone {
	b, i := q.find(at)
	return b.tombstone(i, at.class())
}

func (b *block) tombstone(i int, c Class) Tombstone {
	t := Tombstone{ID: b.ids[i], Class: c, From: b.from[i]}
	t.Death.Dot = state.Dot{Clock: b.clocks[i], Instance: b.instances[i]}
	t.Death.Reason = state.Reason(b.reasons[i] & reasonOf)
	t.Flags = Flags(b.reasons[i] &^ (reasonOf | hasSuccessor))
	if b.reasons[i]&hasSuccessor != 0 {
		t.Successor = b.successors[b.successorsBefore(i)]
	}
	return t
}

// successorsBefore returns how many places before i name a successor. A block is short enough
// to count them, and a byte for each would cost more.
func (b *block) successorsBefore(i int) (n int) {
	for _, r := range b.reasons[:i] {
		n += int(r >> 7)
	}
	return n
}

// gone reports whether the tombstone of a place was removed.
func (b *block) gone(i int) bool { return b.reasons[i]&reasonOf == 0 }

// set changes the death and the successor of the tombstone at a place.
func (q *queue) set(at place, t Tombstone) {
	b, i := q.find(at)
	b.clocks[i], b.instances[i] = t.Death.Dot.Clock, t.Death.Dot.Instance
	b.reasons[i] = byte(t.Death.Reason) | byte(t.Flags) | b.reasons[i]&hasSuccessor
	b.from[i] = t.From
	q.name(b, i, t.Successor)
}

// setFrom changes the number of the log that the tombstone at a place was last read in.
func (q *queue) setFrom(at place, from uint8) {
	b, i := q.find(at)
	b.from[i] = from
}

// forget replaces the number of a log by another one in all tombstones.
func (q *queue) forget(from, to uint8) {
	for _, b := range q.blocks {
		for i, f := range b.from {
			if f == from {
				b.from[i] = to
			}
		}
	}
}

// name enters the successor of a tombstone, if there is one.
func (q *queue) name(b *block, i int, successor ID) {
	if successor == (ID{}) {
		return
	}
	n := b.successorsBefore(i)
	if b.reasons[i]&hasSuccessor != 0 {
		b.successors[n] = successor
		return
	}
	b.reasons[i] |= hasSuccessor
	b.successors = slices.Insert(b.successors, n, successor)
	q.bytes += successorSize
}

// remove takes out the tombstone at a place. It drops the oldest blocks that hold nothing any
// more.
func (q *queue) remove(at place) {
	b, i := q.find(at)
	b.reasons[i] &= hasSuccessor // its successor still takes up a place among the others
	b.live--
	q.live--
	for len(q.blocks) > 0 && q.blocks[0].live == 0 {
		gone := q.blocks[0]
		q.bytes -= entrySize*len(gone.ids) + successorSize*len(gone.successors)
		q.blocks[0] = nil
		q.blocks = q.blocks[1:]
		if len(q.blocks) > 0 {
			q.first = q.blocks[0].first
		}
	}
}

// oldest returns the place of the oldest tombstone, within the queue.
func (q *queue) oldest() (at place, ok bool) {
	if q.live == 0 {
		return 0, false
	}
	b := q.blocks[0] // which holds one, or remove would have dropped it
	for b.gone(b.front) {
		b.front++
	}
	return placeOf(b.first + uint32(b.front)), true
}

// youngestFirst yields the tombstones, the youngest first.
func (q *queue) youngestFirst(c Class, yield func(Tombstone) bool) bool {
	for _, b := range slices.Backward(q.blocks) {
		for i := len(b.ids) - 1; i >= b.front; i-- {
			if !b.gone(i) && !yield(b.tombstone(i, c)) {
				return false
			}
		}
	}
	return true
}
