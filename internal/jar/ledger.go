package jar

// ledger counts who holds each cookie, and remembers when somebody last began
// to. Both answers take the same time however many hold it.
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

// now returns what is held.
func (l *ledger) now() (m Mask) {
	for i := range Most {
		if l.count[i] > 0 {
			m |= 1 << i
		}
	}
	return m
}

// since returns what somebody began to hold later than at.
func (l *ledger) since(at uint64) (m Mask) {
	for i := range Most {
		if l.last[i] > at {
			m |= 1 << i
		}
	}
	return m
}

// latest is when somebody last began to hold one of these.
func (l *ledger) latest(m Mask) (at uint64) {
	for i := range Most {
		if m.Has(i) {
			at = max(at, l.last[i])
		}
	}
	return at
}

// join adds what another ledger counts, as if all of both began now.
func (l *ledger) join(k *ledger, now uint64) {
	for i := range Most {
		if l.count[i] += k.count[i]; l.count[i] > 0 {
			l.last[i] = now
		}
	}
}
