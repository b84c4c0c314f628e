package memstore_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

func TestLoadDoesNotAllocate(t *testing.T) {
	s := memstore.New(nil)
	mustSave(t, s, "1", record("0123456789"), session.Absent)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := s.Load(ctx, "1"); err != nil {
			t.Error(err)
		}
		if _, err := s.Load(ctx, "2"); !errors.Is(err, session.ErrNotFound) {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("a hit and a miss take %v allocations, want 0", n)
	}
}

// The bytes that the store counts against MaxBytes are those that it takes.
func TestBytesIsTheMemoryInUse(t *testing.T) {
	for _, n := range []int{20_000, 90_000, 150_000} {
		x := stand(t, n)
		if each := x.held/int64(n) - payload; each > 200 {
			t.Errorf("%d sessions: %d bytes each besides ID and data, want at most 200", n, each)
		}
		if ratio := float64(x.store.Bytes()) / float64(x.held); ratio < 0.9 || ratio > 1.1 {
			t.Errorf("%d sessions: counted %d bytes, took %d", n, x.store.Bytes(), x.held)
		}
	}
}

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, storetest.Harness{
		New: func(testing.TB) session.Store { return memstore.New(nil) },
	})
}

// BenchmarkStanding measures what an operation costs beside a thousand and
// beside a million other sessions, and what each of those takes in memory
// besides its 256 bytes of data and its ID.
func BenchmarkStanding(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		x := stand(b, n)
		next := func(i *int) int { *i = (*i + 7919) % n; return *i }
		b.Run(fmt.Sprintf("Load/sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); {
				if _, err := x.store.Load(b.Context(), x.ids[next(&i)]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(x.held)/float64(n)-payload, "overhead-B/session")
		})
		b.Run(fmt.Sprintf("Save/sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			r := session.Record{Data: make([]byte, 256)}
			for i := 0; b.Loop(); {
				k := next(&i)
				r.Expires = time.Now().Add(time.Hour + time.Duration(k)*time.Millisecond)
				v, err := x.store.Save(b.Context(), x.ids[k], r, x.versions[k])
				if err != nil {
					b.Fatal(err)
				}
				x.versions[k] = v
			}
		})
	}
}

// BenchmarkEviction is a Save into a full store of a hundred thousand.
func BenchmarkEviction(b *testing.B) {
	const size = payload + 128
	s := memstore.New(&memstore.Options{MaxBytes: 100_000 * size, Evict: true})
	ids := manyIDs(1 << 20)
	r := session.Record{Data: make([]byte, 256), Expires: time.Now().Add(time.Hour)}
	for _, id := range ids[:100_000] {
		r.Expires = r.Expires.Add(time.Microsecond)
		s.Save(b.Context(), id, r, session.Absent)
	}
	b.ReportAllocs()
	for i := 100_000; b.Loop(); i++ {
		r.Expires = r.Expires.Add(time.Microsecond)
		if _, err := s.Save(b.Context(), ids[i%len(ids)], r, session.Any); err != nil {
			b.Fatal(err)
		}
	}
}

const payload = 256 + 32 // data and ID of each session of stand

// standing is a store with sessions in it.
type standing struct {
	store    *memstore.Store
	held     int64 // the memory that it takes, in bytes
	ids      []session.ID
	versions []session.Version
}

// stand returns a store of n sessions.
func stand(t testing.TB, n int) standing {
	x := standing{ids: manyIDs(n), versions: make([]session.Version, n)}
	before := heap()
	x.store = memstore.New(&memstore.Options{MaxBytes: math.MaxInt64})
	r := session.Record{Data: make([]byte, 256)}
	for i, id := range x.ids {
		r.Expires = time.Now().Add(time.Hour + time.Duration(i*7919%n)*time.Millisecond)
		v, err := x.store.Save(t.Context(), id, r, session.Absent)
		if err != nil {
			t.Fatal(err)
		}
		x.versions[i] = v
	}
	x.held = heap() - before
	runtime.KeepAlive(x.versions)
	return x
}

func manyIDs(n int) []session.ID {
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
