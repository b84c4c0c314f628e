package override_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	orders "github.com/holdfast-go/session/override/store"
	"github.com/holdfast-go/session/seal"
)

// A program that decides by itself, and cannot forget.
func ExampleValue() {
	var v override.Value // the Switch of session.Options is &v
	v.SetUntil(session.Override{Mode: session.BackupOnly}, time.Now().Add(time.Hour))
	fmt.Println(v.Override().Mode, v.Order().Until.IsZero())

	v.Set(session.Override{Mode: session.StoreOnly}) // this one can be forgotten
	fmt.Println(v.Order().Mode, v.Order().Until.IsZero())
	// Output:
	// backup only false
	// store only true
}

// An operator gives an order by HTTP.
func ExampleValue_ServeHTTP() {
	operatorsOnly := func(h http.Handler) http.Handler { return h } // yours: a password, a client certificate

	var v override.Value
	admin := http.NewServeMux() // on an address that visitors do not reach
	admin.Handle("/override", operatorsOnly(&v))
	server := httptest.NewServer(admin)
	defer server.Close()

	// curl -X PUT -H 'Content-Type: application/json' -d '{"mode": …}' …/override
	order, _ := http.NewRequest(http.MethodPut, server.URL+"/override", strings.NewReader(`{"mode": "backup-only", "lease": "2h"}`))
	order.Header.Set("Content-Type", "application/json")
	if answer, err := server.Client().Do(order); err == nil {
		answer.Body.Close()
	}
	fmt.Println(v.Override().Mode, v.Override().Lease)
	// Output: backup only 2h0m0s
}

// An operator writes a file.
func ExampleWatchFile() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "override")
	os.WriteFile(path, []byte("backup-only 2h\n"), 0o600)

	file, err := override.WatchFile(path, &override.FileOptions{Every: 10 * time.Second, Report: func(err error) {
		if err != nil {
			log.Print(err) // what was said before stays in force
		}
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()

	keys, _ := seal.NewKeys(seal.NewKey())
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Switch: file,
		Backup: &session.Backup{
			Keys: keys, Audience: "shop-production",
			MaxLease: 4 * time.Hour, // the longest lease that the file may order
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close(context.Background())
	fmt.Println(file.Override().Mode, file.Override().Lease)
	// Output: backup only 2h0m0s
}

// A source of one's own reads the orders that it has.
func ExampleParse() {
	o, err := override.Parse(`{"mode": "backup-only", "until": "2026-11-01T18:00:00Z"}`)
	fmt.Println(o.Mode, o.Until, err)
	// Output: backup only 2026-11-01 18:00:00 +0000 UTC <nil>
}

// flags is a source of one's own: a feature flag that its service tells of by itself.
type flags struct{ text chan string }

func (flags) String() string { return "feature flag session-store" }
func (flags) Close() error   { return nil }

func (f flags) Read(context.Context) (text string, stands bool, err error) {
	text = <-f.text
	f.text <- text
	return text, true, nil
}

func (flags) Wait(ctx context.Context) error {
	<-ctx.Done() // a source that tells nothing is read every few seconds
	return ctx.Err()
}

// One order for a whole fleet, from a source of one's own.
func ExampleFollow() {
	source := flags{make(chan string, 1)}
	source.text <- `{"mode":"backup-only","until":"2099-11-01T18:00:00Z","by":"alice"}`

	follower, err := override.Follow(source, &override.FollowOptions{Every: 2 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer follower.Close()
	order := follower.Order() // the Switch of session.Options is follower
	fmt.Println(order.Mode, order.Until, order.By)
	// Output: backup only 2099-11-01 18:00:00 +0000 UTC alice
}

// An order that ends by itself, as text for any source.
func ExampleOrder() {
	o := override.Order{
		Override: session.Override{Mode: session.BackupOnly, Lease: 2 * time.Hour},
		Until:    time.Date(2099, 11, 1, 18, 0, 0, 0, time.UTC),
		By:       "alice",
	}
	text, err := o.Text()
	if err != nil {
		log.Fatal(err)
	}
	again, err := override.Parse(text)
	fmt.Println(again.Mode, again.Lease, again.By, again == o, err)
	// Output: backup only 2h0m0s alice true <nil>
}

// A file with a mistake in it is reported, and what was ordered before stays in force.
func ExampleFile() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "override")
	os.WriteFile(path, []byte("backup-only\n"), 0o600)
	file, err := override.WatchFile(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()

	os.WriteFile(path, []byte("backup-olny\n"), 0o600)
	err = file.Reload() // now, instead of within two seconds
	fmt.Println(err != nil, file.Override().Mode)
	// Output: true backup only
}

// Whether the order in force has been confirmed by its source, for a page or a metric.
func ExampleFollowStats() {
	source := flags{make(chan string, 1)}
	source.text <- "backup-only"
	follower, err := override.Follow(source, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer follower.Close()
	s := follower.Stats()
	fmt.Println(s.Order.Mode, !s.Read.IsZero(), s.Kept, s.Err)
	// Output: backup only true false <nil>
}

// What Follow asks of a source: the text that is there, and whether there is one.
func ExampleSource() {
	var source override.Source = flags{make(chan string, 1)}
	source.(flags).text <- "store-only"
	text, stands, err := source.Read(context.Background())
	fmt.Println(source, "has", text, stands, err)
	// Output: feature flag session-store has store-only true <nil>
}

// A deployment gives an order before it restarts the store, and takes it back afterwards.
func ExampleWriter() {
	records, ctx := memstore.New(nil), context.Background() // another store than that of the sessions
	source, err := orders.New(records, "shop/override", nil)
	if err != nil {
		log.Fatal(err)
	}
	var w override.Writer = source
	err = w.Write(ctx, override.Order{
		Override: session.Override{Mode: session.BackupOnly},
		Until:    time.Now().Add(10 * time.Minute), // should the deployment die in between
		By:       "deployment 4711",
	})
	_, stands, _ := source.Read(ctx)
	fmt.Println("given:", stands, err)

	err = w.Remove(ctx)
	_, stands, _ = source.Read(ctx)
	fmt.Println("given:", stands, err)
	// Output:
	// given: true <nil>
	// given: false <nil>
}
