package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// Hooks that tell those on call of an outage, beside the lines of LogHooks.
func ExampleOutage() {
	page := func(text string) { fmt.Println(text) } // yours
	hooks := session.Hooks{
		StillDown: func(_ context.Context, o session.Outage) {
			page(fmt.Sprintf("%s is away for %v: %d changes wait", o.Shard, o.Duration.Round(time.Minute), o.States))
		},
		Up: func(_ context.Context, o session.Outage) {
			page(fmt.Sprintf("%s is back: %d were lost", o.Shard, o.Lost))
		},
	}
	hooks.StillDown(context.Background(), session.Outage{Shard: "redis-2", Duration: 90 * time.Second, States: 12})
	hooks.Up(context.Background(), session.Outage{Shard: "redis-2", Duration: 2 * time.Minute})
	// Output:
	// redis-2 is away for 2m0s: 12 changes wait
	// redis-2 is back: 0 were lost
}

// An audit log says who has ended a session.
func ExampleEnding() {
	sessions, err := session.New(memstore.New(nil), &session.Options{Hooks: session.Hooks{
		Ended: func(_ context.Context, e session.Ending) {
			byVisitor := e.By == session.EndedByVisitor
			fmt.Println(e.User, "ended by", e.By, byVisitor, e.Durability)
		},
	}})
	if err != nil {
		panic(err)
	}
	h := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		s.SetUser("ada")
		if _, err := s.Save(r.Context()); err != nil {
			session.Error(w, r, err)
			return
		}
		s.Destroy(r.Context())
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "https://shop.example/", http.NoBody))
	// Output: ada ended by visitor true durable
}

// A message to users whose session ended without them.
func ExampleEndedBy() {
	var id session.ID // as the support desk sees it
	sessions, err := session.New(memstore.New(nil), &session.Options{Hooks: session.Hooks{
		Login: func(_ context.Context, began, _ session.ID, _ string) { id = began },
		Ended: func(_ context.Context, e session.Ending) {
			switch e.By {
			case session.EndedByVisitor, session.EndedByTime:
			default:
				fmt.Println("to", e.User+":", "your session was ended by:", e.By)
			}
		},
	}})
	if err != nil {
		panic(err)
	}
	logIn(sessions)
	if _, err := sessions.Revoke(context.Background(), id); err != nil {
		panic(err)
	}
	// Output: to ada: your session was ended by: administrator
}

// A counter of failures, by what was asked of the store.
func ExampleOperation() {
	var mu sync.Mutex // many goroutines call a hook
	failures := map[session.Operation]int{}
	sessions, store := newBackedUp(session.Options{Hooks: session.Hooks{
		Failed: func(_ context.Context, operation session.Operation, _ session.ID, _ error) {
			mu.Lock()
			defer mu.Unlock()
			failures[operation]++
		},
	}})
	defer closeSoon(sessions)
	store.Fail(errors.New("connection refused"))
	logIn(sessions)
	store.Heal()
	mu.Lock()
	defer mu.Unlock()
	fmt.Println(failures[session.OperationSave] > 0)
	// Output: true
}

// A copy that was tampered with counts as absent, and the application hears of it.
func ExampleBackupFault() {
	sessions, _ := newBackedUp(session.Options{Hooks: session.Hooks{
		Backup: func(_ context.Context, _ session.ID, fault session.BackupFault, _ error) {
			fmt.Println(fault, fault == session.BackupForged)
		},
	}})
	defer closeSoon(sessions)

	r := httptest.NewRequest(http.MethodGet, "https://shop.example/", http.NoBody)
	for _, c := range logIn(sessions).Result().Cookies() {
		if strings.Contains(c.Name, "-b") { // part of the copy
			c.Value = c.Value[:len(c.Value)-8] + "AAAAAAAA"
		}
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		fmt.Fprintf(w, "%s, from the %v", s.User(), s.Source())
	}).ServeHTTP(w, r)
	fmt.Println(w.Body)
	// Output:
	// forged true
	// ada, from the store
}

// An alert for what a disk does not keep.
func ExampleFileFault() {
	hooks := session.Hooks{JournalFile: func(_ context.Context, fault session.FileFault, err error) {
		if fault == session.FileRecovered {
			fmt.Println("the file has all again")
			return
		}
		fmt.Println(fault, "-", err)
	}}
	hooks.JournalFile(context.Background(), session.FileFailing, errors.New("no space left on device"))
	hooks.JournalFile(context.Background(), session.FileRecovered, nil)
	// Output:
	// failing - no space left on device
	// the file has all again
}

// An application that does not report a logout before the store has it.
func ExampleDurability() {
	sessions, store := newBackedUp(session.Options{})
	defer closeSoon(sessions)
	logout := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		switch d, err := s.Destroy(r.Context()); {
		case err != nil:
			session.Error(w, r, err)
		case d == session.Pending:
			fmt.Fprint(w, "You are logged out in this browser, and elsewhere soon.")
		default:
			fmt.Fprint(w, "You are logged out.")
		}
	})
	try := func(cookies []*http.Cookie) {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "https://shop.example/logout", http.NoBody)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		logout.ServeHTTP(w, r)
		fmt.Println(w.Body)
	}
	first, second := logIn(sessions).Result().Cookies(), logIn(sessions).Result().Cookies()
	try(first)
	store.Fail(errors.New("connection refused"))
	try(second)
	store.Heal()
	// Output:
	// You are logged out.
	// You are logged out in this browser, and elsewhere soon.
}

// A page shows a session without its token: to its user, or to the support desk.
func ExampleView() {
	var logged session.ID // as it stands in a log
	sessions, err := session.New(memstore.New(nil), &session.Options{Hooks: session.Hooks{
		Login: func(_ context.Context, id, _ session.ID, _ string) { logged = id },
	}})
	if err != nil {
		panic(err)
	}
	logIn(sessions)

	v, err := sessions.Open(context.Background(), logged)
	if err != nil {
		panic(err)
	}
	fmt.Println(v.User, v.Current, v.Incomplete, v.Names(), v.Expires.After(v.Seen))
	// Output: ada false false [] true
}

// A framework whose handlers return errors finds the status in them.
func ExampleStatusError() {
	var e session.StatusError
	if err := fmt.Errorf("cart: %w", session.ErrUnavailable); errors.As(err, &e) {
		fmt.Println(e.StatusCode())
	}
	// Output: 503
}
