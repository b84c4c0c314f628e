package background

import (
	"container/list"
	"context"
	"time"
)

// queue holds the callers that wait, and knows how long calls take. It is not safe for use
// by several goroutines.
type queue struct {
	waiting list.List // of *waiter, in the order in which they came

	typical time.Duration // what a call takes, an average of the last dozen or so
}

// waiter is a caller with its call.
type waiter struct {
	ctx     context.Context // of one call, which is all that a waiter is
	run     func()
	element *list.Element // nil while it is in no queue
}

func (q *queue) add(w *waiter) { w.element = q.waiting.PushBack(w) }

// remove takes w out of the queue, and reports whether w was in it.
func (q *queue) remove(w *waiter) bool {
	if w.element == nil {
		return false
	}
	q.waiting.Remove(w.element)
	w.element = nil
	return true
}

// next returns the caller whose turn it is, or nil. Where a call takes longer than the first
// caller has left, a turn would not help it: it waits until its context ends, and does not
// hold up the callers behind it.
func (q *queue) next() *waiter {
	for q.waiting.Len() > 0 {
		w := q.waiting.Front().Value.(*waiter)
		if !q.hasTime(w) {
			w = q.waiting.Back().Value.(*waiter)
		}
		q.remove(w)
		if w.ctx.Err() == nil {
			return w
		}
	}
	return nil
}

// hasTime reports whether w would be answered in time, if its call took twice as long as
// is typical.
func (q *queue) hasTime(w *waiter) bool {
	until, ends := w.ctx.Deadline()
	return !ends || time.Until(until) >= 2*q.typical
}

// learn takes into account how long a call took.
func (q *queue) learn(took time.Duration) {
	if q.typical == 0 {
		q.typical = took
	}
	q.typical += (took - q.typical) / 8
}
