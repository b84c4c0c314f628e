package redisstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/redis/rueidis"
)

var (
	record     = records.New
	eventually = timeleft.Poll
)

// cached returns n caching stores, each on a client of its own.
func cached(t testing.TB, srv *redistest.Server, n int) []*Store {
	t.Helper()
	return cachedAt(t, srv.URL(), n)
}

func cachedAt(t testing.TB, url string, n int) []*Store {
	t.Helper()
	stores := make([]*Store, n)
	for i := range stores {
		o, err := ClientOption(url, ClientCache(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		client, err := rueidis.NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		stores[i] = New(client, ClientCache(time.Minute))
	}
	return stores
}

func save(t testing.TB, s *Store, id session.ID, data string) session.Version {
	t.Helper()
	v, err := s.Save(t.Context(), id, record(data), session.Any)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func load(t testing.TB, s *Store, id session.ID) string {
	t.Helper()
	r, err := s.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Data)
}

// warm returns a server, and a store that has the session x of it in its cache.
func warm(t *testing.T) (*redistest.Server, *Store) {
	t.Helper()
	srv := redistest.Start(t)
	s := cached(t, srv, 1)[0]
	save(t, s, "x", "a")
	// The first read may meet the notice of the write itself.
	eventually(t, "a read without a command", func() bool {
		srv.Reset()
		load(t, s, "x")
		return len(srv.Calls(t)) == 0
	})
	return srv, s
}

func TestAReadFromTheCacheAsksRedisNothing(t *testing.T) {
	srv, s := warm(t)
	srv.Reset()
	for range 100 {
		if got := load(t, s, "x"); got != "a" {
			t.Fatalf("got %q, want %q", got, "a")
		}
	}
	if got := srv.Calls(t); len(got) != 0 {
		t.Errorf("commands of 100 reads: got %v, want none", got)
	}
	if _, err := s.LoadFresh(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if got, want := srv.Calls(t), map[string]int{"get": 1}; !maps.Equal(got, want) {
		t.Errorf("commands of LoadFresh: got %v, want %v", got, want)
	}
}

func TestAReadFromTheCacheAnswersWhileRedisIsFrozen(t *testing.T) {
	srv, s := warm(t)
	srv.Freeze()
	if got := load(t, s, "x"); got != "a" {
		t.Errorf("got %q, want %q", got, "a")
	}
	srv.Kill()
}

func TestWhatAnotherClientWritesIsSeenSoon(t *testing.T) {
	srv := redistest.Start(t)
	stores := cached(t, srv, 2)
	here, there := stores[0], stores[1]
	save(t, here, "x", "0")
	var slowest time.Duration
	for i := range 100 {
		load(t, here, "x")
		want := fmt.Sprint(i)
		save(t, there, "x", want)
		slowest = max(slowest, eventually(t, "the other client's write", func() bool { return load(t, here, "x") == want }))
	}
	t.Logf("the slowest of 100 was seen after %v", slowest)
}

// A miss that is cached must not hide what is created next, here or elsewhere.
func TestWhatWasNotThereIsAskedForAgain(t *testing.T) {
	srv := redistest.Start(t)
	stores := cached(t, srv, 2)
	here, there := stores[0], stores[1]
	for i := range 200 {
		id := session.ID(fmt.Sprint(i))
		for range 2 { // the second from the cache
			if _, err := here.Load(t.Context(), id); !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("got %v, want ErrNotFound", err)
			}
		}
		save(t, there, id, "a")
		if got := load(t, here, id); got != "a" {
			t.Fatalf("got %q, want %q", got, "a")
		}
	}
}

func TestARecordThatExpiresLeavesTheCacheToo(t *testing.T) {
	srv := redistest.Start(t)
	s := cached(t, srv, 1)[0]
	best := time.Minute // of some, as this machine may be busy
	for n := 0; n < 20 && best > 2*time.Second; n++ {
		r := session.Record{Data: []byte("a"), Expires: time.Now().Add(150 * time.Millisecond)}
		if _, err := s.Save(t.Context(), "x", r, session.Any); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end of the record", func() bool {
			_, err := s.Load(t.Context(), "x")
			return errors.Is(err, session.ErrNotFound)
		})
		best = min(best, time.Since(r.Expires))
	}
	if best > 2*time.Second {
		t.Errorf("gone %v after its expiry", best)
	}
}

// TestAWriterNeverReadsItsOwnOldValue is PEERS's experiment: a writer reads at
// once. Meanwhile others read the same sessions through the same store, write
// them through another client, and give up in the middle.
func TestAWriterNeverReadsItsOwnOldValue(t *testing.T) {
	srv := redistest.Start(t)
	stale, reads := writeAndRead(t, srv.URL(), 320, true)
	t.Logf("with floors: %d of %d reads were older than the write before them", stale, reads)
	if stale > 0 || reads < 5000 {
		t.Errorf("%d of %d reads were stale, want 0 of at least 5000", stale, reads)
	}
	// Caches that hear of no write keep what was read before it, whatever the machine does.
	deaf := "redis://" + relay.Relay{Down: func(b []byte) []byte {
		return append([]byte{}, notice.ReplaceAll(b, nil)...) // nil would end the connection
	}}.Start(t, srv.Addr())
	for _, withFloors := range []bool{true, false} {
		srv.Flush()
		stale, reads = writeAndRead(t, deaf, 40, withFloors)
		t.Logf("where no cache hears of a write, with floors %v: %d of %d", withFloors, stale, reads)
		if withFloors && stale > 0 {
			t.Errorf("%d of %d reads were stale where no cache hears of a write, want 0", stale, reads)
		}
		if !withFloors && stale == 0 {
			t.Errorf("without floors no read was stale: this test cannot fail")
		}
	}
}

// notice is what Redis tells a cache of a write of one key.
var notice = regexp.MustCompile(`>2\r\n\$10\r\ninvalidate\r\n\*1\r\n\$\d+\r\n[^\r]*\r\n`)

// writeAndRead has two writers for each of eight sessions, on two clients. Each
// counts its own writes in its half of the data, by CAS, so that a reader can tell
// which of them it has seen.
func writeAndRead(t *testing.T, url string, rounds int, withFloors bool) (stale, reads int64) {
	const sessions = 8
	stores := cachedAt(t, url, 2)
	for _, s := range stores {
		if !withFloors {
			s.floors = nil
		}
	}
	var old, all atomic.Int64
	var writers, others sync.WaitGroup
	stop := make(chan struct{})
	for i := range sessions {
		id := session.ID(fmt.Sprint("s", i))
		save(t, stores[0], id, "0 0")
		for side, s := range stores {
			writers.Go(func() {
				for n := 1; n <= rounds; n++ {
					for { // until the CAS succeeds
						r, err := s.LoadFresh(t.Context(), id)
						if err != nil {
							t.Error(err)
							return
						}
						var seen [2]int
						fmt.Sscan(string(r.Data), &seen[0], &seen[1])
						seen[side] = n
						_, err = s.Save(t.Context(), id, record(fmt.Sprint(seen[0], seen[1])), r.Version)
						if err == nil {
							break
						}
						if !errors.Is(err, session.ErrConflict) {
							t.Error(err)
							return
						}
					}
					r, err := s.Load(t.Context(), id)
					if err != nil {
						t.Error(err)
						return
					}
					var seen [2]int
					fmt.Sscan(string(r.Data), &seen[0], &seen[1])
					all.Add(1)
					if seen[side] < n {
						old.Add(1)
					}
				}
			})
		}
	}
	for _, s := range stores {
		others.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithCancel(t.Context())
				if i%3 == 0 {
					go cancel() // while it may be fetching for others
				}
				s.Load(ctx, session.ID(fmt.Sprint("s", i%sessions)))
				cancel()
			}
		})
	}
	writers.Wait()
	close(stop)
	others.Wait()
	return old.Load(), all.Load()
}
