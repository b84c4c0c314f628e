package revoked

// Cursor is how far a walk through a Set has come. The zero Cursor is its beginning.
type Cursor struct {
	begun bool
	class Class
	next  uint32 // the number that comes next, downwards
}

// Page returns the next n tombstones of a walk, the youngest of the highest class first,
// and fewer at the end. Tombstones that are entered after the walk has begun are not part
// of it, nor are those that were removed; a tombstone whose class has changed may come twice.
func (s *Set) Page(from Cursor, n int) (page []Tombstone, next Cursor) {
	at := from
	if !at.begun {
		at = Cursor{begun: true, class: classes - 1, next: s.queues[classes-1].next}
	}
	for {
		q := &s.queues[at.class]
		page, at.next = q.before(at.next, at.class, n, page)
		if len(page) == n || at.class == 0 {
			return page, at
		}
		at.class--
		at.next = s.queues[at.class].next
	}
}

// before appends to page, until it has n, the tombstones before a number, the youngest
// first. It returns the number before which the rest is.
func (q *queue) before(number uint32, c Class, n int, page []Tombstone) ([]Tombstone, uint32) {
	for len(q.blocks) > 0 && len(page) < n {
		left := distance(q.first, number)
		if left == 0 || left > distance(q.first, q.next) {
			return page, q.first // what was there was removed
		}
		number = placeOf(number - 1).number()
		if b, i := q.find(placeOf(number)); !b.gone(i) {
			page = append(page, b.tombstone(i, c))
		}
	}
	return page, number
}
