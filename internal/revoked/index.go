package revoked

import "hash/maphash"

// index finds the place of a tombstone by its ID: an open hash table of places, which
// asks its owner for the IDs. The seed keeps an attacker, who chooses tokens and thereby bits
// of IDs, from making them collide.
type index struct {
	seed  maphash.Seed
	slots []place // and one more each; zero: empty. A power of two
	n     int
}

const minSlots = 16

func newIndex() index { return index{seed: maphash.MakeSeed(), slots: make([]place, minSlots)} }

func (x *index) bytes() int { return 4 * len(x.slots) }

// full reports whether the table has to grow before one more is added.
func (x *index) full() bool { return 5*(x.n+1) > 4*len(x.slots) }

// growth returns how many bytes the table grows by with the next addition.
func (x *index) growth() int {
	if x.full() {
		return x.bytes()
	}
	return 0
}

// home is where the search for an ID begins.
func (x *index) home(id ID) int { return int(maphash.Bytes(x.seed, id[:])) & (len(x.slots) - 1) }

// slot returns the slot of an ID, or the empty one that it would get.
func (x *index) slot(id ID, idAt func(place) ID) (i int, found bool) {
	for i = x.home(id); x.slots[i] != 0; i = (i + 1) & (len(x.slots) - 1) {
		if idAt(x.slots[i]-1) == id {
			return i, true
		}
	}
	return i, false
}

func (x *index) find(id ID, idAt func(place) ID) (at place, ok bool) {
	i, ok := x.slot(id, idAt)
	if !ok {
		return 0, false
	}
	return x.slots[i] - 1, true
}

// add enters the place of an ID that is not in the index.
func (x *index) add(id ID, at place, idAt func(place) ID) {
	if x.full() {
		x.resize(2*len(x.slots), idAt)
	}
	i, _ := x.slot(id, idAt)
	x.slots[i] = at + 1
	x.n++
}

// remove takes an ID out, and moves back the places that are behind it because of it.
func (x *index) remove(id ID, idAt func(place) ID) {
	hole, ok := x.slot(id, idAt)
	if !ok {
		return
	}
	mask := len(x.slots) - 1
	for i := (hole + 1) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		home := x.home(idAt(x.slots[i] - 1))
		if (i-home)&mask >= (i-hole)&mask {
			x.slots[hole] = x.slots[i]
			hole = i
		}
	}
	x.slots[hole] = 0
	x.n--
	if len(x.slots) > minSlots && 8*x.n < len(x.slots) {
		x.resize(len(x.slots)/2, idAt)
	}
}

func (x *index) resize(n int, idAt func(place) ID) {
	old := x.slots
	x.slots = make([]place, n)
	for _, at := range old {
		if at != 0 {
			i, _ := x.slot(idAt(at-1), idAt)
			x.slots[i] = at
		}
	}
}
