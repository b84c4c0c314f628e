package redisstore_test

import (
	"io"
	"os"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

// The example needs a server, so its output is checked here.
func TestTheExampleOfNewListsTheSessions(t *testing.T) {
	srv := redistest.Start(t)
	mustSave(t, newStore(t, srv, redisstore.Prefix("shop:session:")), "5e55", record("a"), session.Any)
	mustSave(t, newStore(t, srv), "ffff", record("of another prefix"), session.Any)
	t.Setenv("REDIS_URL", srv.URL())

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	ExampleNew()
	os.Stdout = stdout
	w.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "5e55\n" {
		t.Errorf("printed %q, %v, want %q", got, err, "5e55\n")
	}
}
