package session_test

import (
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// carry gives to all the cookies that from has, where cookies are called there
// and not here.
func carry(from, to *sessiontest.Visitor, here, there string) {
	out := http.Header{}
	for _, c := range from.Request("GET", "/", nil).Cookies() {
		out.Add("Set-Cookie", there+strings.TrimPrefix(c.Name, here)+"="+c.Value)
	}
	to.Keep(&http.Response{Header: out})
}

// Two applications, or staging and production, that were given the same keys.
func TestCopiesOpenOnlyForTheirAudience(t *testing.T) {
	const own = "__Host-session"
	for name, c := range map[string]struct {
		backup session.Backup
		cookie session.Cookie
		prefix string
	}{
		"another application": {session.Backup{Audience: "admin-production"}, session.Cookie{}, own},
		"another environment": {session.Backup{Audience: "shop-staging"}, session.Cookie{}, own},
		"another cookie name": {session.Backup{Audience: "shop-test"}, session.Cookie{Name: "__Host-admin"}, "__Host-admin"},
		"another path":        {session.Backup{Audience: "shop-test"}, session.Cookie{Name: own[len("__Host-"):], Path: "/admin"}, "session"},
		"another domain":      {session.Backup{Audience: "shop-test"}, session.Cookie{Name: own[len("__Host-"):], Domain: "shop.test"}, "session"},
	} {
		t.Run(name, func(t *testing.T) {
			testSite(t, session.Options{}, func(s *site) {
				faults := map[session.BackupFault]int{}
				options := session.Options{Cookie: c.cookie}
				options.Hooks.Backup = func(_ context.Context, _ session.ID, f session.BackupFault, err error) {
					faults[f]++
					if !errors.Is(err, seal.ErrAudience) {
						s.Errorf("the hook was told %v, want %v", err, seal.ErrAudience)
					}
				}
				// A store of its own that is well, and in which nothing is known.
				backup := c.backup
				options.Backup = &backup
				options.Backup.Keys = s.keys
				store := storetest.NewFaulty(memstore.New(nil))
				other := mustNew(s.T, store, &options)
				s.after(10 * time.Second)

				v, there := s.visitor(), sessiontest.NewVisitor(s.T, other)
				carry(v, there, own, c.prefix)
				s.want(other, there, "-")
				if want := map[session.BackupFault]int{session.BackupAudience: 1}; !maps.Equal(faults, want) {
					s.Errorf("the hook was told %v, want %v", faults, want)
				}
				store.Fail(errRefused)
				s.want(other, there, "503")
				store.Heal()
				s.after(10 * time.Second)
				s.want(s.b, v, "red/") // at home it is what it was
			})
		})
	}
}

// Staging was filled from production, and so knows the session.
func TestATombstoneCookieOfAnotherAudienceEndsNothing(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		faults := map[session.BackupFault]int{}
		options := session.Options{Backup: &session.Backup{Keys: s.keys, Audience: "shop-staging"}}
		options.Hooks.Backup = func(_ context.Context, id session.ID, f session.BackupFault, _ error) {
			if id == "" {
				faults[f]++
			}
		}
		staging := mustNew(s.T, s.store, &options)
		production, link := s.cutOff()
		v, late := s.copied() // an answer that sets the old cookies again
		link.Fail(errRefused)
		if status := s.serve(production, v, s.ends(session.Pending)); status != 200 {
			s.Fatalf("the logout: %d", status)
		}
		const own = "__Host-session"
		carry(late, v, own, own)
		s.want(staging, v, "red/")
		if want := map[session.BackupFault]int{session.BackupAudience: 1}; !maps.Equal(faults, want) {
			s.Errorf("the hook was told %v, want %v", faults, want)
		}
		s.want(production, v, "-")
	})
}

func TestWhatTheAudienceIsMadeOfCannotBeMistaken(t *testing.T) {
	seen := map[string]session.Cookie{}
	for _, c := range []struct {
		name   string
		cookie session.Cookie
	}{
		{"a b", session.Cookie{Name: "c", Path: "/d"}},
		{"a", session.Cookie{Name: "bc", Path: "/d"}},
		{"ab", session.Cookie{Name: "c", Path: "/d"}},
		{"a", session.Cookie{Name: "b", Domain: "c", Path: "/d"}},
		{"a", session.Cookie{Name: "b", Path: "/c/d"}},
		{"a b", session.Cookie{Name: "c", Domain: "d", Path: "/"}},
		{"a", session.Cookie{Name: "b", Domain: "c", Path: "/d /"}},
		{"a b c", session.Cookie{Name: "d", Path: "/"}},
	} {
		audience := session.AudienceOf(c.name, c.cookie)
		if other, ok := seen[audience]; ok {
			t.Errorf("%q with %+v is taken for %+v", c.name, c.cookie, other)
		}
		seen[audience] = c.cookie
	}
}

func TestTheAudienceIsAsTheSpecificationSays(t *testing.T) {
	text := hex.EncodeToString([]byte(session.AudienceOf("shop-production", session.Cookie{Name: "__Host-session", Path: "/"})))
	page, err := os.ReadFile("docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(page)), ""), text) {
		t.Errorf("docs/SPEC.md does not have the example %s", text)
	}
}
