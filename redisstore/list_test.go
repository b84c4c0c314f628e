package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

func list(t *testing.T, s *redisstore.Store) []session.ID {
	t.Helper()
	var ids []session.ID
	for id, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func TestListYieldsWhatLoadTakes(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	var want []session.ID
	for i := range 3000 { // more than one page
		id := session.ID(fmt.Sprintf("%04d", i))
		want = append(want, id)
		mustSave(t, s, id, record("a"), session.Any)
	}
	srv.Command("SET", "somebody:else", "a")
	mustSave(t, s, "expired", session.Record{Expires: time.Now().Add(time.Millisecond)}, session.Any)
	eventually(t, "the end of a record", func() bool { return srv.Command("EXISTS", "session:expired") == "0" })
	if got := list(t, s); !slices.Equal(got, want) {
		t.Errorf("got %d IDs, want %d", len(got), len(want))
	}
	mustLoad(t, s, list(t, s)[0])
}

func TestListTakesAPrefixAsItIs(t *testing.T) {
	srv := redistest.Start(t)
	client := newClient(t, srv.URL())
	for _, prefix := range []string{"", "a*", "a?", "a[bc]", "[", "]", `a\`, `a\*`, "ä\x00\xff", "a[^b]", "a-z"} {
		srv.Flush()
		s := redisstore.New(client, redisstore.Prefix(prefix))
		if prefix != "" {
			for _, other := range []string{"ab:x", "abc", "a", "ac", "aä", `b\a`, `\*`} {
				srv.Command("SET", "other"+other, "x")
				srv.Command("SET", other, "x")
			}
			srv.Command("DEL", prefix+"x")
		}
		mustSave(t, s, "x", record("a"), session.Any)
		mustSave(t, s, "X", record("a"), session.Any)
		if got := list(t, s); !slices.Equal(got, []session.ID{"X", "x"}) {
			t.Errorf("prefix %q: got %q", prefix, got)
		}
	}
}

func TestListEndsWithItsCallerAndWithItsContext(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	for i := range 10 {
		mustSave(t, s, session.ID(fmt.Sprint(i)), record("a"), session.Any)
	}
	for range s.List(t.Context()) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range s.List(ctx) {
		n++
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if n != 1 {
		t.Errorf("got %d elements, want the error alone", n)
	}
	srv.Freeze()
	for _, err := range s.List(within(t, 20*time.Millisecond)) {
		if !errors.Is(err, errDeadline) {
			t.Errorf("got %v, want the deadline's error", err)
		}
	}
	srv.Kill()
	for _, err := range s.List(t.Context()) {
		if err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("got %v, want an error", err)
		}
	}
}
