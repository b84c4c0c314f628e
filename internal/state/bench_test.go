package state

import (
	"fmt"
	"testing"
)

func benchEntries() Entries {
	var l Changes
	for i := range 20 {
		l = l.With(Change{Name: fmt.Sprintf("name%02d", i), Value: make([]byte, 40+i*10)})
	}
	return PackChanges(l, Dot{1 << CounterBits, 1})
}

func BenchmarkEntriesCheck(b *testing.B) {
	l := benchEntries()
	b.ReportAllocs()
	for b.Loop() {
		if l.Check() != nil {
			b.Fatal("the entries are corrupt")
		}
	}
}

func BenchmarkEntriesFind(b *testing.B) {
	l := benchEntries()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := l.Find("name15"); !ok {
			b.Fatal("the entry is not found")
		}
	}
}
