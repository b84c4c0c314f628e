package waiting

import "testing"

// woken reports whether a Waiter was, once.
func woken(w *Waiter) bool {
	select {
	case <-w.News:
		return true
	default:
		return false
	}
}

func TestThoseWhoWaitAreWoken(t *testing.T) {
	var s Set
	s.Wake("a")
	s.WakeAll()
	a := s.Enter("a")
	again := s.Enter("a")
	b := s.Enter("b")
	if woken(a) || woken(again) || woken(b) {
		t.Error("what came before is news")
	}
	s.Wake("a")
	if !woken(a) || !woken(again) || woken(b) {
		t.Error("news of a has not woken those who wait for it, and only them")
	}
	s.Wake("a")
	s.Wake("a")
	if !woken(a) {
		t.Error("the next news of a has not woken it")
	}
	if woken(a) {
		t.Error("what was told before a Waiter looked has woken it twice")
	}
	s.WakeAll()
	if !woken(a) || !woken(b) {
		t.Error("WakeAll has not woken all")
	}
	s.Leave(a)
	s.Wake("a")
	if woken(a) || !woken(again) || s.Len() != 2 {
		t.Errorf("after one has left: it was woken, or the other was not, or %d wait, want 2", s.Len())
	}
	s.Leave(again)
	s.Leave(b)
	if s.Len() != 0 || len(s.waiters) != 0 {
		t.Errorf("%d wait, of %d sessions, want none", s.Len(), len(s.waiters))
	}
}

// A caller that reports news on each tombstone pays nothing where no goroutine
// waits.
func TestNewsForNobodyCostsNothing(t *testing.T) {
	var s Set
	if n := testing.AllocsPerRun(100, func() { s.Wake("a"); s.WakeAll() }); n != 0 {
		t.Errorf("it makes %v allocations", n)
	}
}
