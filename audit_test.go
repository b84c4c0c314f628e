package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// heard is what the hooks of an audit log have told, a line each. An ID is named by the order
// in which it was first told of: s1, s2 and so on.
type heard struct {
	mu    sync.Mutex
	names map[session.ID]string
	lines []string
}

func (h *heard) name(id session.ID) string {
	if id == "" {
		return "-"
	}
	if h.names[id] == "" {
		h.names[id] = fmt.Sprint("s", len(h.names)+1)
	}
	return h.names[id]
}

func (h *heard) note(format string, ids []session.ID, a ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []any
	for _, id := range ids {
		all = append(all, h.name(id))
	}
	h.lines = append(h.lines, strings.TrimSpace(fmt.Sprintf(format, append(all, a...)...)))
}

// take returns the lines since it was last called.
func (h *heard) take() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines
	h.lines = nil
	return strings.Join(lines, "; ")
}

func (h *heard) hooks() session.Hooks {
	of := func(kind string) func(ctx context.Context, id, previous session.ID, user string) {
		return func(_ context.Context, id, previous session.ID, user string) {
			h.note(kind+" %s after %s %s", []session.ID{id, previous}, user)
		}
	}
	return session.Hooks{
		Began: of("began"), Renewed: of("renewed"), Rotated: of("rotated"), Login: of("login"),
		Refused: func(_ context.Context, id session.ID, user string) { h.note("refused %s %s", []session.ID{id}, user) },
		Ended: func(_ context.Context, e session.Ending) {
			far := "seen"
			if e.Durability != 0 {
				far = e.Durability.String()
			}
			h.note("ended %s by %s %s %s", []session.ID{e.ID}, e.By, far, e.User)
		},
		Revoked: func(_ context.Context, user string, d session.Durability) { h.note("revoked %s %s", nil, user, d) },
	}
}

// audited is an application whose handlers do what the path says.
type audited struct {
	*heard
	t     *testing.T
	m     *session.Manager
	store *storetest.Faulty
}

func audit(t *testing.T, o session.Options, story func(a *audited)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		a := &audited{heard: &heard{names: map[session.ID]string{}}, t: t, store: storetest.NewFaulty(memstore.New(nil))}
		o.Hooks = a.hooks()
		o.Backup = &session.Backup{Keys: keys, Audience: "test"}
		if a.m, err = session.New(a.store, &o); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // the first exchange is over
		story(a)
		if err := a.m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (a *audited) visitor() *sessiontest.Visitor { return sessiontest.NewVisitor(a.t, a.m) }

// copyOf returns another visitor with the cookies of v.
func (a *audited) copyOf(v *sessiontest.Visitor) *sessiontest.Visitor {
	other, out := a.visitor(), http.Header{}
	for _, c := range v.Request(http.MethodGet, "/", nil).Cookies() {
		out.Add("Set-Cookie", c.Name+"="+c.Value)
	}
	other.Keep(&http.Response{Header: out})
	return other
}

// does lets a visitor's request do something, and returns what was told then.
func (a *audited) does(v *sessiontest.Visitor, do func(ctx context.Context, s *session.Session)) string {
	a.t.Helper()
	v.Get(a.m.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context()) // the commit answers the error
		do(r.Context(), s)
	}), "/")
	return a.take()
}

func (a *audited) wants(got, want string) {
	a.t.Helper()
	if got != want {
		a.t.Errorf("told %q\nwant %q", got, want)
	}
}

func logsIn(name string) func(context.Context, *session.Session) {
	return func(_ context.Context, s *session.Session) { s.SetUser(name) }
}

func look(_ context.Context, s *session.Session) { _ = s.User() }

func destroy(ctx context.Context, s *session.Session) { _, _ = s.Destroy(ctx) }

func TestEachNewIDIsToldOnce(t *testing.T) {
	audit(t, session.Options{}, func(a *audited) {
		v := a.visitor()
		a.wants(a.does(v, look), "")
		a.wants(a.does(v, func(_ context.Context, s *session.Session) { count.Set(s, 1) }), "began s1 after -")
		a.wants(a.does(v, func(_ context.Context, s *session.Session) { count.Set(s, 2) }), "")
		a.wants(a.does(v, func(_ context.Context, s *session.Session) { s.Renew() }), "renewed s2 after s1")
		a.wants(a.does(v, logsIn("ann")), "login s3 after s2 ann")
		a.wants(a.does(v, func(_ context.Context, s *session.Session) { s.Renew() }), "renewed s4 after s3 ann")
		a.wants(a.does(v, func(_ context.Context, s *session.Session) { s.Rotate() }), "rotated s5 after s4 ann")
		a.wants(a.does(v, logsIn("ann")), "login s6 after s5 ann")
		a.wants(a.does(v, logsIn("bob")), "login s7 after s6 bob")
		a.wants(a.does(v, func(ctx context.Context, _ *session.Session) {
			s, _ := session.StartNew(ctx)
			count.Set(s, 3)
		}), "ended s7 by visitor durable bob; began s8 after s7")
		a.wants(a.does(v, func(ctx context.Context, _ *session.Session) {
			s, _ := session.StartNew(ctx)
			s.SetUser("eve")
		}), "login s9 after s8 eve")
		a.wants(a.does(a.visitor(), logsIn("tom")), "login s10 after - tom")
	})
}

// Another request has rotated the token since this one has read the session.
func TestANewIDAfterARotationIsToldWithWhatItReplaces(t *testing.T) {
	for what, test := range map[string]struct {
		do   func(context.Context, *session.Session)
		want string
	}{
		"login":  {logsIn("ann"), "login s3 after s2 ann"},
		"renew":  {func(_ context.Context, s *session.Session) { s.Renew() }, "renewed s3 after s2 ann"},
		"others": {func(ctx context.Context, s *session.Session) { _, _ = s.RevokeOthers(ctx) }, "renewed s3 after s2 ann; revoked ann durable"},
	} {
		t.Run(what, func(t *testing.T) {
			audit(t, session.Options{}, func(a *audited) {
				v := a.visitor()
				a.does(v, logsIn("ann"))
				var rotated string
				got := a.does(v, func(ctx context.Context, s *session.Session) {
					_ = s.ID()
					rotated = a.does(a.copyOf(v), func(_ context.Context, s *session.Session) { s.Rotate() })
					test.do(ctx, s)
				})
				a.wants(rotated, "rotated s2 after s1 ann")
				a.wants(got, test.want)
			})
		})
	}
}

func TestEndsAreToldWithWhoEnds(t *testing.T) {
	audit(t, session.Options{}, func(a *audited) {
		ids := map[*sessiontest.Visitor]session.ID{}
		loggedIn := func(name string) *sessiontest.Visitor {
			v := a.visitor()
			a.does(v, logsIn(name))
			ids[v] = v.Session().ID()
			return v
		}
		end := func(id session.ID) func(context.Context, *session.Session) {
			return func(ctx context.Context, s *session.Session) {
				_ = s.User()
				if _, err := a.m.Revoke(ctx, id); err != nil {
					t.Error(err)
				}
			}
		}
		one := loggedIn("ann")
		two := loggedIn("ann")
		three := loggedIn("ann")
		admin := loggedIn("root")
		a.wants(a.does(one, end(ids[two])), "ended s2 by another device durable ann")
		a.wants(a.does(admin, end(ids[three])), "ended s3 by administrator durable ann")
		a.wants(a.does(one, end(ids[one])), "ended s1 by visitor durable ann")
		a.wants(a.does(admin, end(ids[one])), "") // it has ended already
		a.wants(a.does(admin, destroy), "ended s4 by visitor durable root")
		a.wants(a.does(admin, destroy), "")

		five := loggedIn("ann")
		if _, err := a.m.Revoke(t.Context(), ids[five]); err != nil {
			t.Error(err)
		}
		a.wants(a.take(), "ended s5 by administrator durable ann")
		if _, err := a.m.Revoke(t.Context(), "0123456789abcdef0123456789abcdef"); err != nil {
			t.Error(err)
		}
		a.wants(a.take(), "") // there was none

		a.does(five, func(_ context.Context, s *session.Session) { count.Set(s, 1) })
		a.wants(a.does(five, destroy), "ended s6 by visitor durable") // of nobody
	})
}

// Whoever ends a session by a token or an ID that was rotated ends the one that goes on, whose
// user is told.
func TestTheEndOfARotatedSessionNamesItsUser(t *testing.T) {
	rotates := func(_ context.Context, s *session.Session) { s.Rotate() }
	audit(t, session.Options{}, func(a *audited) {
		for _, user := range []string{"ann", "root"} {
			v := a.visitor()
			a.does(v, logsIn("ann"))
			old := v.Session().ID()
			a.does(v, rotates)
			a.does(v, rotates)
			other := a.visitor()
			a.does(other, logsIn(user))
			got := a.does(other, func(ctx context.Context, s *session.Session) {
				_ = s.User()
				if _, err := a.m.Revoke(ctx, old); err != nil {
					t.Error(err)
				}
			})
			a.wants(got, map[string]string{
				"ann": "ended s3 by another device durable ann", "root": "ended s7 by administrator durable ann",
			}[user])
		}
	})
	audit(t, session.Options{}, func(a *audited) {
		v := a.visitor()
		a.does(v, logsIn("ann"))
		late := a.copyOf(v)
		a.does(v, rotates)
		time.Sleep(time.Minute) // the old token leads nowhere
		a.wants(a.does(late, destroy), "ended s2 by visitor durable ann")
	})
}

// An administrator ends a session while the store is away, which this process knows nothing of.
func TestTheEndOfASessionThatCannotBeReadIsTold(t *testing.T) {
	audit(t, session.Options{}, func(a *audited) {
		v := a.visitor()
		a.does(v, logsIn("ann"))
		id := v.Session().ID()
		time.Sleep(2 * time.Minute) // what the login has saved is forgotten
		a.store.Fail(errRefused)
		time.Sleep(5 * time.Second)
		if d, err := a.m.Revoke(t.Context(), id); d != session.Pending || err != nil {
			t.Fatal(d, err)
		}
		a.wants(a.take(), "ended s1 by administrator pending")
		a.does(a.visitor(), destroy) // a made-up token ends nothing
		a.store.Heal()
		time.Sleep(time.Minute)
		a.wants(a.take(), "")
		a.wants(a.does(v, look), "") // once is enough
	})
}

// The log has each end by an administrator, also where nobody knows whose session it was.
func TestTheLogHasWhatAnAdministratorEnds(t *testing.T) {
	var log bytes.Buffer
	h := session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))
	for _, by := range []session.EndedBy{session.EndedByVisitor, session.EndedByAdministrator, session.EndedByTime} {
		h.Ended(t.Context(), session.Ending{ID: "id", By: by, Durability: session.Pending})
	}
	if got := log.String(); strings.Count(got, "session ended") != 1 || !strings.Contains(got, "by=administrator durability=pending") {
		t.Errorf("logged %s", got)
	}
}

func TestARevocationIsToldAndThenEachSessionThatIsUsed(t *testing.T) {
	audit(t, session.Options{}, func(a *audited) {
		one, two := a.visitor(), a.visitor()
		a.does(one, logsIn("ann"))
		a.does(two, logsIn("ann"))
		if _, err := a.m.RevokeUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		a.wants(a.take(), "revoked ann durable")
		a.wants(a.does(one, look), "ended s1 by revocation seen ann")
		a.wants(a.does(one, look), "") // its browser goes on sending the token
		a.does(one, logsIn("ann"))
		a.does(two, logsIn("ann"))
		a.wants(a.does(two, func(ctx context.Context, s *session.Session) {
			if _, err := s.RevokeOthers(ctx); err != nil {
				t.Error(err)
			}
		}), "renewed s5 after s4 ann; revoked ann durable")
		a.wants(a.does(one, look), "ended s3 by revocation seen ann")
		time.Sleep(2 * time.Minute) // a login that a revocation spares is later than that
		if _, err := a.m.RevokeBefore(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		a.wants(a.take(), "revoked  durable")
		a.wants(a.does(two, look), "ended s5 by revocation seen ann")
	})
}

func TestTheEndOfItsTimeIsToldWhenASessionIsUsed(t *testing.T) {
	audit(t, session.Options{Idle: 30 * time.Minute, Refresh: 3 * time.Minute}, func(a *audited) {
		v := a.visitor()
		a.does(v, logsIn("ann"))
		time.Sleep(time.Hour)
		a.wants(a.take(), "")
		a.wants(a.does(v, look), "ended s1 by time seen ann")
		a.wants(a.does(v, look), "")
	})
}

func TestTheLimitIsTold(t *testing.T) {
	audit(t, session.Options{PerUser: session.PerUser{Most: 1}}, func(a *audited) {
		a.wants(a.does(a.visitor(), logsIn("ann")), "login s1 after - ann")
		time.Sleep(time.Minute)
		a.wants(a.does(a.visitor(), logsIn("ann")), "login s2 after - ann; ended s1 by limit durable ann")
	})
	audit(t, session.Options{PerUser: session.PerUser{Most: 1, Refuse: true}}, func(a *audited) {
		a.wants(a.does(a.visitor(), logsIn("ann")), "login s1 after - ann")
		v := a.visitor()
		a.wants(a.does(v, logsIn("ann")), "refused - ann")
		a.does(v, func(_ context.Context, s *session.Session) { count.Set(s, 1) })
		a.wants(a.does(v, logsIn("ann")), "refused s2 ann")
	})
}

// A Save that is refused is tried again by the commit. Two logins in one request are two.
func TestARefusedLoginIsToldOnce(t *testing.T) {
	audit(t, session.Options{PerUser: session.PerUser{Most: 1, Refuse: true}}, func(a *audited) {
		a.does(a.visitor(), logsIn("ann"))
		save := func(ctx context.Context, s *session.Session) {
			for range 2 {
				if _, err := s.Save(ctx); !errors.Is(err, session.ErrTooManySessions) {
					t.Error(err)
				}
			}
		}
		v := a.visitor()
		a.wants(a.does(v, func(ctx context.Context, s *session.Session) {
			s.SetUser("ann")
			save(ctx, s)
		}), "refused - ann")
		a.wants(a.does(v, logsIn("ann")), "refused - ann")
		a.wants(a.does(v, func(ctx context.Context, s *session.Session) {
			s.SetUser("ann")
			save(ctx, s)
			s.SetUser("ann")
		}), "refused - ann; refused - ann")
	})
}

// The store lacks the session that the limit ends, so that it cannot be read.
func TestTheLimitNamesTheUserOfASessionThatTheStoreLacks(t *testing.T) {
	audit(t, session.Options{PerUser: session.PerUser{Most: 1}}, func(a *audited) {
		v := a.visitor()
		a.does(v, logsIn("ann"))
		gone := session.Record{Expires: time.Now().Add(-time.Hour)}
		if _, err := a.store.Save(t.Context(), v.Session().ID(), gone, session.Any); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		a.wants(a.does(a.visitor(), logsIn("ann")), "login s2 after - ann; ended s1 by limit durable ann")
	})
}

// Requests that end one session at once end it once.
// For a minute after a revocation the logins of its user have one clock value.
func TestRefusedLoginsAfterARevocationAreToldEach(t *testing.T) {
	audit(t, session.Options{PerUser: session.PerUser{Most: 1, Refuse: true}}, func(a *audited) {
		a.does(a.visitor(), logsIn("ann"))
		if _, err := a.m.RevokeUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		a.does(a.visitor(), logsIn("ann"))
		time.Sleep(time.Second)
		a.wants(a.does(a.visitor(), logsIn("ann")), "refused - ann")
		time.Sleep(time.Second)
		a.wants(a.does(a.visitor(), logsIn("ann")), "refused - ann")
	})
}

func TestParallelLogoutsAreToldOnce(t *testing.T) {
	audit(t, session.Options{}, func(a *audited) {
		v := a.visitor()
		a.does(v, logsIn("ann"))
		h := a.m.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			_ = s.ID()
			time.Sleep(time.Second) // all have loaded the session
			_, _ = s.Destroy(r.Context())
		})
		var all sync.WaitGroup
		for range 5 {
			r := v.Request(http.MethodPost, "/", nil)
			all.Go(func() { h.ServeHTTP(httptest.NewRecorder(), r) })
		}
		all.Wait()
		a.wants(a.take(), "ended s1 by visitor durable ann")
	})
}

// The words are those of docs/LOGS.md, and go through JSON.
func TestTheWordsForWhoEndsASession(t *testing.T) {
	var words []string
	for b := session.EndedByVisitor; b <= session.EndedByTime; b++ {
		text, err := b.MarshalText()
		var back session.EndedBy
		if err != nil || back.UnmarshalText(text) != nil || back != b || string(text) != b.String() {
			t.Errorf("%d: %s %v", b, text, err)
		}
		words = append(words, b.String())
	}
	if want := []string{"visitor", "another device", "administrator", "limit", "revocation", "predecessor", "time"}; !slices.Equal(words, want) {
		t.Errorf("words %q, want %q", words, want)
	}
}
