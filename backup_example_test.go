package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

// outage returns sessions with a backup, and a function that wraps a handler of
// theirs with a route on which the store goes away. It stands for a real outage.
func outage(backup session.Backup) (sessions *session.Manager, with func(http.Handler) http.Handler, heal func()) {
	backup.Keys, _ = seal.NewKeys(seal.NewKey())
	backup.Audience = "shop-production"
	store := storetest.NewFaulty(memstore.New(nil))
	sessions, err := session.New(store, &session.Options{Backup: &backup})
	if err != nil {
		panic(err)
	}
	with = func(next http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", sessions.Handler(next))
		mux.HandleFunc("POST /kill", func(w http.ResponseWriter, _ *http.Request) {
			store.Fail(errors.New("connection refused"))
			fmt.Fprintln(w, "killed")
		})
		return mux
	}
	return sessions, with, store.Heal
}

// The writes that wait for the store are kept in a file too. It outlives a process that
// crashes or is deployed in an outage, and the next process delivers them.
func ExampleBackup_dir() {
	dir, err := os.MkdirTemp("", "sessions") // in earnest one that outlives the machine's start
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		panic(err)
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Backup: &session.Backup{Keys: keys, Audience: "shop-production", Dir: dir, Sync: true},
		Hooks: session.Hooks{JournalFile: func(_ context.Context, fault session.FileFault, err error) {
			switch fault {
			case session.FileFailing: // an alarm: a crash would lose what the disk does not take
				fmt.Println("the disk of the sessions fails:", err)
			case session.FileRecovered:
				fmt.Println("the disk of the sessions is well again")
			case session.FileDamaged, session.FileUnreadable:
				fmt.Println("a crashed process left what cannot be read:", fault, err)
			}
		}},
	})
	if err != nil {
		panic(err)
	}
	f := sessions.Stats().Journal.File
	fmt.Println("bytes:", f.Bytes, "not written:", f.Unwritten, "failed:", f.Failures, "late:", f.Late, "damaged:", f.Damaged)
	if err := sessions.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	left, _ := os.ReadDir(dir)
	fmt.Println("files after Close:", len(left))

	// Output:
	// bytes: 0 not written: 0 failed: 0 late: 0 damaged: 0
	// files after Close: 0
}

// A value that no browser may hold, not even sealed, stays in the store. While the
// store is away the value is not known, which is not the same as absent.
func ExampleServerOnly() {
	risk := session.NewKey[int]("risk", session.ServerOnly())
	sessions, with, heal := outage(session.Backup{})
	defer sessions.Close(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		who.Set(s, "bob")
		risk.Set(s, 7)
		fmt.Fprintln(w, "welcome")
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		n, err := risk.Get(s)
		if errors.Is(err, session.ErrUnavailable) {
			fmt.Fprintln(w, who.Or(s, "nobody"), "has a risk that is not known now")
			return
		}
		fmt.Fprintln(w, who.Or(s, "nobody"), "has a risk of", n)
	})
	browse(with(mux), "POST /login", "GET /", "POST /kill", "GET /")
	heal()
	// Output:
	// POST /login: 200 welcome
	// GET /: 200 bob has a risk of 7
	// POST /kill: 200 killed
	// GET /: 200 bob has a risk that is not known now
}

// Sessions that are too large for a copy of the usual size travel whole where the
// proxies let larger headers through, see docs/PROXIES.md.
func ExampleBackup_limits() {
	sessions, with, heal := outage(session.Backup{
		Lease:       30 * time.Minute, // of no more than that can a stolen copy outlive a logout
		MaxLease:    4 * time.Hour,    // by order of an operator, in a long outage
		Copy:        6 << 10,          // of cookies, for one copy
		Budget:      6 << 10,          // for all copies that a browser may hold
		ProxyBuffer: 16 << 10,         // of an answer's header, as docs/PROXIES.md has it
		Restores:    200,              // a second, into a store that came back empty
		Journal:     16 << 20,         // bytes of what waits for the store
	})
	defer sessions.Close(context.Background())
	note := session.NewKey[string]("note", session.Uncompressed())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /note", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		note.Set(s, strings.Repeat("ebb and flow; ", 250))
		fmt.Fprintln(w, "noted")
	})
	mux.HandleFunc("GET /note", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintln(w, len(note.Or(s, "")), "bytes from the", s.Source())
	})
	browse(with(mux), "POST /note", "GET /note", "POST /kill", "GET /note")
	heal()
	// Output:
	// POST /note: 200 noted
	// GET /note: 200 3500 bytes from the store
	// POST /kill: 200 killed
	// GET /note: 200 3500 bytes from the backup
}

// A stream writes when the header of its response has left. Save says how far the
// change has come: a session cannot begin there any more, and a change that the
// store does not take waits in this process, because no cookie can carry it.
func ExampleSession_Save() {
	seen := session.NewKey[int]("seen")
	sessions, with, heal := outage(session.Backup{})
	defer sessions.Close(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		http.NewResponseController(w).Flush()
		seen.Update(s, func(n *int) error { *n++; return nil })
		durability, err := s.Save(r.Context())
		switch {
		case errors.Is(err, session.ErrTooLate):
			fmt.Fprintln(w, "log in first")
		case errors.Is(err, session.ErrPending):
			fmt.Fprintln(w, "kept until the store is back")
		case err != nil:
			fmt.Fprintln(w, "not saved")
		default:
			fmt.Fprintln(w, durability)
		}
	})
	browse(with(mux), "GET /events", "POST /login", "GET /events", "POST /kill", "GET /events")
	heal()
	// Output:
	// GET /events: 200 log in first
	// POST /login: 200 welcome
	// GET /events: 200 durable
	// POST /kill: 200 killed
	// GET /events: 200 kept until the store is back
}
