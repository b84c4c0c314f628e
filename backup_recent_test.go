package session_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

func TestACopyIsOpenedOnceByAProcess(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		before := uint64(0)
		opened := func(want uint64, why string) {
			t.Helper()
			n := s.a.Opens() + s.b.Opens()
			if n-before != want {
				t.Errorf("%s: opened %d times, want %d", why, n-before, want)
			}
			before = n
		}
		v := s.visitor()
		long := strings.Repeat("red ", 500)
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, long) })
		before = s.a.Opens() + s.b.Opens()
		for range 10 {
			s.want(s.a, v, long+"/")
		}
		opened(0, "by the one who sealed it")
		s.want(s.b, v, long+"/")
		s.want(s.b, v, long+"/")
		opened(1, "by another one")

		other := s.copyOf(v)
		s.serve(s.b, other, func(x *session.Session) { food.Set(x, "tofu") })
		s.want(s.a, v, long+"/tofu")
		s.want(s.a, v, long+"/tofu")
		opened(0, "somebody wrote the session elsewhere, and the answer brought another copy")
		s.want(s.a, other, long+"/tofu")
		opened(1, "the one that he got elsewhere")

		s.store.Fail(errRefused)
		s.want(s.a, v, long+"/tofu")
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "rice") })
		s.want(s.a, v, long+"/rice")
		opened(0, "the store is away")
		s.want(s.b, v, long+"/rice")
		opened(1, "the store is away, and it was written elsewhere")
		s.heal()
		s.want(s.a, v, long+"/rice")
		s.store.Replace(memstore.New(nil))
		s.after(10 * time.Second)
		s.want(s.b, v, long+"/rice")
		s.want(s.a, v, long+"/rice")
	})
}

// The cache of opened copies keeps copies that a request would open, up to its bound.
func TestCopiesThatAreKept(t *testing.T) {
	size := 0
	testSite(t, session.Options{}, func(s *site) {
		for i := range 4000 { // 20 MB
			v := sessiontest.NewVisitor(s.T, s.a)
			s.serve(s.a, v, func(x *session.Session) { color.Set(x, strings.Repeat("red ", 1250)); food.Set(x, fmt.Sprint(i)) })
			size = max(size, s.a.RecentBytes())
		}
	})
	if size < 8<<20 || size > 17<<20 {
		t.Errorf("%d bytes of copies were kept, want 8 to 16 MiB", size)
	}
	// ServerOnly values are not kept.
	testSite(t, session.Options{}, func(s *site) {
		for range 100 {
			v := sessiontest.NewVisitor(s.T, s.a)
			s.serve(s.a, v, func(x *session.Session) {
				card.Set(x, strings.Repeat("4", 50_000))
				food.Set(x, strings.Repeat("tofu", 5000))
			})
		}
		if size := s.a.RecentBytes(); size == 0 || size > 100_000 {
			t.Errorf("%d bytes of 100 copies of next to nothing were kept", size)
		}
	})
}

// A copy in the cache counts as unopened once its key is taken away, and the visitor gets
// a new copy.
func TestAKeyThatIsTakenAwayOpensNothing(t *testing.T) {
	first, second := seal.NewKey(), seal.NewKey()
	path := filepath.Join(t.TempDir(), "keys")
	write := func(keys ...seal.Key) {
		var lines []string
		for _, k := range keys {
			lines = append(lines, k.Reveal())
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	testSite(t, session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: mustKeys(t, first)}}, func(s *site) {
		file, err := seal.WatchFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		m := mustNew(s.T, s.store, &session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: file.Keys}})
		s.after(10 * time.Second)
		v, absent := s.visitor(), s.visitor()
		for range 2 {
			s.want(m, v, "red/")
			s.want(m, absent, "red/")
		}
		write(second)
		if err := file.Reload(); err != nil {
			t.Fatal(err)
		}
		s.want(m, v, "red/")
		s.store.Fail(errRefused)
		s.want(m, v, "red/")
		s.want(m, absent, "503")
	})
}

// A copy that is in mind is nothing for another visitor.
func TestACopyInMindIsForItsSessionAlone(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v, thief := s.visitor(), s.visitor()
		s.serve(s.a, v, func(x *session.Session) { color.Set(x, "blue") })
		s.want(s.a, v, "blue/")
		s.want(s.a, v, "blue/")
		give(thief, copiesIn(v))
		s.want(s.a, s.copyOf(thief), "red/")
		if s.faults[session.BackupForeign] != 1 {
			t.Errorf("got the faults %v", s.faults)
		}
		s.store.Fail(errRefused)
		s.want(s.a, thief, "503")
	})
}

func TestALongRequestBringsACopyAsOfItsOwn(t *testing.T) {
	for name, reloads := range map[string]bool{"as of its beginning": false, "as of its Reload": true} {
		t.Run(name, func(t *testing.T) {
			const lease = 10 * time.Minute
			testSite(t, session.Options{Idle: 100 * lease, Backup: &session.Backup{Lease: lease}}, func(s *site) {
				v := s.visitor()
				time.Sleep(lease/4 - 30*time.Second) // the copy is not worn out yet
				s.serve(s.a, v, func(x *session.Session) {
					_ = x.ID()
					time.Sleep(lease - time.Minute)
					if reloads {
						if err := x.Reload(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
				s.store.Fail(errRefused)
				s.want(s.a, v, "red/")
				if reloads {
					time.Sleep(lease - time.Minute)
					s.want(s.a, v, "red/")
				}
			})
		})
	}
}
