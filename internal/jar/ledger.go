package jar

// ledger counts the visits that hold each cookie, and remembers when one last began
// to. The time of its methods does not depend on their number.
type ledger struct {
	count [Most]int32
	last  [Most]uint64
}

func (l *ledger) add(m Mask, at uint64) {
	for i := range Most {
		if m.Has(i) {
			l.count[i]++
			l.last[i] = at
		}
	}
}

func (l *ledger) sub(m Mask) {
	for i := range Most {
		if m.Has(i) {
			l.count[i]--
		}
	}
}

// now returns the cookies that are held.
func (l *ledger) now() (m Mask) {
	for i := range Most {
		if l.count[i] > 0 {
			m |= 1 << i
		}
	}
	return m
}

// since returns the cookies that some visit began to hold later than at.
func (l *ledger) since(at uint64) (m Mask) {
	for i := range Most {
		if l.last[i] > at {
			m |= 1 << i
		}
	}
	return m
}

// latest returns when a visit last began to hold one of these.
func (l *ledger) latest(m Mask) (at uint64) {
	for i := range Most {
		if m.Has(i) {
			at = max(at, l.last[i])
		}
	}
	return at
}

// join adds the counts of another ledger, as if all visits of both began now.
func (l *ledger) join(k *ledger, now uint64) {
	for i := range Most {
		if l.count[i] += k.count[i]; l.count[i] > 0 {
			l.last[i] = now
		}
	}
}
