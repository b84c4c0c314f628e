package journal

import "iter"

// An element of the journal is in up to three orders at once.
const (
	byAge    = iota // in its class, over all shards, the oldest first
	byShard         // among its shard's
	byExpiry        // among those that expire, the first that was entered first
	orders

	bySince = byExpiry // the order of what the store lacks, which does not expire: longest lacking first
)

// node is an element of the journal, with its place in each order.
type node[T any] struct {
	value      T
	age        uint64 // the larger, the younger
	size       int64
	since      int64 // when the store began to lack it, in Unix milliseconds, if it is in bySince
	part       *part
	next, prev [orders]*node[T]
	chains     [orders]*chain[T] // nil: the element has no place in that order
}

// chain is a doubly linked list of nodes in one of their orders. The zero chain
// is empty. The links are part of the nodes: an element in three orders is one
// allocation.
type chain[T any] struct {
	front, back *node[T]
	n           int
	bytes       int64
}

// moveTo puts n at the back of c, or nowhere if c is nil. A node that is in c already
// keeps its place.
func (n *node[T]) moveTo(order int, c *chain[T]) {
	if n.chains[order] == c {
		return
	}
	n.leave(order)
	if c == nil {
		return
	}
	n.chains[order], n.prev[order] = c, c.back
	if c.back != nil {
		c.back.next[order] = n
	} else {
		c.front = n
	}
	c.back = n
	c.n++
	c.bytes += n.size
}

// takeSince puts n, which the store lacks, in front of old in the order bySince, if old
// is in it: the store has lacked something of the session since old was entered.
func (n *node[T]) takeSince(old *node[T]) {
	c, before := old.chains[bySince], old.prev[bySince]
	if c == nil {
		return
	}
	n.since = old.since
	n.chains[bySince] = c
	n.prev[bySince], n.next[bySince] = before, old
	old.prev[bySince] = n
	if before != nil {
		before.next[bySince] = n
	} else {
		c.front = n
	}
	c.n++
	c.bytes += n.size
}

// leave takes n out of the chain of an order.
func (n *node[T]) leave(order int) {
	c := n.chains[order]
	if c == nil {
		return
	}
	prev, next := n.prev[order], n.next[order]
	if prev != nil {
		prev.next[order] = next
	} else {
		c.front = next
	}
	if next != nil {
		next.prev[order] = prev
	} else {
		c.back = prev
	}
	c.n--
	c.bytes -= n.size
	n.chains[order] = nil
	n.prev[order], n.next[order] = nil, nil
}

// leaveAll takes n out of all its chains.
func (n *node[T]) leaveAll() {
	for order := range orders {
		n.leave(order)
	}
}

// all yields the nodes of c, which is a chain of that order, from the front. The
// node that was yielded last may leave c.
func (c *chain[T]) all(order int) iter.Seq[*node[T]] {
	return func(yield func(*node[T]) bool) {
		for n := c.front; n != nil; {
			next := n.next[order]
			if !yield(n) {
				return
			}
			n = next
		}
	}
}
