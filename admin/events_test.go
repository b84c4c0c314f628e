package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
)

// read returns the events that there are.
func read(t *testing.T, events *admin.Events) (found []admin.Event) {
	t.Helper()
	f := open(t, memory(), admin.Options{Events: events}, func(o *session.Options) { o.Hooks = session.Hooks{} })
	last := events.Hooks(session.Hooks{}) // marks the end
	last.JournalFile(t.Context(), session.FileRecovered, nil)
	for e, err := range f.client.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == "journalfile" {
			break
		}
		found = append(found, e)
	}
	return found
}

// noEvent is the hooks that repeat what others have told.
var noEvent = []string{"StillDown", "Conflict"}

// Whatever hook the application has is called after the event is kept, with the same arguments.
// Each other one makes an event.
func TestEveryHookIsPassedOn(t *testing.T) {
	called := map[string]int{}
	var next session.Hooks
	hooks := reflect.ValueOf(&next).Elem()
	for i := range hooks.NumField() {
		name := hooks.Type().Field(i).Name
		hooks.Field(i).Set(reflect.MakeFunc(hooks.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			called[name]++
			return nil
		}))
	}
	with := reflect.ValueOf(new(admin.Events).Hooks(next))
	alone := reflect.ValueOf(new(admin.Events).Hooks(session.Hooks{}))
	for i := range with.NumField() {
		name := with.Type().Field(i).Name
		var args []reflect.Value
		for n := range with.Field(i).Type().NumIn() {
			switch in := with.Field(i).Type().In(n); {
			case in == reflect.TypeFor[context.Context]():
				args = append(args, reflect.ValueOf(t.Context()))
			case in == reflect.TypeFor[*session.ValueError]():
				args = append(args, reflect.ValueOf(&session.ValueError{Key: "k", Err: errors.New("odd")}))
			default:
				args = append(args, reflect.Zero(in))
			}
		}
		with.Field(i).Call(args)
		if called[name] != 1 {
			t.Errorf("%s was called %d times, want once", name, called[name])
		}
		if none := alone.Field(i).IsNil(); none != slices.Contains(noEvent, name) {
			t.Errorf("%s makes an event: %v", name, !none)
		} else if !none {
			alone.Field(i).Call(args) // without one to pass it on to
		}
	}
}

// A flood of logins does not push the outage out, and what fails a thousand times a second is
// shown once.
func TestAFloodLeavesTheOutage(t *testing.T) {
	var events admin.Events
	synctest.Test(t, func(t *testing.T) {
		h := events.Hooks(session.Hooks{})
		h.Down(t.Context(), "a", errors.New("refused"))
		for n := range 1000 {
			h.Login(t.Context(), session.ID(fmt.Sprint(n)), "", "ada")
			h.Failed(t.Context(), session.OperationLoad, "x", errors.New("refused"))
		}
		time.Sleep(2 * time.Second)
		h.Failed(t.Context(), session.OperationLoad, "x", errors.New("refused"))
		h.Up(t.Context(), session.Outage{Shard: "a", Duration: time.Minute, Delivered: 7})
	})
	found := read(t, &events)
	count := map[string]int{}
	var before uint64
	for _, e := range found {
		count[e.Kind]++
		if e.Number <= before {
			t.Errorf("%+v comes after %d", e, before)
		}
		before = e.Number
	}
	if count["down"] != 1 || count["up"] != 1 || count["failed"] != 2 || count["login"] != 128 {
		t.Errorf("got the events %v", count)
	}
	if e := found[len(found)-2]; e.Kind != "failed" || e.Unseen != 999 || e.Detail != "load: refused" {
		t.Errorf("got %+v, want a failure with 999 before it", e)
	}
	if e := found[len(found)-1]; e.Shard != "a" || e.Detail != "after 1m0s; 7 delivered, 0 lost, 0 waiting" {
		t.Errorf("got %+v", e)
	}
}

// A visitor's request costs the same with a Handler that is mounted and idle, and with its
// Events on the hooks, as without.
func TestARequestCostsNothingMore(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates: make test counts, make race does not")
	}
	measure := func(o admin.Options, mounted bool) float64 {
		var change []func(*session.Options)
		if !mounted {
			change = append(change, func(o *session.Options) { o.Hooks = session.Hooks{} })
		} else {
			o.Store, o.Every = memory(), time.Hour
		}
		f := open(t, memory(), o, change...)
		_, v := f.logIn("ada")
		f.listed("ada", 1)
		h := f.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.From(r.Context()); err != nil || s.User() != "ada" {
				t.Errorf("got %v, want the session of ada", err)
			}
		}))
		r, w := v.Request(http.MethodGet, "/", nil), &recorder{http.Header{}}
		least := 1e9
		for range 10 { // what runs in the background is counted too, now and then
			least = min(least, testing.AllocsPerRun(500, func() { h.ServeHTTP(w, r) }))
		}
		return least
	}
	without, with := measure(admin.Options{}, false), measure(admin.Options{Events: new(admin.Events)}, true)
	t.Logf("a request makes %v allocations without the handler, and %v with it", without, with)
	if with != without {
		t.Errorf("got %v allocations with the handler, want %v as without", with, without)
	}
}
