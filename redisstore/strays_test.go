package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/redisstore"
)

// A proxy before the server sends a visitor's record once more, again and again and while
// other answers are due: it reaches no other visitor.
func TestAnAnswerTooManyReachesNoOtherVisitor(t *testing.T) {
	for name, options := range map[string][]redisstore.Option{"plain": nil, "cached": {redisstore.ClientCache(time.Millisecond)}} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			var stray atomic.Pointer[string]
			address := relay.Relay{Down: func(b []byte) []byte {
				if s := stray.Swap(nil); s != nil && strings.IndexByte("$+:", b[0]) >= 0 { // where an answer begins
					return append([]byte(*s), b...)
				}
				return b
			}}.Start(t, server.Addr())
			o, err := redisstore.ClientOption("redis://"+address, options...)
			if err != nil {
				t.Fatal(err)
			}
			o.PipelineMultiplex = -1 // one connection, on which many answers are due
			store := redisstore.New(newClientOf(t, o), options...)
			mustSave(t, store, "victim", record("the victim's"), session.Any)
			theirs := server.Command("GET", "session:victim")
			answer := fmt.Sprintf("$%d\r\n%s\r\n", len(theirs), theirs)
			for i := range 8 {
				mustSave(t, store, session.ID(fmt.Sprint("visitor", i)), record(fmt.Sprint("of visitor ", i)), session.Any)
			}
			var readers sync.WaitGroup
			var right, failed, sent atomic.Int64
			over := make(chan struct{})
			for i := range 8 {
				readers.Go(func() {
					id, want := session.ID(fmt.Sprint("visitor", i)), fmt.Sprint("of visitor ", i)
					for {
						select {
						case <-over:
							return
						default:
						}
						r, err := store.Load(within(t, patience), id)
						switch {
						case err == nil && string(r.Data) != want:
							t.Errorf("%s got %q", id, r.Data)
						case err == nil:
							right.Add(1)
						case errors.Is(err, session.ErrNotFound):
							t.Errorf("%s: %v", id, err)
						default:
							failed.Add(1)
						}
					}
				})
			}
			for range 40 {
				before := right.Load()
				eventually(t, "more answers", func() bool { return right.Load() > before+20 })
				if stray.CompareAndSwap(nil, &answer) {
					sent.Add(1)
				}
			}
			close(over)
			readers.Wait()
			t.Logf("%d right answers, %d errors, %d answers too many", right.Load(), failed.Load(), sent.Load())
		})
	}
}

// A value of another program is an error for its own reader, and costs other callers no
// connection.
func TestARecordOfAnotherKeyIsNone(t *testing.T) {
	server := redistest.Start(t)
	store := newStore(t, server)
	mustSave(t, store, "a", record("a's"), session.Any)
	server.Command("COPY", "session:a", "session:b")
	before := server.Command("CLIENT", "LIST", "TYPE", "normal")
	r, err := store.Load(within(t, patience), "b")
	if err == nil || errors.Is(err, session.ErrNotFound) || len(r.Data) > 0 || strings.Contains(err.Error(), "a's") {
		t.Errorf("Load = %q, %v", r.Data, err)
	}
	after := server.Command("CLIENT", "LIST", "TYPE", "normal")
	if got, want := strings.Count(after, "id="), strings.Count(before, "id="); got < want {
		t.Errorf("there are %d connections, %d before", got, want)
	}
	mustLoad(t, store, "a")
}
