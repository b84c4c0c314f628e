package acceptance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// RefusedChanges fails unless a store that creates sessions and refuses every
// change of one counts as an outage of its shard, with a backup and without:
// Hooks.Down has an error that contains names.
func RefusedChanges(t *testing.T, open func(testing.TB) session.Store, shard, names string) {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, backup := range map[string]*session.Backup{"with a backup": {Keys: keys, Audience: "test"}, "without a backup": nil} {
		t.Run(name, func(t *testing.T) {
			type news struct {
				shard string
				err   error
			}
			down := make(chan news, 10)
			m, err := session.New(open(t), &session.Options{
				Backup: backup, ReadTimeout: 5 * time.Second, SaveTimeout: 5 * time.Second,
				Hooks: session.Hooks{Down: func(_ context.Context, shard string, err error) { down <- news{shard, err} }},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, leave := context.WithCancel(t.Context())
			leave()
			defer m.Close(ctx) // what cannot be delivered is not waited for
			count := session.NewKey[int]("n")
			increment := func(s *session.Session) { count.Update(s, func(n *int) error { *n++; return nil }) }
			v := sessiontest.NewVisitor(t, m, increment)
			most := timeleft.Within(t, timeleft.Patience)
			for end := time.Now().Add(most); time.Now().Before(end); {
				v.Get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if s, err := session.From(r.Context()); err == nil {
						increment(s)
					}
				})), "/")
				sessiontest.NewVisitor(t, m, increment) // whose session can be created
				select {
				case n := <-down:
					if n.shard != shard || !strings.Contains(n.err.Error(), names) || !m.Stats().Failing {
						t.Errorf("Down of %q: %v; failing: %v", n.shard, n.err, m.Stats().Failing)
					}
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
			t.Fatalf("nobody was told in %v: %+v", most, m.Stats())
		})
	}
}
