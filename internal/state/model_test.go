package state

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// source makes the choices of a test out of bytes, so that a fuzzer can make
// them. When the bytes end, every choice is 0.
type source struct{ rest []byte }

func randomSource(r *rand.Rand) *source {
	b := make([]byte, 160)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return &source{b}
}

func (s *source) below(n int) int {
	if len(s.rest) == 0 {
		return 0
	}
	v := int(s.rest[0]) % n
	s.rest = s.rest[1:]
	return v
}

func (s *source) oneOf(n int) bool { return s.below(n) == n-1 }

// modelNames need length prefixes of one byte and of two.
var modelNames = []string{"a", "ab", "b", strings.Repeat("c", 127), strings.Repeat("c", 128), strings.Repeat("d", MaxName)}

// otherNames lie before, between and after these, and are none of them.
var otherNames = []string{"", "A", "aa", "abc", "c", strings.Repeat("c", 200), "e"}

// model is what Entries are: a map from names.
type model map[string]Entry

func (s *source) model() model {
	m := model{}
	for _, name := range modelNames {
		if s.below(2) == 0 {
			continue
		}
		e := Entry{
			Dot:   Dot{uint64(s.below(4)), uint32(s.below(3))},
			Flags: Flags(s.below(3)) | Flags(s.below(2))*ServerOnly | Flags(s.below(2))<<RankShift,
			Name:  []byte(name),
		}
		if e.Flags.Kind() == Present {
			e.Value = s.value()
		}
		m[name] = e
	}
	return m
}

// value returns values whose length prefixes are of one byte, two and three.
func (s *source) value() []byte {
	size := [...]int{0, 1, 1, 1, 2, 127, 128, 300}[s.below(8)]
	if s.oneOf(64) {
		size = 1 << 14
	}
	return bytes.Repeat([]byte{"xyz"[s.below(3)]}, size)
}

func (m model) encode() Entries {
	var l Entries
	for _, name := range slices.Sorted(maps.Keys(m)) {
		l = m[name].Append(l)
	}
	return l
}

func modelOf(l Entries) model {
	m := model{}
	for len(l) > 0 {
		e, rest, ok := l.Cut()
		if !ok {
			return nil
		}
		m[string(e.Name)] = e
		l = rest
	}
	return m
}

func sameEntry(a, b Entry) bool {
	return a.Dot == b.Dot && a.Flags == b.Flags && bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Value, b.Value)
}

func (m model) equal(other model) bool { return maps.EqualFunc(m, other, sameEntry) }

func (m model) keep(which func(Entry) bool) model {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(_ string, e Entry) bool { return !which(e) })
	return out
}

// join is the rule of DESIGN in words: the larger dot; between equal dots a
// value, then a deletion, then withheld; then the larger bytes, then the larger
// flags.
func (m model) join(other model) model {
	out := maps.Clone(m)
	for name, b := range other {
		a, ok := out[name]
		if !ok || wins(b, a) {
			out[name] = b
		}
	}
	return out
}

func wins(a, b Entry) bool {
	if a.Dot.Clock != b.Dot.Clock {
		return a.Dot.Clock > b.Dot.Clock
	}
	if a.Dot.Instance != b.Dot.Instance {
		return a.Dot.Instance > b.Dot.Instance
	}
	order := []Flags{Withheld, Deleted, Present}
	if x, y := slices.Index(order, a.Flags.Kind()), slices.Index(order, b.Flags.Kind()); x != y {
		return x > y
	}
	if x, y := string(a.Value), string(b.Value); x != y {
		return x > y
	}
	return a.Flags > b.Flags
}

func (m model) covers(other model) bool {
	for name, theirs := range other {
		mine, ok := m[name]
		if !ok || wins(Entry{Dot: theirs.Dot}, Entry{Dot: mine.Dot}) {
			return false
		}
		foreign := theirs.Dot.Instance == 0 && mine.Dot == theirs.Dot
		if foreign && mine.Flags.Kind() == Present && string(mine.Value) != string(theirs.Value) {
			return false
		}
	}
	return true
}
