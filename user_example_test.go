package session_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
)

// A page with "log out everywhere else". The visitor stays logged in, under a new token;
// everything else that was logged in as this user, a thief's copy of the cookies too, is logged out
// on every instance within two seconds.
func ExampleSession_RevokeOthers() {
	keys, _ := seal.NewKeys(seal.NewKey())
	sessions, err := session.New(memstore.New(nil), &session.Options{Backup: &session.Backup{Keys: keys, Audience: "shop-production"}})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		fmt.Fprintln(w, "welcome")
	})
	mux.HandleFunc("POST /logout-others", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if time.Since(s.LoggedIn()) > 5*time.Minute {
			http.Error(w, "log in again", http.StatusForbidden) // or a thief could log the user out
			return
		}
		switch how, err := s.RevokeOthers(r.Context()); {
		case err != nil:
			session.Error(w, r, err)
		case how == session.Pending:
			fmt.Fprintln(w, "your other devices are logged out when the store is back")
		default:
			fmt.Fprintln(w, "your other devices are logged out")
		}
	})
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintf(w, "account of %q\n", s.User())
	})
	browse(sessions.Handler(mux), "POST /login", "POST /logout-others", "GET /account")
	// Output:
	// POST /login: 200 welcome
	// POST /logout-others: 200 your other devices are logged out
	// GET /account: 200 account of "ann"
}

// A job, without a request, ends all sessions of one user, whose account was closed, and all
// sessions of the application that were logged in before a breach was closed. Hooks report both
// to an audit log.
func ExampleManager_RevokeUser() {
	keys, _ := seal.NewKeys(seal.NewKey())
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Backup: &session.Backup{Keys: keys, Audience: "shop-production"},
		Hooks: session.Hooks{
			Login: func(_ context.Context, id, previous session.ID, user string) {
				fmt.Printf("audit: login of %s, session renewed: %v\n", user, previous != "" && previous != id)
			},
			Revoked: func(_ context.Context, user string, d session.Durability) {
				fmt.Printf("audit: logins of %q revoked, %v\n", user, d)
			},
		},
	})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())

	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		fmt.Fprintln(w, "welcome")
	})
	browse(sessions.Handler(mux), "POST /login", "POST /login")

	ctx := context.Background()
	fmt.Println(sessions.RevokeUser(ctx, "ann"))
	breachClosed := time.Now()
	fmt.Println(sessions.RevokeBefore(ctx, breachClosed))
	// Output:
	// audit: login of ann, session renewed: false
	// POST /login: 200 welcome
	// audit: login of ann, session renewed: true
	// POST /login: 200 welcome
	// audit: logins of "ann" revoked, durable
	// durable <nil>
	// audit: logins of "" revoked, durable
	// durable <nil>
}
