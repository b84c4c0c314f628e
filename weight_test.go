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
	"github.com/holdfast-go/session/seal"
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
		t.Skip("the race detector and the counters of coverage have frames and allocations of their own: make test measures without them")
	}
	for _, test := range []struct {
		name                 string
		backup               *session.Backup
		mostStack, mostBytes uint64
	}{
		{"without a backup", nil, 3500, 1250},
		{"with a backup", &session.Backup{Audience: "shop-test", Keys: mustKeys(t, seal.NewKey())}, 3500, 2000},
	} {
		stack, bytes := weigh(t, &session.Options{Backup: test.backup}, test.mostBytes)
		t.Logf("%s: %d bytes of stack from the handler's caller to the store, %d bytes allocated", test.name, stack, bytes)
		if stack > test.mostStack || bytes > test.mostBytes {
			t.Errorf("%s: want at most %d and %d bytes", test.name, test.mostStack, test.mostBytes)
		}
	}
}

// weigh returns how many bytes of stack lie between a handler's caller and the store in a
// read, and how many the read allocates. What other tests have left behind allocates too, so
// that weigh tries again where that is more than enough.
func weigh(t *testing.T, o *session.Options, enough uint64) (stack, bytes uint64) {
	t.Helper()
	store := &deepStore{Store: memstore.New(nil)}
	m := mustNew(t, store, o)
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
	const runs = 1000
	bytes = math.MaxUint64
	for tries := 0; bytes > enough && tries < 5; tries++ {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			serve()
		}
		runtime.ReadMemStats(&after)
		bytes = min(bytes, (after.TotalAlloc-before.TotalAlloc)/runs)
	}
	return uint64(top - store.at), bytes
}
