package store_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/orders"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/store"
)

// The order of a name is followed within a second, and other names are not.
func TestAnOrderArrivesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(nil)
		source, err := store.New(s, "shop/override", nil)
		if err != nil {
			t.Fatal(err)
		}
		follower, err := override.Follow(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer follower.Close()
		client := orders.New(s)
		for _, step := range []struct {
			name, text string
			want       session.Mode
		}{
			{"shop/override", "backup-only", session.BackupOnly},
			{"shop/other", "store-only", session.BackupOnly},
			{"shop/override", `{"mode": "store-only"}`, session.StoreOnly},
			{"shop/override", "auto", session.Auto},
		} {
			if err := client.Put(t.Context(), step.name, []byte(step.text)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1200 * time.Millisecond)
			if got := follower.Override().Mode; got != step.want {
				t.Errorf("after %s at %s: the mode is %v, want %v", step.text, step.name, got, step.want)
			}
		}
	})
}

// An order that is written is followed, and removed; an order that no fleet would
// take is not written.
func TestAnOrderIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, err := store.New(memstore.New(nil), "shop/override", nil)
		if err != nil {
			t.Fatal(err)
		}
		follower, err := override.Follow(source, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer follower.Close()
		if err := source.Remove(t.Context()); err != nil {
			t.Errorf("where none stands: %v", err)
		}
		o := override.Order{Override: session.Override{Mode: session.BackupOnly, Lease: time.Hour}, Until: time.Now().Add(time.Hour).UTC(), By: "ann: a new disk"}
		if err := source.Write(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1200 * time.Millisecond)
		if got := follower.Order(); got != o {
			t.Errorf("got %+v, want %+v", got, o)
		}
		for name, bad := range map[string]override.Order{
			"it has ended":                 {Until: time.Now().Add(-time.Second)},
			"a shard without backup-only":  {Override: session.Override{Shard: "a"}},
			"a name that a terminal obeys": {By: "\x1b[2J"},
		} {
			if err := source.Write(t.Context(), bad); !errors.Is(err, override.ErrOrder) {
				t.Errorf("%s: got %v, want ErrOrder", name, err)
			}
		}
		if err := source.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1200 * time.Millisecond)
		if got := follower.Order(); got != (override.Order{}) {
			t.Errorf("after Remove: got %+v", got)
		}
	})
}

func TestNewRefusesWhatMakesNoSense(t *testing.T) {
	s := memstore.New(nil)
	for name, open := range map[string]func() (*store.Source, error){
		"no store":     func() (*store.Source, error) { return store.New(nil, "a", nil) },
		"no name":      func() (*store.Source, error) { return store.New(s, "", nil) },
		"a time below": func() (*store.Source, error) { return store.New(s, "a", &store.Options{Every: -1}) },
	} {
		if _, err := open(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
