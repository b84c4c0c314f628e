package revocation

import (
	"crypto/rand"
	"encoding/base64"
	"flag"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

var strangers = flag.Int("strangers", 5000, "strangers who make logouts up, or begin sessions and end them, until the store evicts")

// Full reports whether so many strangers come that they fill four megabytes.
func Full() bool { return *strangers >= 60_000 }

// Flood lets strangers make logouts up, and begin sessions and end them, and returns how
// many of their requests were answered 200.
func Flood(all []*Instance) int {
	const workers = 32
	var wg sync.WaitGroup
	var ok atomic.Int64
	for w := range workers {
		wg.Go(func() {
			for n := w; n < *strangers; n += workers {
				i := all[n%len(all)]
				if n%4 == 0 {
					if madeUp().ask(i, "/logout").Code == http.StatusOK {
						ok.Add(1)
					}
					continue
				}
				s := jar{}
				for _, path := range []string{"/begin", "/logout"} {
					if s.ask(i, path).Code == http.StatusOK {
						ok.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	return int(ok.Load())
}

// madeUp returns the cookies of a session that never was.
func madeUp() jar {
	token := make([]byte, 32)
	_, _ = rand.Read(token)
	return jar{"__Host-session": base64.RawURLEncoding.EncodeToString(token)}
}

// Gone returns a check that the store has none of the tombstones of logouts.
func Gone(load func(testing.TB) Store) func(testing.TB, []*Victim) {
	return func(t testing.TB, all []*Victim) {
		t.Helper()
		store, left := load(t), 0
		for _, v := range all {
			if _, err := store.Load(t.Context(), v.ID); err == nil {
				left++
			}
		}
		t.Logf("the store has %d of %d records of the sessions that have ended", left, len(all))
		if left == len(all) {
			t.Error("the store has lost no tombstone: the test shows nothing")
		}
	}
}
