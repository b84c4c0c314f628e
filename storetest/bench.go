package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// Bench measures a store by the same sub-benchmarks as every other, with
// values of 300 bytes, 4 KB and 32 KB, by one caller and in parallel (as many
// callers as -cpu says, times parallelism of 16):
//
//   - Load reads one of 256 sessions
//   - LoadMissing loads one that does not exist
//   - Save replaces a session over the Version of the save before; callers in
//     parallel each have a session of their own
//   - Create makes a session and ends it with a save past its expiry, so that
//     no number of iterations fills the store: two calls
//
// Of Harness only New is used, once.
func Bench(b *testing.B, h Harness) {
	s := h.New(b)
	b.Run("LoadMissing", func(b *testing.B) {
		measure(b, func() func(i int) error {
			return func(i int) error {
				if _, err := s.Load(b.Context(), missing[i%len(missing)]); !errors.Is(err, session.ErrNotFound) {
					return fmt.Errorf("got error %w, want ErrNotFound", err)
				}
				return nil
			}
		})
	})
	for _, size := range []int{300, 4 << 10, 32 << 10} {
		b.Run(fmt.Sprintf("Load/size=%d", size), func(b *testing.B) { benchLoad(b, s, size) })
		b.Run(fmt.Sprintf("Save/size=%d", size), func(b *testing.B) { benchSave(b, s, size) })
		b.Run(fmt.Sprintf("Create/size=%d", size), func(b *testing.B) { benchCreate(b, s, size) })
	}
}

func benchLoad(b *testing.B, s session.Store, size int) {
	for _, id := range present {
		if _, err := s.Save(b.Context(), id, sized(size), session.Any); err != nil {
			b.Fatal(err)
		}
	}
	measure(b, func() func(i int) error {
		return func(i int) error {
			_, err := s.Load(b.Context(), present[i%len(present)])
			return err
		}
	})
}

func benchSave(b *testing.B, s session.Store, size int) {
	r := sized(size)
	measure(b, func() func(i int) error {
		id := newID()
		v, over := session.Absent, session.Any
		return func(int) (err error) {
			v, err = s.Save(b.Context(), id, r, over)
			over = v
			return err
		}
	})
}

func benchCreate(b *testing.B, s session.Store, size int) {
	r, past := sized(size), session.Record{Expires: time.Now().Add(-time.Hour)}
	measure(b, func() func(i int) error {
		return func(int) error {
			id := newID()
			v, err := s.Save(b.Context(), id, r, session.Absent)
			if err == nil {
				_, err = s.Save(b.Context(), id, past, v)
			}
			return err
		}
	})
}

// measure runs operation, once for each caller, in two sub-benchmarks.
func measure(b *testing.B, operation func() func(i int) error) {
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		op := operation()
		for i := 0; b.Loop(); i++ {
			if err := op(i); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			op := operation()
			for i := 0; pb.Next(); i++ {
				if err := op(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

var (
	present = manyIDs("a", 256)
	missing = manyIDs("b", 256)
	created atomic.Uint64
)

func manyIDs(prefix string, n int) []session.ID {
	ids := make([]session.ID, n)
	for i := range ids {
		ids[i] = session.ID(fmt.Sprintf("%s%031x", prefix, i))
	}
	return ids
}

func newID() session.ID { return session.ID(fmt.Sprintf("c%031x", created.Add(1))) }

func sized(n int) session.Record {
	r := record("")
	for i := range n {
		r.Data = append(r.Data, byte(i*i>>3))
	}
	return r
}
