package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

// newBackedUp returns a Manager with a Backup, and the store that a test may break.
func newBackedUp(o session.Options) (*session.Manager, *storetest.Faulty) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		panic(err)
	}
	store := storetest.NewFaulty(memstore.New(nil))
	o.Backup = &session.Backup{Keys: keys, Audience: "shop-production"}
	sessions, err := session.New(store, &o)
	if err != nil {
		panic(err)
	}
	return sessions, store
}

// closeSoon ends a Manager whose store may be away.
func closeSoon(sessions *session.Manager) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	sessions.Close(ctx)
}

// logIn is a request of a new visitor, answered.
func logIn(sessions *session.Manager) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	login := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		s.SetUser("ada")
	})
	login.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://shop.example/login", http.NoBody))
	return w
}

// A page for those on call. Stats is for people and programs: it goes through JSON and back.
func ExampleStats() {
	sessions, _ := newBackedUp(session.Options{})
	defer closeSoon(sessions)
	logIn(sessions)

	text, err := json.Marshal(sessions.Stats())
	if err != nil {
		panic(err)
	}
	var s session.Stats
	err = json.Unmarshal(text, &s)
	fmt.Println(s.Failing, s.Saves, s.Failures, s.Degraded, err)
	// Output: false 1 0 0 <nil>
}

// An instance whose store is away serves its visitors from their copies. So a check of health
// tells of the shard, and does not take the instance out of the balancer.
func ExampleShardStats() {
	sessions, _ := newBackedUp(session.Options{})
	defer closeSoon(sessions)
	logIn(sessions)

	for _, shard := range sessions.Stats().Shards {
		if shard.State == session.Serving {
			fmt.Println(shard.State, shard.Mode)
			continue
		}
		fmt.Println(shard.Name, shard.State, shard.Cause, time.Since(shard.Since))
	}
	// Output: serving auto
}

// The writes that would be lost if the process ended now, and its visitors did not come back.
func ExampleJournalStats() {
	sessions, store := newBackedUp(session.Options{})
	defer closeSoon(sessions)
	logIn(sessions)
	store.Fail(errors.New("connection refused"))
	logIn(sessions)

	j := sessions.Stats().Journal
	fmt.Println(j.States, j.Tombstones, j.Lost, j.Bytes < j.Most, !j.Oldest.IsZero())
	store.Heal()
	// Output: 1 0 0 true true
}

// Before an old key is removed, see that no rotation is under way.
func ExampleCopyStats() {
	sessions, _ := newBackedUp(session.Options{})
	defer closeSoon(sessions)
	logIn(sessions)

	c := sessions.Stats().Copies
	fmt.Println(c.Keys, c.Built, c.Bytes > 0)
	// Output: 1 1 true
}

// Without Backup.Dir there is no file, and all is zero.
func ExampleFileStats() {
	sessions, _ := newBackedUp(session.Options{})
	defer closeSoon(sessions)
	fmt.Println(sessions.Stats().Journal.File.Unwritten)
	// Output: 0
}

// The order of the operator, and until when it stands.
func ExampleOrderStats() {
	var order override.Value
	sessions, _ := newBackedUp(session.Options{Switch: &order})
	defer closeSoon(sessions)
	order.SetUntil(session.Override{Mode: session.BackupOnly}, time.Date(2099, 11, 1, 18, 0, 0, 0, time.UTC))

	o := sessions.Stats().Order
	fmt.Println(o.Mode, o.Until)
	// Output: backup only 2099-11-01 18:00:00 +0000 UTC
}

// An order about one server of several, for two hours longer than copies usually vouch.
func ExampleOverride() {
	var order override.Value
	sessions, _ := newBackedUp(session.Options{Switch: &order})
	defer closeSoon(sessions)
	order.SetUntil(session.Override{
		Mode:  session.BackupOnly,
		Shard: "10.0.0.1:11211", // its name in ShardStats
		Lease: 3 * time.Hour,    // Backup.MaxLease bounds it
	}, time.Now().Add(2*time.Hour))

	o := sessions.Stats().Order
	fmt.Println(o.Mode, o.Shard, o.Lease)
	// Output: backup only 10.0.0.1:11211 3h0m0s
}

// A Mode is a word in JSON, as in a configuration.
func ExampleMode() {
	var settings struct{ Sessions session.Mode }
	err := json.Unmarshal([]byte(`{"Sessions": "backup only"}`), &settings)
	fmt.Println(settings.Sessions == session.BackupOnly, err)
	err = json.Unmarshal([]byte(`{"Sessions": "backup"}`), &settings)
	fmt.Println(err)
	// Output:
	// true <nil>
	// session: "backup" is no mode
}

// A Switch of one's own: a function that returns at once, and that many goroutines call.
func ExampleSwitch() {
	var maintenance atomic.Bool // which a feature flag sets, say
	maintenance.Store(true)
	order := switchFunc(func() session.Override {
		if maintenance.Load() {
			return session.Override{Mode: session.BackupOnly}
		}
		return session.Override{} // as the Manager would do by itself
	})
	sessions, _ := newBackedUp(session.Options{Switch: order})
	defer closeSoon(sessions)

	fmt.Println(logIn(sessions).Code, "and the store lacks", sessions.Stats().Journal.States, "session")
	maintenance.Store(false)
	// Output: 200 and the store lacks 1 session
}

// An order with an end: Stats tells an operator when it ends by itself.
func ExampleEndingSwitch() {
	sessions, _ := newBackedUp(session.Options{Switch: maintenance{time.Date(2131, 1, 2, 18, 0, 0, 0, time.UTC)}})
	defer closeSoon(sessions)

	order := sessions.Stats().Order
	fmt.Println(order.Mode, "until", order.Until.Format("15:04"))
	// Output: backup only until 18:00
}

// maintenance is a Switch that leaves the store alone until a time.
type maintenance struct{ end time.Time }

func (m maintenance) Override() session.Override {
	if time.Now().After(m.end) {
		return session.Override{}
	}
	return session.Override{Mode: session.BackupOnly}
}

func (m maintenance) Until() time.Time { return m.end }

type switchFunc func() session.Override

func (f switchFunc) Override() session.Override { return f() }
