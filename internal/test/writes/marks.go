package writes

import (
	"fmt"
	"math/bits"
)

// Marks is a value that writes are counted in: each write has a number, sets the bit
// of it and counts itself. It shows which writes are missing, and whether one was
// made twice. It is small, as it has to travel in copies.
type Marks struct {
	N    int
	Bits []byte
}

func (m *Marks) set(number int) {
	for len(m.Bits) <= number/8 {
		m.Bits = append(m.Bits, 0)
	}
	m.Bits[number/8] |= 1 << (number % 8)
}

// add notes the write with a number.
func (m *Marks) add(number int) {
	m.N++
	m.set(number)
}

func (m *Marks) has(number int) bool {
	return number/8 < len(m.Bits) && m.Bits[number/8]>>(number%8)&1 == 1
}

// join adds the bits of o.
func (m *Marks) join(o Marks) {
	for i, b := range o.Bits {
		for len(m.Bits) <= i {
			m.Bits = append(m.Bits, 0)
		}
		m.Bits[i] |= b
	}
}

func (m *Marks) clone() Marks { return Marks{m.N, append([]byte(nil), m.Bits...)} }

// lacks returns the numbers that want has and m does not.
func (m *Marks) lacks(want Marks) (numbers []int) {
	for n := range 8 * len(want.Bits) {
		if want.has(n) && !m.has(n) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

func (m *Marks) count() (n int) {
	for _, b := range m.Bits {
		n += bits.OnesCount8(b)
	}
	return n
}

// repeated returns what is wrong where a write was made twice.
func (m *Marks) repeated() error {
	if m.N != m.count() {
		return fmt.Errorf("%d different writes were counted as %d", m.count(), m.N)
	}
	return nil
}
