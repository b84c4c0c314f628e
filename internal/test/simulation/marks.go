package simulation

import (
	"bytes"
	"math/bits"
)

// maxOps is how many steps of a plan may write.
const maxOps = 512

// ops is a set of writes, by the number of their step.
type ops [maxOps / 64]uint64

func (s ops) has(n int) bool { return n > 0 && n < maxOps && s[n/64]&(1<<(n%64)) != 0 }

func (s ops) with(n int) ops {
	if n > 0 && n < maxOps {
		s[n/64] |= 1 << (n % 64)
	}
	return s
}

func (s ops) or(t ops) ops {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

func (s ops) and(t ops) ops {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

func (s ops) minus(t ops) ops {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

func (s ops) list() []int {
	var out []int
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			out = append(out, i*64+bits.TrailingZeros64(word))
		}
	}
	return out
}

// findMarks returns the writes whose marks stand in b.
func findMarks(b []byte) (found ops) {
	for {
		i := bytes.IndexByte(b, '#')
		if i < 0 {
			return found
		}
		b = b[i+1:]
		n, digits := 0, 0
		for digits < len(b) && digits < 4 && b[digits] >= '0' && b[digits] <= '9' {
			n = n*10 + int(b[digits]-'0')
			digits++
		}
		if digits > 0 && digits < len(b) && b[digits] == '#' {
			found = found.with(n)
			b = b[digits+1:]
		}
	}
}
