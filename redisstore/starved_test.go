package redisstore_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
)

// An instance whose one processor is busy with other work: whatever the store answers waits
// for it several times, longer than a whole budget.
func TestAnInstanceShortOfProcessorFindsOutThatItsStoreIsBack(t *testing.T) {
	server := redistest.Start(t)
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	m, err := session.New(redisstore.New(newClient(t, server.URL())), &session.Options{
		Cookie: session.Cookie{Insecure: true}, Backup: &session.Backup{Keys: keys, Audience: "starved"},
	})
	if err != nil {
		t.Fatal(err)
	}
	visit := httptest.NewServer(m.HandlerFunc(serveItems))
	defer visit.Close()
	eventually(t, "the instance has met its store", func() bool {
		shards := m.Stats().Shards
		return len(shards) > 0 && !shards[0].Heard.IsZero()
	})
	var tokens []string
	add := func() {
		server.Kill()
		for i := range 5 {
			answer, err := http.Get(fmt.Sprint(visit.URL, "/add/", i))
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Fatal(answer.Status)
			}
			for _, c := range answer.Cookies() {
				if c.Name == "session" {
					tokens = append(tokens, c.Value)
				}
			}
		}
		server.Restart()
	}
	add()
	defer busy(3)()
	isBack := func() bool {
		st := m.Stats()
		return st.Journal.States == 0 && st.Shards[0].State != session.Away
	}
	for end := time.Now().Add(timeleft.Within(t, 5*time.Minute)); !isBack(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the store is back, and the instance says %+v", m.Stats())
		}
	}
	add()
	ctx, cancel := context.WithTimeout(t.Context(), timeleft.Within(t, 5*time.Minute))
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Error("the second outage: ", err)
	}
	fresh, err := session.New(redisstore.New(newClient(t, server.URL())), &session.Options{
		Cookie: session.Cookie{Insecure: true}, ReadTimeout: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens[len(tokens)-5:] { // what the store had before the second outage is gone with it
		x := fresh.Load(t.Context(), http.Header{"Cookie": {"session=" + token}})
		if got, err := items.Get(x); err != nil || len(got) != 1 {
			t.Errorf("the store has %q of a session, %v", got, err)
		}
	}
}

// busy gives this process one processor, and n other goroutines something to do, until the
// function that it returns is called.
func busy(n int) (end func()) {
	var over atomic.Bool
	var wg sync.WaitGroup
	before := runtime.GOMAXPROCS(1)
	for range n {
		wg.Go(func() {
			for !over.Load() {
			}
		})
	}
	return func() {
		over.Store(true)
		wg.Wait()
		runtime.GOMAXPROCS(before)
	}
}
