package session_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// copiesIn returns the cookies with sealed copies that v would send.
func copiesIn(v *sessiontest.Visitor) map[string]string {
	l := map[string]string{}
	for _, c := range v.Request("GET", "/", nil).Cookies() {
		if strings.Contains(c.Name, "-b") {
			l[c.Name] = c.Value
		}
	}
	return l
}

// give puts cookies into the jar of v in place of its copies.
func give(v *sessiontest.Visitor, cookies map[string]string) {
	out := http.Header{}
	for name := range copiesIn(v) {
		out.Add("Set-Cookie", name+"=; Max-Age=0")
	}
	for name, value := range cookies {
		out.Add("Set-Cookie", name+"="+value)
	}
	v.Keep(&http.Response{Header: out})
}

func TestABackupThatIsNotGenuineCountsAsAbsent(t *testing.T) {
	other := mustKeys(t, seal.NewKey())
	for name, c := range map[string]struct {
		spoil func(s *site, v *sessiontest.Visitor)
		fault session.BackupFault
		want  string
	}{
		"forged": {func(s *site, v *sessiontest.Visitor) {
			for name, value := range copiesIn(v) {
				i := len(value) - 20
				c := "A"
				if value[i] == 'A' {
					c = "B"
				}
				give(v, map[string]string{name: value[:i] + c + value[i+1:]})
			}
		}, session.BackupForged, "503"},
		"truncated": {func(s *site, v *sessiontest.Visitor) {
			for name, value := range copiesIn(v) {
				give(v, map[string]string{name: value[:len(value)/2]})
			}
		}, session.BackupMalformed, "503"},
		"another visitor's": {func(s *site, v *sessiontest.Visitor) {
			eve := s.visitor()
			s.serve(s.a, eve, func(x *session.Session) { color.Set(x, "eve's") })
			give(v, copiesIn(eve))
		}, session.BackupForeign, "503"},
		"replayed after its lease": {func(s *site, v *sessiontest.Visitor) {
			old := copiesIn(v)
			for range 8 {
				s.after(10 * time.Minute)
				s.serve(s.a, v, func(x *session.Session) { food.Set(x, time.Now().String()) })
			}
			give(v, old)
		}, session.BackupStale, "503"},
		"sealed with a key of others": {func(s *site, v *sessiontest.Visitor) {
			text, err := (&seal.Box{Keys: other, Purpose: "session backup", Audience: session.AudienceOf("shop-test", session.Cookie{Name: "__Host-session", Path: "/"})}).Seal(time.Now().Add(-3*time.Hour), []byte("x"))
			if err != nil {
				s.Fatal(err)
			}
			give(v, map[string]string{"__Host-session-b0": "abcdef.0.1." + text})
		}, session.BackupUnknownKey, "503"},
		"half of it": {func(s *site, v *sessiontest.Visitor) {
			for name, value := range copiesIn(v) {
				give(v, map[string]string{name: strings.Replace(value, ".0.1.", ".0.2.", 1)})
			}
		}, session.BackupIncomplete, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				v := s.visitor()
				c.spoil(s, v)
				if got := holding(s, v); !strings.HasPrefix(got, "red/") {
					t.Errorf("while the store is there the session holds %s", got)
				}
				s.faults = map[session.BackupFault]int{}
				s.store.Fail(errRefused)
				s.want(s.b, v, c.want)
				if s.faults[c.fault] == 0 {
					t.Errorf("the hook was told %v, want %v", s.faults, c.fault)
				}
				s.heal()
				s.store.Replace(memstore.New(nil))
				s.after(10 * time.Second)
				s.want(s.b, v, "-")
			})
		})
	}
}

// holding is what v holds. The answer, which would bring a good backup, is lost.
func holding(s *site, v *sessiontest.Visitor) string { return s.holds(s.a, s.copyOf(v)) }

func TestKeysRotateWhileTheStoreIsAway(t *testing.T) {
	first, second := seal.NewKey(), seal.NewKey()
	// Three instances in the middle of it: one has not heard of the new key, one
	// opens with it, and one seals with it.
	testSite(t, session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: mustKeys(t, first)}}, func(s *site) {
		opens := mustNew(s.T, s.store, &session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: mustKeys(t, first, second)}})
		seals := mustNew(s.T, s.store, &session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: mustKeys(t, second, first)}})
		s.after(10 * time.Second)
		v := s.visitor()
		s.store.Fail(errRefused)
		s.want(opens, v, "red/")
		s.serve(opens, v, func(x *session.Session) { color.Set(x, "blue") })
		s.want(s.a, v, "blue/")
		s.serve(seals, v, func(x *session.Session) { food.Set(x, "tofu") })
		s.want(opens, v, "blue/tofu")
		// The one behind cannot tell, and says so instead of logging anybody out.
		s.want(s.a, v, "503")
		s.want(seals, v, "blue/tofu")
		s.heal()
		s.want(s.a, v, "blue/tofu")
		s.store.Replace(memstore.New(nil))
		s.after(10 * time.Second)
		s.serve(seals, v, func(x *session.Session) { food.Set(x, "rice") })
		s.want(s.a, v, "blue/rice")
	})
}

func TestACopyOfAnUnknownKeyIsNoLogout(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		ahead := mustNew(s.T, s.store, &session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: mustKeys(t, seal.NewKey())}})
		s.after(10 * time.Second)
		v := sessiontest.NewVisitor(s.T, ahead)
		s.serve(ahead, v, func(x *session.Session) { color.Set(x, "red") })
		s.store.Replace(memstore.New(nil))
		s.after(10 * time.Second) // nothing is an answer again
		s.want(s.b, v, "503")
		s.want(ahead, v, "red/")
		s.after(70 * time.Minute) // longer than a lease
		s.want(s.b, v, "-")
	})
}

func TestSessionsGrowAndShrinkInTheirCookies(t *testing.T) {
	testSite(t, session.Options{Backup: &session.Backup{Copy: 6144, ProxyBuffer: 8192}}, func(s *site) {
		v := s.visitor()
		for _, n := range []int{10, 3000, 1000, 4000, 20, 3900, 2200, 0, 4000} {
			value := strings.Repeat("x", n)
			if status := s.serve(s.a, v, func(x *session.Session) { food.Set(x, value) }); status != 200 {
				t.Fatalf("%d bytes: %d", n, status)
			}
			size := 0
			for name, value := range copiesIn(v) {
				size += len(name) + len(value)
				if len(name)+len(value) > 4096 {
					t.Errorf("%d bytes: cookie %s has %d", n, name, len(name)+len(value))
				}
			}
			if size > 6144 || size < n*4/3 {
				t.Errorf("%d bytes: %d bytes of cookies", n, size)
			}
			s.store.Fail(errRefused)
			s.want(s.b, v, "red/"+value)
			s.serve(s.b, v, func(x *session.Session) { color.Set(x, "red"); color.Delete(x); color.Set(x, fmt.Sprint(n)) })
			s.want(s.a, v, fmt.Sprint(n)+"/"+value)
			s.heal()
			s.serve(s.a, v, func(x *session.Session) { color.Set(x, "red") })
		}
	})
}

func TestWhatDoesNotFitStaysOnTheServer(t *testing.T) {
	profile := session.NewKey[string]("profile", session.Uncompressed())
	cart := session.NewKey[string]("cart", session.Rank(3))
	large := strings.Repeat("p", 5000)
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.serve(s.a, v, func(x *session.Session) { profile.Set(x, large); cart.Set(x, "tofu") })
		if s.faults[session.BackupPartial] == 0 {
			t.Error("no hook told that the backup is partial")
		}
		s.store.Fail(errRefused)
		s.serve(s.b, v, func(x *session.Session) {
			if got, err := cart.Get(x); got != "tofu" || err != nil {
				t.Errorf("cart: %q, %v", got, err)
			}
			if _, err := profile.Get(x); err == nil || !strings.Contains(err.Error(), "profile") {
				t.Errorf("profile: %v", err)
			}
		})
		if status := s.serve(s.b, v, func(x *session.Session) { cart.Set(x, "rice") }); status != 200 {
			t.Errorf("a write of what fits: %d", status)
		}
		if status := s.serve(s.b, v, func(x *session.Session) { profile.Set(x, large+large) }); status != 503 {
			t.Errorf("a write of what does not: %d, want 503", status)
		}
		s.heal()
		s.serve(s.a, v, func(x *session.Session) {
			if got, err := profile.Get(x); got != large || err != nil {
				t.Errorf("profile: %d bytes, %v", len(got), err)
			}
			if got, err := cart.Get(x); got != "rice" || err != nil {
				t.Errorf("cart: %q, %v", got, err)
			}
		})
	})
}

func TestCompressionFitsMore(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		long := strings.Repeat("tofu and rice and ", 1000)
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, long) })
		s.store.Fail(errRefused)
		s.want(s.b, v, long+"/")
	})
}

// While the store answers, a copy of before a write undoes nothing, and neither does a write
// of a visitor who brings it.
func TestAnOldCopyLosesAgainstEveryNewerWrite(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		c, link := s.cutOff()
		v := s.visitor()
		old := s.copyOf(v)
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, "blue") })
		s.want(s.b, s.copyOf(old), "blue/")
		s.after(forgotten)
		s.want(s.a, s.copyOf(old), "blue/")
		late := s.copyOf(old)
		s.serve(s.b, late, func(x *session.Session) { food.Set(x, "tofu") })
		s.wantAtBoth(late, "blue/tofu")
		s.wantAtBoth(v, "blue/tofu")
		link.Fail(errRefused)
		s.after(5 * time.Second)
		s.want(c, old, "red/") // it vouches, or the test would show nothing
	})
}

func TestAnAnswerThatComesLateShowsNothingOlder(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		request := func(set func(*session.Session)) (answer *http.Response) {
			return s.copyOf(v).Get(s.a.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) { set(x) })), "/")
		}
		s.store.Fail(errRefused)
		first := request(func(x *session.Session) { color.Set(x, "blue") })
		second := request(func(x *session.Session) { food.Set(x, "tofu") })
		v.Keep(second)
		s.want(s.b, v, "blue/tofu") // it was joined in the journal
		v.Keep(first)
		s.want(s.b, v, "blue/tofu")
		third := request(func(x *session.Session) { color.Set(x, "green") })
		fourth := request(func(x *session.Session) { color.Set(x, "black") })
		v.Keep(fourth)
		v.Keep(third)
		s.want(s.b, v, "black/tofu")
	})
}

func TestTheBackupTravelsOnlyWhenItIsWorthIt(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		read := func() int {
			return len(v.Get(s.a.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) { color.Or(x, "") })), "/").Header["Set-Cookie"])
		}
		for range 3 {
			if n := read(); n != 0 {
				t.Errorf("a read sets %d cookies", n)
			}
		}
		s.after(4 * time.Minute) // the refresh is due
		if n := read(); n == 0 {
			t.Error("no new backup when the expiry was put off")
		}
		s.after(time.Millisecond)
		if n := read(); n != 0 {
			t.Errorf("a read sets %d cookies", n)
		}
		s.after(20 * time.Minute)
		if answer := v.Get(s.a.ReadOnly(ask(t, func(http.ResponseWriter, *http.Request, *session.Session) {})), "/"); answer.Header["Set-Cookie"] != nil {
			t.Errorf("ReadOnly sets %v", answer.Header["Set-Cookie"])
		}
		untouched := v.Get(s.a.Handler(http.NotFoundHandler()), "/")
		if untouched.Header["Set-Cookie"] != nil {
			t.Errorf("a route without a session sets %v", untouched.Header["Set-Cookie"])
		}
	})
}
