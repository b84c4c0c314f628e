package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

// salted makes the bytes of each write its own, as a session.Format does. Of the
// contract's sentences only one needs it: "a Version is unique to its write".
type salted struct{ *redisstore.Store }

const saltSize = 16

func (s salted) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	salt := make([]byte, saltSize, saltSize+len(r.Data))
	rand.Read(salt)
	r.Data = append(salt, r.Data...)
	return s.Store.Save(ctx, id, r, over)
}

func (s salted) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return unsalted(s.Store.Load(ctx, id))
}

func (s salted) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	return unsalted(s.Store.LoadFresh(ctx, id))
}

func unsalted(r session.Record, err error) (session.Record, error) {
	if err == nil {
		r.Data = r.Data[saltSize:]
	}
	return r, err
}

func TestRawKeepsTheContractWhereNoTwoWritesAreOfTheSameBytes(t *testing.T) {
	for name, o := range map[string][]redisstore.Option{
		"plain":        {redisstore.Raw()},
		"client cache": {redisstore.Raw(), redisstore.ClientCache(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			keepsTheContract(t, func(s *redisstore.Store) session.Store { return salted{s} }, o...)
		})
	}
}

func TestRawSharesItsKeysWithOtherPrograms(t *testing.T) {
	srv := redistest.Start(t)
	other := newClient(t, srv.URL())
	do := func(args ...string) string {
		t.Helper()
		reply, err := other.Do(t.Context(), other.B().Arbitrary(args...).Build()).ToAny()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := reply.(string)
		return text
	}
	s := newStore(t, srv, redisstore.Raw(), redisstore.Prefix("sess:"))

	first := mustSave(t, s, "a", record(`{"n":1}`), session.Absent)
	if got, want := do("GET", "sess:a"), `{"n":1}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if r := mustLoad(t, s, "a"); r.Version != first {
		t.Errorf("got version %x, want that of the save, %x", r.Version, first)
	}

	do("EXPIRE", "sess:a", "100")
	second := mustSave(t, s, "a", record(`{"n":2}`), first) // a touch is no write

	do("SET", "sess:a", `{"n":3}`, "EX", "100")
	if _, err := s.Save(t.Context(), "a", record(`{"n":4}`), second); !errors.Is(err, session.ErrConflict) {
		t.Errorf("over what another program has written: got %v, want ErrConflict", err)
	}
	r := mustLoad(t, s, "a")
	if got, want := string(r.Data), `{"n":3}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	mustSave(t, s, "a", record(`{"n":4}`), r.Version)

	do("DEL", "sess:a")
	if _, err := s.Load(t.Context(), "a"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// The comment of Raw names this limit.
func TestARawVersionIsThatOfTheBytes(t *testing.T) {
	s := newStore(t, redistest.Start(t), redisstore.Raw())
	first := mustSave(t, s, "a", record("x"), session.Any)
	mustSave(t, s, "a", record("y"), session.Any)
	if again := mustSave(t, s, "a", record("x"), session.Any); again != first {
		t.Errorf("got %x, want %x", again, first)
	}
	if other := mustSave(t, s, "b", record("x"), session.Any); other != first {
		t.Errorf("got %x, want %x", other, first)
	}
}
