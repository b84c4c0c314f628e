package circuit_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

// The cost of a request to a healthy shard. The clock is the caller's and
// stands still, as reading it is not measured.
func BenchmarkAllowAndReport(b *testing.B) {
	now := time.Now()
	b.Run("serial", func(b *testing.B) {
		shard := circuit.New(now)
		b.ReportAllocs()
		for b.Loop() {
			shard.Report(shard.Allow(now, true), now, budget, answered)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		shard := circuit.New(now)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				shard.Report(shard.Allow(now, true), now, budget, answered)
			}
		})
	})
}

// The cost of a request while the shard is away.
func BenchmarkAway(b *testing.B) {
	now := time.Now()
	shard := circuit.New(now)
	shard.Force(now, circuit.BackupOnly)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			shard.Allow(now, true)
		}
	})
}

func TestARequestAllocatesNothing(t *testing.T) {
	now := time.Now()
	shard := circuit.New(now)
	i := 0
	allocs := testing.AllocsPerRun(1000, func() { // across trips and recoveries
		i++
		now = now.Add(10 * time.Millisecond)
		shard.Report(shard.Allow(now, i%2 == 0), now, budget, circuit.Outcome(i/300%2)*failed)
		if probe, wait := shard.Probe(now); wait == 0 {
			shard.Report(probe, now, budget, answered)
			shard.Delivered(now)
		}
		shard.Quarantined(now)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
