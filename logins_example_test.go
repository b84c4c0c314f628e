package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
)

// An event stream that ends with its session: an administrator logs the user out, and the
// stream says so instead of going on for ever.
func ExampleSession_Done() {
	keys, _ := seal.NewKeys(seal.NewKey())
	sessions, err := session.New(memstore.New(nil), &session.Options{Backup: &session.Backup{Keys: keys, Audience: "shop-production"}})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())

	news := make(chan string, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		fmt.Fprintln(w, "welcome")
	})
	mux.Handle("GET /events", sessions.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		ended := s.Done(r.Context()) // once, before the loop
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case <-ended:
				fmt.Fprint(w, "event: logout ")
				return
			case text := <-news:
				fmt.Fprintf(w, "data: %s, ", text)
				http.NewResponseController(w).Flush()
				if _, err := sessions.RevokeUser(context.Background(), "ann"); err != nil { // what an administrator does meanwhile
					fmt.Fprintln(w, err)
				}
			}
		}
	}))
	news <- "bread is out of the oven"
	browse(sessions.Handler(mux), "POST /login", "GET /events")
	// Output:
	// POST /login: 200 welcome
	// GET /events: 200 data: bread is out of the oven, event: logout
}

// Forms of other sites are refused by the standard library, before the session is asked for.
func ExampleManager_Handler_crossOrigin() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cart/{sku}", add)
	mux.HandleFunc("GET /cart", show)

	protection := http.NewCrossOriginProtection()
	handler := protection.Handler(sessions.Handler(mux))

	for _, site := range []string{"same-origin", "cross-site"} {
		r := httptest.NewRequest(http.MethodPost, "/cart/bread", nil)
		r.Header.Set("Sec-Fetch-Site", site) // the browser's, which no page can set
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(site, w.Code, "cookies:", len(w.Result().Cookies()))
	}
	// Output:
	// same-origin 303 cookies: 1
	// cross-site 403 cookies: 0
}

// Pages that need a login are kept nowhere, so that the back button shows none of them after
// the logout. The logout also tells the browser to forget what it has of the site.
func ExampleManager_Require_noStore() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	private := func(next http.HandlerFunc) http.Handler {
		return sessions.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			next(w, r)
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.Handle("GET /account", private(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintln(w, "account of", who.Or(s, "nobody"), w.Header()["Cache-Control"])
	}))
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Clear-Site-Data", `"cache", "storage"`) // not "cookies": the answer takes the session's away itself
		logout(w, r)
	})
	browse(sessions.Handler(mux), "POST /login", "GET /account", "POST /logout", "GET /account")
	// Output:
	// POST /login: 200 welcome
	// GET /account: 200 account of bob [no-store]
	// POST /logout: 200 goodbye
	// GET /account: 403 session required
}

// The timeouts that NIST SP 800-63B-4 names for its assurance levels. Idle leaves room for
// Refresh, by which a session may outlive it.
func ExampleOptions_timeouts() {
	levels := map[string]session.Options{
		"AAL1": {Lifetime: 30 * 24 * time.Hour, Idle: 7 * 24 * time.Hour}, // no limit of idleness is named
		"AAL2": {Lifetime: 24 * time.Hour, Idle: 55 * time.Minute, Refresh: 5 * time.Minute},
		"AAL3": {Lifetime: 12 * time.Hour, Idle: 14 * time.Minute, Refresh: time.Minute},
	}
	for _, level := range []string{"AAL1", "AAL2", "AAL3"} {
		o := levels[level]
		sessions, err := session.New(memstore.New(nil), &o)
		if err != nil {
			panic(err)
		}
		browse(sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			s.SetUser("ann")
			fmt.Fprintln(w, level, "ends after", o.Lifetime, "or unused after", o.Idle+o.Refresh)
		}), "POST /login")
	}
	// Output:
	// POST /login: 200 AAL1 ends after 720h0m0s or unused after 168h0m0s
	// POST /login: 200 AAL2 ends after 24h0m0s or unused after 1h0m0s
	// POST /login: 200 AAL3 ends after 12h0m0s or unused after 15m0s
}

// logoutToken is what an OpenID provider says in a logout token.
type logoutToken struct{ Issuer, Subject, SessionID string }

// verify stands for the OpenID library of the application: it checks signature, issuer,
// audience, age, the events claim, that there is no nonce, and that jti is new.
func verify(raw string) (logoutToken, error) {
	tokens := map[string]logoutToken{
		"one-session":  {"https://id.test", "ann", "9f3c"},
		"all-sessions": {"https://id.test", "ann", ""},
	}
	t, ok := tokens[raw]
	if !ok {
		return t, errors.New("not signed by the provider")
	}
	return t, nil
}

// OpenID Connect Back-Channel Logout: the provider says which of its sessions has ended, or
// that all of a user have. A user's name has the issuer in front, so that no other provider
// logs that user out.
func ExampleManager_RevokeUser_backChannel() {
	keys, _ := seal.NewKeys(seal.NewKey())
	sessions, err := session.New(memstore.New(nil), &session.Options{Backup: &session.Backup{Keys: keys, Audience: "shop-production"}})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())
	sid := session.NewKey[string]("sid")

	// end ends the sessions that belong to the provider's, and all of the user where they are not known.
	end := func(ctx context.Context, t logoutToken) (session.Durability, error) {
		user := t.Issuer + " " + t.Subject
		all, err := sessions.Sessions(ctx, user)
		everyone := t.SessionID == "" || err != nil
		var found []session.ID
		for _, v := range all {
			id, err := sid.In(&v)
			everyone = everyone || errors.Is(err, session.ErrUnavailable)
			if err == nil && id == t.SessionID {
				found = append(found, v.ID)
			}
		}
		if everyone || len(found) == 0 {
			return sessions.RevokeUser(ctx, user)
		}
		how := session.Durable
		for _, id := range found {
			d, err := sessions.Revoke(ctx, id)
			if err != nil {
				return 0, err
			}
			if d == session.Pending {
				how = d
			}
		}
		return how, nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callback/{sid}", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("https://id.test ann") // of the ID token, as its sid is
		sid.Set(s, r.PathValue("sid"))
		fmt.Fprintln(w, "welcome")
	})
	mux.HandleFunc("POST /backchannel-logout", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		t, err := verify(r.FormValue("logout_token"))
		if err != nil {
			http.Error(w, "invalid token", http.StatusBadRequest)
			return
		}
		how, err := end(r.Context(), t)
		if err != nil {
			http.Error(w, "not logged out", http.StatusBadRequest) // the provider may try again
			return
		}
		fmt.Fprintln(w, how)
	})
	mux.Handle("GET /account", sessions.RequireFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "account") }))

	const logout = "POST /backchannel-logout?logout_token="
	browse(sessions.Handler(mux), logout+"forged",
		"POST /callback/77aa", logout+"all-sessions", "GET /account",
		"POST /callback/9f3c", logout+"one-session", "GET /account")
	// Output:
	// POST /backchannel-logout?logout_token=forged: 400 invalid token
	// POST /callback/77aa: 200 welcome
	// POST /backchannel-logout?logout_token=all-sessions: 200 durable
	// GET /account: 403 session required
	// POST /callback/9f3c: 200 welcome
	// POST /backchannel-logout?logout_token=one-session: 200 durable
	// GET /account: 403 session required
}

// A login page with a checkbox: with it the visitor stays for a month, and when the browser
// closes; without it, as long as the options say.
func ExampleSession_Remember() {
	sessions, err := session.New(memstore.New(nil), &session.Options{MaxLifetime: 30 * 24 * time.Hour})
	if err != nil {
		panic(err)
	}
	defer sessions.Close(context.Background())

	handler := sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			panic(err)
		}
		var stay session.Stay
		if r.FormValue("remember") != "" {
			stay = session.Stay{Persistent: true, Lifetime: 30 * 24 * time.Hour, Idle: 14 * 24 * time.Hour}
		}
		s.SetUser("ann")
		s.Remember(stay)
	}))
	for _, login := range []string{"/login", "/login?remember=on"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, login, nil))
		days := (time.Duration(w.Result().Cookies()[0].MaxAge)*time.Second + time.Hour).Hours() / 24
		fmt.Printf("%s: the cookie lasts for %.0f days\n", login, days)
	}
	// Output:
	// /login: the cookie lasts for 0 days
	// /login?remember=on: the cookie lasts for 30 days
}

// An audit log of its own: a line for each login and each end, and a mail to the user where
// another person has ended a session.
func ExampleHooks_audit() {
	hooks := session.LogHooks(slog.New(slog.DiscardHandler)) // what it logs besides stays
	hooks.Login = func(ctx context.Context, id, previous session.ID, user string) {
		fmt.Println("login of", user)
	}
	hooks.Ended = func(ctx context.Context, e session.Ending) {
		switch e.By {
		case session.EndedByVisitor:
			fmt.Println("logout of", e.User+",", e.Durability)
		case session.EndedByDevice, session.EndedByAdministrator:
			fmt.Println("mail to", e.User+":", e.By, "has logged you out")
		case session.EndedByLimit, session.EndedByRevocation, session.EndedByPredecessor, session.EndedByTime:
			fmt.Println("end of a session of", e.User+":", e.By)
		}
	}
	sessions, err := session.New(memstore.New(nil), &session.Options{Hooks: hooks})
	if err != nil {
		panic(err)
	}
	login := sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		if _, err := s.Save(r.Context()); err == nil {
			_, _ = sessions.Revoke(context.Background(), s.ID()) // by an administrator's job
		}
	})
	login.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", http.NoBody))
	// Output:
	// login of ann
	// mail to ann: administrator has logged you out
}
