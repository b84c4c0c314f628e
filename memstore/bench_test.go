package memstore_test

import (
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// BenchmarkStanding is what an operation costs beside a thousand and beside a
// million other sessions, and what each of those takes in memory besides its
// 256 bytes of data and its ID.
func BenchmarkStanding(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		ids := ids(n)
		before := heap()
		s := memstore.New(&memstore.Options{MaxBytes: math.MaxInt64})
		r := session.Record{Data: make([]byte, 256)}
		versions := make([]session.Version, n)
		for i, id := range ids {
			r.Expires = time.Now().Add(time.Hour + time.Duration(i*7919%n)*time.Millisecond)
			versions[i], _ = s.Save(b.Context(), id, r, session.Absent)
		}
		held := heap() - before - int64(n*len(session.Version{}))
		next := func(i *int) int { *i = (*i + 7919) % n; return *i }

		b.Run(fmt.Sprintf("sessions=%d/Load", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); {
				s.Load(b.Context(), ids[next(&i)])
			}
			b.ReportMetric(float64(held)/float64(n)-256-32, "overhead-B/session")
			b.ReportMetric(float64(s.Bytes())/float64(held), "counted/held")
		})
		b.Run(fmt.Sprintf("sessions=%d/Save", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); {
				k := next(&i)
				r.Expires = time.Now().Add(time.Hour + time.Duration(k)*time.Millisecond)
				v, err := s.Save(b.Context(), ids[k], r, versions[k])
				if err != nil {
					b.Fatal(err)
				}
				versions[k] = v
			}
		})
		runtime.KeepAlive(s)
	}
}

// BenchmarkEviction is a Save into a full store of a hundred thousand.
func BenchmarkEviction(b *testing.B) {
	s := memstore.New(&memstore.Options{MaxBytes: 100_000 * 416, Evict: true})
	ids := ids(1 << 20)
	r := session.Record{Data: make([]byte, 256)}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Expires = time.Now().Add(time.Hour)
		if _, err := s.Save(b.Context(), ids[i%len(ids)], r, session.Any); err != nil {
			b.Fatal(err)
		}
	}
}

func ids(n int) []session.ID {
	ids := make([]session.ID, n)
	for i := range ids {
		ids[i] = session.ID(fmt.Sprintf("%032x", i))
	}
	return ids
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
