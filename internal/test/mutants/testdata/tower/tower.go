// Package tower is what the tests of package mutants mutate.
package tower

import "os"

// Height returns the sum of the heights of floors.
func Height(floors []int) int {
	sum := 0
	for i := 0; i < len(floors); i++ {
		sum += floors[i]
	}
	return sum
}

// Taller reports whether a is taller than b.
func Taller(a, b []int) bool {
	if len(a) == 0 {
		return false
	}
	return Height(a) > Height(b)
}

// Store writes a height, and reads it back.
func Store(name string, height byte) (byte, error) {
	if err := os.WriteFile(name, []byte{height}, 0o600); err != nil {
		return 0, err
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}
