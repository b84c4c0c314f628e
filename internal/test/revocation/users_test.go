package revocation

import (
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

var faultFor = flag.Duration("chaos", time.Second, "how long each fault lasts")

func TestUsersInAStorm(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	refused := errors.New("connection refused")
	Users(t, Place{
		Open: func(testing.TB) Store { return store },
		Delete: func(t testing.TB, id session.ID) {
			gone := session.Record{Expires: time.Now().Add(-time.Hour)}
			_, err := store.Save(t.Context(), id, gone, session.Any)
			if err != nil && !errors.Is(err, refused) { // the outage may have begun meanwhile
				t.Error(err)
			}
		},
	}, Weather{
		Away: func() { store.Fail(refused) },
		Back: store.Heal,
		Lose: func() { store.Replace(memstore.New(nil)) },
		For:  *faultFor,
	})
}
