package cuts

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// Run cuts the connections of store, which go through p, in each phase of each call.
func Run(t *testing.T, p *Proxy, store session.Store) {
	warm(t, store)
	for _, phase := range []Phase{Idle, Swallowed, Asking, Done, Answering} {
		for _, how := range []struct {
			name       string
			abort, all bool
		}{
			{"hung up", false, false},
			{"reset", true, false},
			{"reset, and all others", true, true},
		} {
			t.Run(fmt.Sprintf("%v, %s", phase, how.name), func(t *testing.T) {
				arm := func(mark string) { p.arm(mark, phase, how.abort, how.all) }
				t.Run("a read", func(t *testing.T) { cutRead(t, p, store, arm) })
				for _, over := range []string{"nothing", "a version", "anything"} {
					t.Run("a save over "+over, func(t *testing.T) { cutSave(t, p, store, over, arm) })
				}
			})
		}
	}
}

var names atomic.Int64

// name returns a text that no other request has in it.
func name(what string) string { return fmt.Sprintf("cut-%s-%04d", what, names.Add(1)) }

// save puts a record with this text. Where the server was just cut off it may take a few
// attempts: none of them is what the test is about.
func save(t *testing.T, store session.Store, id session.ID, text string) (v session.Version) {
	t.Helper()
	timeleft.Poll(t, "a record is saved", func() (ok bool) {
		var err error
		v, err = store.Save(t.Context(), id, session.Record{Data: []byte(text), Expires: time.Now().Add(time.Hour)}, session.Any)
		return err == nil
	})
	return v
}

// warm saves over versions: a server that does not know the script of that yet is sent it
// with the record, a second time. Of a cluster each server gets some of the sessions.
func warm(t *testing.T, store session.Store) {
	t.Helper()
	for range 60 {
		id := session.ID(name("warm"))
		v := save(t, store, id, "first")
		if _, err := store.Save(t.Context(), id, session.Record{Data: []byte("second"), Expires: time.Now().Add(time.Hour)}, v); err != nil {
			t.Fatal(err)
		}
	}
}

// cutRead wants one answer to one read, whatever happens to its connection.
func cutRead(t *testing.T, p *Proxy, store session.Store, arm func(string)) {
	id := name("read")
	save(t, store, session.ID(id), "value of "+id)
	p.count(id)
	arm(id)
	ctx, cancel := context.WithTimeout(t.Context(), timeleft.Patience)
	defer cancel()
	r, err := store.Load(ctx, session.ID(id))
	if err != nil || string(r.Data) != "value of "+id {
		t.Errorf("Load = %q, %v", r.Data, err)
	}
}

// cutSave wants a save to be sent once, a conflict to have changed nothing, and nothing but
// the old record or the new one afterwards.
func cutSave(t *testing.T, p *Proxy, store session.Store, over string, arm func(string)) {
	id, text := name("save"), name("text")
	old, version := "", session.Absent
	switch over {
	case "a version":
		old = "old"
		version = save(t, store, session.ID(id), old)
	case "anything":
		version = session.Any
	}
	p.count(text)
	arm(text)
	ctx, cancel := context.WithTimeout(t.Context(), timeleft.Patience)
	defer cancel()
	_, err := store.Save(ctx, session.ID(id), session.Record{Data: []byte(text), Expires: time.Now().Add(time.Hour)}, version)
	if n := p.times(text); n > 1 {
		t.Errorf("it was sent %d times, and answered %v", n, err)
	}
	r, found := session.Record{}, error(nil)
	timeleft.Poll(t, "the record is read", func() bool {
		r, found = store.Load(t.Context(), session.ID(id))
		return found == nil || errors.Is(found, session.ErrNotFound)
	})
	switch got := string(r.Data); {
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrTooLarge), errors.Is(err, session.ErrConflict) && got != old:
		t.Errorf("Save = %v, and there is %q", err, got)
	case err == nil && got != text:
		t.Errorf("a save that was acknowledged left %q, %v", got, found)
	case got != text && got != old:
		t.Errorf("there is %q, want %q or %q", got, old, text)
	}
}
