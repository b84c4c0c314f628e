package session_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// span stands for a day: an instance looks after its store once a second.
const span = 10 * time.Minute

// remembered is how long a visitor stays who has asked to be remembered.
var remembered = session.Stay{Persistent: true, Lifetime: 30 * span, Idle: 14 * span}

// remembering returns a login that says how long the visitor stays.
func remembering(user string, how session.Stay) func(*session.Session) {
	return func(s *session.Session) {
		s.SetUser(user)
		s.Remember(how)
	}
}

func remembers(t *testing.T, store session.Store, with ...func(*session.Options)) *session.Manager {
	t.Helper()
	o := &session.Options{Lifetime: 5 * time.Hour, MaxLifetime: 30 * span, Backup: testBackup(t)}
	for _, w := range with {
		w(o)
	}
	return mustNew(t, store, o)
}

// maxAges returns the Max-Age of the cookies that an answer sets, by name.
func maxAges(r *http.Response) map[string]time.Duration {
	out := make(map[string]time.Duration)
	for _, c := range r.Cookies() {
		if c.MaxAge >= 0 {
			out[c.Name] = time.Duration(c.MaxAge) * time.Second
		}
	}
	return out
}

// answer is inRequest, and returns what was answered.
func answer(v *sessiontest.Visitor, m *session.Manager, do func(*session.Session)) *http.Response {
	return v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		do(s)
		w.WriteHeader(http.StatusNoContent)
	})), "/")
}

func TestARememberedSessionLastsAsItsLoginSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remembers(t, memstore.New(nil))
		long := redVisitor(t, m)
		short := redVisitor(t, m)
		usual := redVisitor(t, m)
		for v, want := range map[*sessiontest.Visitor]time.Duration{long: 30 * span, short: 0, usual: 0} {
			how := session.Stay{}
			switch v {
			case long:
				how = remembered
			case short:
				how = session.Stay{Idle: 5 * time.Minute}
			}
			for name, got := range maxAges(answer(v, m, remembering("ann", how))) {
				if got != want {
					t.Errorf("%+v: the cookie %s lasts for %v, want %v", how, name, got, want)
				}
			}
		}
		in := func(after time.Duration, v *sessiontest.Visitor, want string) {
			t.Helper()
			time.Sleep(after)
			if got := v.Session().User(); got != want {
				t.Errorf("the user is %q, want %q", got, want)
			}
		}
		if got := time.Until(short.Session().Expires()); got != 5*time.Minute {
			t.Errorf("the session with a short Idle ends in %v", got)
		}
		for range 5 {
			in(4*time.Minute, short, "ann") // it is in use
			answer(short, m, func(*session.Session) {})
		}
		in(5*time.Minute+31*time.Second, short, "")
		in(0, usual, "ann")
		in(30*time.Minute, usual, "")
		if got := time.Until(long.Session().Expires()); got < time.Hour || got > 14*span {
			t.Errorf("the remembered session ends in %v", got)
		}
		in(8*span, long, "ann")
		answer(long, m, func(*session.Session) {})
		in(13*span, long, "ann")
		answer(long, m, func(*session.Session) {})
		in(5*span, long, "")
	})
}

// A session keeps how long it lasts, whatever becomes of its ID, until another login says
// something else.
func TestHowLongASessionLastsStaysWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remembers(t, memstore.New(nil))
		v := redVisitor(t, m)
		for _, test := range []struct {
			name string
			do   func(*session.Session)
			want time.Duration // of the cookie
		}{
			{"a login that is remembered", remembering("ann", remembered), 30 * span},
			{"a Rotate", (*session.Session).Rotate, 30*span - time.Hour},
			{"a Renew", (*session.Session).Renew, 30 * span},
			{"a step-up", loginOf("ann"), 30 * span},
			{"RevokeOthers", func(s *session.Session) { _, _ = s.RevokeOthers(t.Context()) }, 30 * span},
			{"a login of another user", loginOf("bob"), 0},
			{"Remember before SetUser", func(s *session.Session) { s.Remember(remembered); s.SetUser("eve") }, 30 * span},
			{"a login that is not remembered", remembering("eve", session.Stay{}), 0},
			{"another Remember", func(s *session.Session) { s.Remember(remembered) }, 30 * span},
		} {
			time.Sleep(time.Hour)
			if test.want == 0 || test.want == 30*span {
				answer(v, m, func(s *session.Session) { color.Set(s, test.name) })
			}
			set := maxAges(answer(v, m, test.do))
			if got, ok := set["__Host-session"]; !ok || got != test.want {
				t.Errorf("%s: the token lasts for %v, %v, want %v", test.name, got, ok, test.want)
			}
			if got, ok := set["__Host-session-b0"]; ok && got != test.want {
				t.Errorf("%s: the copy lasts for %v, want %v", test.name, got, test.want)
			}
		}
	})
}

// In an outage a login is remembered too, and a copy vouches for as long as its login said.
func TestRememberedInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m := remembers(t, store, func(o *session.Options) { o.Backup.Lease = 40 * span })
		v, short := redVisitor(t, m), redVisitor(t, m)
		store.Fail(errors.New("connection refused"))
		if got := maxAges(answer(v, m, remembering("ann", remembered)))["__Host-session"]; got != 30*span {
			t.Errorf("the token lasts for %v", got)
		}
		answer(short, m, remembering("bob", session.Stay{Idle: 5 * time.Minute}))
		time.Sleep(4 * time.Minute)
		if s := short.Session(); s.User() != "bob" || s.Source() != session.FromBackup {
			t.Errorf("before its Idle is over, the session is from %v, with user %q", s.Source(), s.User())
		}
		time.Sleep(time.Minute + 31*time.Second)
		if got := answer(short, m, func(*session.Session) {}).StatusCode; got != http.StatusServiceUnavailable {
			t.Errorf("past its own Idle the copy vouches: answered %d", got)
		}
		time.Sleep(13 * span)
		if s := v.Session(); s.User() != "ann" || s.Source() != session.FromBackup {
			t.Errorf("the session is from %v, with user %q", s.Source(), s.User())
		}
		store.Heal()
		time.Sleep(time.Minute)
		if s := v.Session(); s.User() != "ann" || s.Source() != session.FromStore {
			t.Errorf("when the store is back, the session is from %v, with user %q", s.Source(), s.User())
		}
	})
}

// A login page that cannot know the session of before begins with StartNew: what Remember says
// then counts, in either order and whether the store answers or not, and what it said in the
// session of before does not.
func TestALoginByStartNewIsRemembered(t *testing.T) {
	remembered := session.Stay{Persistent: true, Lifetime: 30 * span, Idle: 2 * time.Hour}
	for name, login := range map[string]struct {
		do   func(*session.Session)
		want time.Duration // of the cookies
	}{
		"SetUser, Remember": {remembering("eve", remembered), 30 * span},
		"Remember, SetUser": {func(s *session.Session) { s.Remember(remembered); s.SetUser("eve") }, 30 * span},
		"SetUser alone":     {loginOf("eve"), 0},
	} {
		for _, away := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, the store is away: %v", name, away), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := storetest.NewFaulty(memstore.New(nil))
					m := remembers(t, store)
					time.Sleep(10 * time.Second)
					v := redVisitor(t, m)
					answer(v, m, remembering("ann", session.Stay{Persistent: true, Lifetime: 20 * span, Idle: 20 * span}))
					old := v.Session().ID()
					if away {
						store.Fail(errRefused)
					}
					r := httptest.NewRequest(http.MethodPost, "/", nil)
					token, err := v.Request(http.MethodGet, "/", nil).Cookie("__Host-session")
					if err != nil {
						t.Fatal(err)
					}
					r.AddCookie(token) // and no copy, so that the session is not known in an outage
					set := v.Do(m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						s, err := session.StartNew(r.Context())
						if err != nil {
							t.Error(err)
						}
						login.do(s)
						w.WriteHeader(http.StatusNoContent)
					}), r)
					got := maxAges(set)
					if _, ok := got["__Host-session"]; !ok || set.StatusCode != http.StatusNoContent {
						t.Fatalf("answered %d, with the cookies %v", set.StatusCode, got)
					}
					for name, age := range got {
						if name != "__Host-session-x" && age != login.want {
							t.Errorf("the cookie %s lasts for %v, want %v", name, age, login.want)
						}
					}
					store.Heal()
					time.Sleep(time.Minute)
					if s := v.Session(); s.User() != "eve" || s.Source() != session.FromStore {
						t.Fatalf("the session is from %v, with user %q", s.Source(), s.User())
					}
					if _, err := m.Open(t.Context(), old); !errors.Is(err, session.ErrNoSession) {
						t.Errorf("the session of before: %v, want none", err)
					}
					time.Sleep(time.Hour) // longer than Options.Idle
					if got := v.Session().User() == "eve"; got != (login.want > 0) {
						t.Errorf("after an hour the session is there: %v", got)
					}
				})
			})
		}
	}
}

// Neither a stale copy nor a Renew by a thief who has one makes a session last longer than
// its last login said.
func TestNoCopyProlongsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remembers(t, memstore.New(nil))
		v := redVisitor(t, m)
		answer(v, m, remembering("ann", remembered))
		stale := v.Request(http.MethodGet, "/", nil)
		answer(v, m, remembering("ann", session.Stay{Idle: time.Minute, Lifetime: time.Hour}))
		end := v.Session().Expires()
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			if s.User() != "" {
				t.Error("the token of before the login opens a session")
			}
		})).ServeHTTP(httptest.NewRecorder(), stale)
		if got := v.Session().Expires(); !got.Equal(end) {
			t.Errorf("it ends at %v, want %v", got, end)
		}
		time.Sleep(30 * time.Second)
		answer(v, m, (*session.Session).Renew)
		if got := time.Until(v.Session().Expires()); got != time.Minute {
			t.Errorf("after a Renew it ends in %v, want its own Idle", got)
		}
		for range 200 {
			time.Sleep(30 * time.Second)
			answer(v, m, func(*session.Session) {})
		}
		if got := v.Session().User(); got != "" {
			t.Errorf("after its own Lifetime the user is %q", got)
		}
	})
}

// The revocation of a user outlives every session that Remember may have made.
func TestARevocationOutlivesRememberedSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		m := remembers(t, store, func(o *session.Options) { o.Idle, o.Refresh = span, span })
		v := redVisitor(t, m)
		answer(v, m, remembering("ann", session.Stay{Lifetime: 30 * span, Idle: 30 * span}))
		if _, err := m.RevokeUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * span)
		if got := v.Session().User(); got != "" {
			t.Errorf("the user is %q", got)
		}
		other := remembers(t, store, func(o *session.Options) { o.Idle, o.Refresh = span, span })
		time.Sleep(time.Second)
		if got := sessionUnder(v, other); got != "" {
			t.Errorf("at an instance that has begun since, the user is %q", got)
		}
	})
}

// sessionUnder returns who a visitor is to another instance.
func sessionUnder(v *sessiontest.Visitor, m *session.Manager) (user string) {
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		user = s.User()
	})).ServeHTTP(httptest.NewRecorder(), v.Request(http.MethodGet, "/", nil))
	return user
}

func TestTheListOfSessionsSaysWhenEachEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remembers(t, memstore.New(nil))
		v := redVisitor(t, m)
		answer(v, m, remembering("ann", remembered))
		time.Sleep(time.Second)
		all, err := m.Sessions(t.Context(), "ann")
		if err != nil || len(all) != 1 || !all[0].Expires.Equal(all[0].Seen.Add(14*span)) {
			t.Errorf("the list is %+v, %v", all, err)
		}
	})
}

// A stream ends with its own session's Idle.
func TestAStreamEndsWithItsOwnIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := remembers(t, memstore.New(nil))
		v := redVisitor(t, m)
		answer(v, m, remembering("ann", session.Stay{Idle: 5 * time.Minute}))
		began := time.Now()
		<-v.Session().Done(t.Context())
		if got := time.Since(began); got != 5*time.Minute+30*time.Second {
			t.Errorf("it ended after %v", got)
		}
	})
}

func TestStaysThatCannotBe(t *testing.T) {
	m := remembers(t, memstore.New(nil))
	for name, test := range map[string]struct {
		how session.Stay
		ok  bool
	}{
		"the options'":                        {session.Stay{}, true},
		"the longest":                         {session.Stay{Lifetime: 30 * span, Idle: 90 * span}, true},
		"longer":                              {session.Stay{Lifetime: 30*span + 1}, false},
		"negative":                            {session.Stay{Lifetime: -1}, false},
		"unused for a negative time":          {session.Stay{Idle: -1}, false},
		"shorter than a second":               {session.Stay{Lifetime: time.Second - 1}, false},
		"unused for less than a second":       {session.Stay{Idle: 1}, false},
		"a second, which is as fine as it is": {session.Stay{Lifetime: time.Second, Idle: time.Second}, true},
	} {
		v := redVisitor(t, m)
		var err error
		got := answer(v, m, func(s *session.Session) {
			s.Remember(test.how)
			err = s.Err()
		}).StatusCode
		if want := map[bool]int{true: http.StatusNoContent, false: http.StatusInternalServerError}[test.ok]; got != want || (err == nil) != test.ok {
			t.Errorf("%s: answered %d, %v", name, got, err)
		}
	}
	v := redVisitor(t, m)
	v.Get(m.ReadOnly(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if s.Remember(remembered); !errors.Is(s.Err(), session.ErrReadOnly) {
			t.Errorf("under ReadOnly: got %v", s.Err())
		}
	})), "/")
	v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		w.WriteHeader(http.StatusNoContent)
		if s.Remember(remembered); !errors.Is(s.Err(), session.ErrTooLate) {
			t.Errorf("after the header: got %v", s.Err())
		}
	})), "/")
}

func TestARecordOfAForeignFormatHasNoStay(t *testing.T) {
	m := mustNew(t, memstore.New(nil), &session.Options{Format: dated{state.State{}, new(state.State)}})
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if s.Remember(session.Stay{}); !errors.Is(s.Err(), errors.ErrUnsupported) {
			t.Errorf("got %v, want that this is not supported", s.Err())
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
}

func TestTheLongestLifetimeIsChecked(t *testing.T) {
	for name, o := range map[string]session.Options{
		"shorter than Lifetime": {MaxLifetime: time.Hour},
		"negative":              {MaxLifetime: -1},
		"of centuries":          {MaxLifetime: 200 * 365 * 24 * time.Hour},
	} {
		if _, err := session.New(memstore.New(nil), &o); err == nil {
			t.Errorf("%s: it is accepted", name)
		}
	}
}
