package session_test

import (
	"context"
	"math"
	"net/http"
	"runtime"
	"testing"
	"unsafe"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// deepStore notes where the stack of the goroutine stands that asks it.
type deepStore struct {
	session.Store
	at uintptr
}

func (s *deepStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	var here byte
	s.at = uintptr(unsafe.Pointer(&here))
	return s.Store.Load(ctx, id)
}

// A request that waits for its store holds its stack and what it has allocated. With many at
// once the garbage collector walks all of these stacks, and a stack that does not fit into what
// the runtime starts a goroutine with is copied again after each collection. Neither shows in
// a benchmark of one goroutine, and together they are most of what a read costs under load.
func TestWhatAReadHolds(t *testing.T) {
	if raceEnabled || testing.CoverMode() != "" {
		t.Skip("the race detector and the counters of coverage have frames and allocations of their own")
	}
	store := &deepStore{Store: memstore.New(nil)}
	m := mustNew(t, store, nil)
	r := visitorWith5KB(t, m)
	var top uintptr
	handler := m.Handler(http.HandlerFunc(reader))
	w := nullWriter{http.Header{}}
	serve := func() {
		var here byte
		top = uintptr(unsafe.Pointer(&here))
		clear(w.h)
		handler.ServeHTTP(w, r)
	}
	serve() // the stack has grown by the next
	serve()
	const runs, mostBytes = 1000, 1250
	bytes := uint64(math.MaxUint64)
	for tries := 0; bytes > mostBytes && tries < 5; tries++ { // what other tests have left behind allocates too
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			serve()
		}
		runtime.ReadMemStats(&after)
		bytes = min(bytes, (after.TotalAlloc-before.TotalAlloc)/runs)
	}
	for _, test := range []struct {
		name      string
		got, most uint64
	}{
		{"bytes of stack from the handler's caller to the store", uint64(top - store.at), 3500},
		{"bytes allocated", bytes, mostBytes},
	} {
		t.Logf("%s: %d", test.name, test.got)
		if test.got > test.most {
			t.Errorf("%s: got %d, want at most %d", test.name, test.got, test.most)
		}
	}
}
