package redisstore_test

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

var (
	_ session.Store       = (*redisstore.Store)(nil)
	_ session.Lister      = (*redisstore.Store)(nil)
	_ session.FreshLoader = (*redisstore.Store)(nil)
)

func TestEachOperationIsOneCommand(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	v := mustSave(t, s, "warm", record("a"), session.Any)
	mustSave(t, s, "warm", record("b"), v) // teaches the server the script
	past := session.Record{Expires: time.Now().Add(-time.Second)}

	tests := []struct {
		name string
		do   func(v session.Version) error
		want map[string]int
	}{
		{"a read", func(session.Version) error {
			_, err := s.Load(t.Context(), "one")
			return err
		}, map[string]int{"get": 1}},
		{"a read past caches", func(session.Version) error {
			_, err := s.LoadFresh(t.Context(), "one")
			return err
		}, map[string]int{"get": 1}},
		{"a read of nothing", func(session.Version) error {
			_, err := s.Load(t.Context(), "none")
			return wants(err, session.ErrNotFound)
		}, map[string]int{"get": 1}},
		{"a save over a version", func(v session.Version) error {
			_, err := s.Save(t.Context(), "one", record("x"), v)
			return err
		}, map[string]int{"evalsha": 1, "getrange": 1, "set": 1}}, // the latter two inside the script
		{"a save over another version", func(v session.Version) error {
			v[3]++
			_, err := s.Save(t.Context(), "one", record("x"), v)
			return wants(err, session.ErrConflict)
		}, map[string]int{"evalsha": 1, "getrange": 1}},
		{"a save over Any", func(session.Version) error {
			_, err := s.Save(t.Context(), "one", record("x"), session.Any)
			return err
		}, map[string]int{"set": 1}},
		{"a save over Absent", func(session.Version) error {
			_, err := s.Save(t.Context(), "two", record("x"), session.Absent)
			return err
		}, map[string]int{"set": 1}},
		{"a save over Absent where a record stands", func(session.Version) error {
			_, err := s.Save(t.Context(), "one", record("x"), session.Absent)
			return wants(err, session.ErrConflict)
		}, map[string]int{"set": 1}},
		{"a save past its expiry over a version", func(v session.Version) error {
			_, err := s.Save(t.Context(), "one", past, v)
			return err
		}, map[string]int{"evalsha": 1, "getrange": 1, "del": 1}},
		{"a save past its expiry over Any", func(session.Version) error {
			_, err := s.Save(t.Context(), "one", past, session.Any)
			return err
		}, map[string]int{"del": 1}},
		{"a save past its expiry over Absent", func(session.Version) error {
			_, err := s.Save(t.Context(), "two", past, session.Absent)
			return err
		}, map[string]int{"exists": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv.Command("DEL", "session:one", "session:two")
			v := mustSave(t, s, "one", record("a"), session.Any)
			srv.Reset()
			if err := tt.do(v); err != nil {
				t.Error(err)
			}
			if got := srv.Calls(t); !maps.Equal(got, tt.want) {
				t.Errorf("commands: got %v, want %v", got, tt.want)
			}
		})
	}
}

// wants is nil if err is what it should be.
func wants(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("got another error than "+want.Error()), err)
}

// TestASavePastItsOwnExpiryLeavesARedisKeyWithoutTTL: it must not, and neither
// must any other save.
func TestASavePastItsOwnExpiryLeavesARedisKeyWithoutTTL(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	const day = 24 * time.Hour
	const centuries = 1<<63 - 1 // what a Duration holds, 292 years
	for _, left := range []time.Duration{-30 * 365 * day, -time.Hour, -1, 0, 1, time.Microsecond, 3 * time.Millisecond, time.Second, 29 * day, 31 * day, 40 * 365 * day, centuries} {
		for _, over := range []string{"Any", "Absent", "a version", "another version", "Absent, where a record stands"} {
			t.Run(left.String()+" over "+over, func(t *testing.T) {
				srv.Command("DEL", "session:x")
				version, conflict := session.Any, false
				switch over {
				case "Absent":
					version = session.Absent
				case "a version":
					version = mustSave(t, s, "x", record("old"), session.Any)
				case "another version":
					mustSave(t, s, "x", record("old"), session.Any)
					version, conflict = session.Version{1}, true
				case "Absent, where a record stands":
					mustSave(t, s, "x", record("old"), session.Any)
					version, conflict = session.Absent, true
				}
				v, err := s.Save(t.Context(), "x", session.Record{Data: []byte("new"), Expires: time.Now().Add(left)}, version)
				pttl, _ := strconv.Atoi(srv.Command("PTTL", "session:x")) // -1: no TTL; -2: no key
				want := int(left / time.Millisecond)
				switch {
				case conflict:
					if !errors.Is(err, session.ErrConflict) || pttl <= 0 {
						t.Errorf("got %v and PTTL %d, want ErrConflict and what stood there", err, pttl)
					}
				case err != nil:
					t.Error(err)
				case v == session.Absent || v == session.Any:
					t.Errorf("version: got %v", v)
				case pttl == -1:
					t.Error("the key has no TTL: the session stays for good")
				case left <= 0 && pttl != -2:
					t.Errorf("PTTL: got %d, want no key", pttl)
				case left >= time.Second && (pttl < want-60_000 || pttl > want+1):
					t.Errorf("PTTL: got %d, want %d", pttl, want)
				}
			})
		}
	}
}

func TestASaveWithoutAnExpiryIsAnError(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	_, err := s.Save(t.Context(), "x", session.Record{Data: []byte("a")}, session.Any)
	if err == nil {
		t.Error("got no error")
	}
	if got := srv.Command("DBSIZE"); got != "0" {
		t.Errorf("keys: got %s, want 0", got)
	}
}

func TestAServerThatForgotTheScriptIsTaughtIt(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	v := mustSave(t, s, "x", record("a"), session.Any)
	srv.Command("SCRIPT", "FLUSH")
	srv.Reset()
	v = mustSave(t, s, "x", record("b"), v)
	v = mustSave(t, s, "x", record("c"), v)
	mustSave(t, s, "x", record("d"), v)
	got := srv.Calls(t)
	if got["eval"] != 1 || got["evalsha"] != 3 || got["set"] != 3 {
		t.Errorf("commands: got %v, want 1 eval, 3 evalsha, 3 set", got)
	}
}

func TestWhatIsNotOursIsAnErrorAndNeitherNothingNorAConflict(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv, redisstore.ClientCache(time.Minute))
	loads := map[string]func(session.ID) error{
		"Load":         func(id session.ID) error { _, err := s.Load(t.Context(), id); return err },
		"Load, cached": func(id session.ID) error { _, err := s.Load(t.Context(), id); return err },
		"LoadFresh":    func(id session.ID) error { _, err := s.LoadFresh(t.Context(), id); return err },
		"Save over": func(id session.ID) error {
			_, err := s.Save(t.Context(), id, record("x"), session.Version{1})
			return err
		},
		"Save, past, over": func(id session.ID) error {
			_, err := s.Save(t.Context(), id, session.Record{Expires: time.Unix(1, 0)}, session.Version{1})
			return err
		},
	}
	srv.Command("SET", "session:short", "a user's own")
	srv.Command("RPUSH", "session:list", "a", "b")
	for _, id := range []session.ID{"short", "list"} {
		for name, do := range loads {
			err := do(id)
			if err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) {
				t.Errorf("%s of a %s: got %v", name, id, err)
			}
		}
	}
	mustSave(t, s, "list", record("a"), session.Any) // which replaces whatever stands there
	if got := string(mustLoad(t, s, "list").Data); got != "a" {
		t.Errorf("after a save over Any: got %q, want %q", got, "a")
	}
}

func TestAServerOutOfMemoryRefusesAndLosesNothing(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	v := mustSave(t, s, "x", record("a"), session.Any)
	mustSave(t, s, "y", record("a"), mustSave(t, s, "y", record("a"), session.Any)) // the script is known
	srv.Command("CONFIG", "SET", "maxmemory", "1")
	for _, over := range []session.Version{v, session.Any, session.Absent} {
		_, err := s.Save(t.Context(), "x", record("b"), over)
		if err == nil || errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrTooLarge) {
			t.Errorf("got %v, want an error of the server's", err)
		}
	}
	if r := mustLoad(t, s, "x"); string(r.Data) != "a" || r.Version != v {
		t.Errorf("got %q, want what stood before", r.Data)
	}
	if _, err := s.Save(t.Context(), "x", session.Record{Expires: time.Unix(1, 0)}, v); err != nil {
		t.Errorf("ending a session, which frees memory: %v", err)
	}
}

func TestARecordThatRedisDoesNotTakeIsTooLarge(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	v := mustSave(t, s, "x", record("a"), session.Any)
	// Pages that are not touched cost nothing.
	huge, err := syscall.Mmap(-1, 0, 512<<20-15, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(huge)
	for _, over := range []session.Version{v, session.Any} {
		_, err = s.Save(t.Context(), "x", session.Record{Data: huge, Expires: time.Now().Add(time.Hour)}, over)
		if !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
	}
	if got := string(mustLoad(t, s, "x").Data); got != "a" {
		t.Errorf("got %q, want what stood before", got)
	}
}

// It answers while the record is still on its way, and hangs up. The client
// would use the command's memory again on that answer.
func TestAServerThatTakesLessBreaksNothing(t *testing.T) {
	srv := redistest.Start(t, "--proto-max-bulk-len", "1mb")
	s := newStore(t, srv)
	v := mustSave(t, s, "x", record("a"), session.Any)
	large := record(strings.Repeat("b", 4<<20))
	for range 10 {
		for _, over := range []session.Version{session.Any, v, session.Absent} {
			if _, err := s.Save(t.Context(), "x", large, over); err == nil || errors.Is(err, session.ErrConflict) {
				t.Errorf("got %v, want an error of the server's", err)
			}
			s.Save(t.Context(), "y", record("a"), session.Any) // may fail, on the same connection
		}
	}
	eventually(t, "what stood before", func() bool {
		r, err := s.Load(t.Context(), "x")
		return err == nil && string(r.Data) == "a"
	})
}

func TestAReplicaRefusesASave(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	v := mustSave(t, s, "x", record("a"), session.Any)
	v = mustSave(t, s, "x", record("a"), v)
	srv.Command("REPLICAOF", "127.0.0.1", "1") // READONLY, and reads go on
	for _, over := range []session.Version{v, session.Any, session.Absent} {
		if _, err := s.Save(t.Context(), "x", record("b"), over); err == nil || errors.Is(err, session.ErrConflict) {
			t.Errorf("got %v, want an error of the server's", err)
		}
	}
	srv.Command("CONFIG", "SET", "replica-serve-stale-data", "no") // MASTERDOWN
	if _, err := s.Load(t.Context(), "x"); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("got %v, want an error of the server's", err)
	}
	srv.Command("REPLICAOF", "NO", "ONE")
	if r := mustLoad(t, s, "x"); r.Version != v {
		t.Error("the record has changed")
	}
}

func TestPrefixesKeepStoresApart(t *testing.T) {
	srv := redistest.Start(t)
	client := newClient(t, srv.URL())
	a, b := redisstore.New(client, redisstore.Prefix("a:")), redisstore.New(client, redisstore.Prefix("b:"))
	mustSave(t, a, "x", record("of a"), session.Absent)
	mustSave(t, b, "x", record("of b"), session.Absent)
	if got := string(mustLoad(t, a, "x").Data); got != "of a" {
		t.Errorf("got %q, want %q", got, "of a")
	}
	if got := srv.Command("EXISTS", "a:x", "b:x"); got != "2" {
		t.Errorf("keys a:x and b:x: got %s, want 2", got)
	}
}

// The client of an application that did not ask ClientOption, with retries on.
func TestAClientWithItsOwnDefaultsNeverRepeatsACommand(t *testing.T) {
	srv := redistest.Start(t)
	s, v := newStoreWithX(t, newClient(t, srv.URL(), withItsDefaults))
	srv.Kill()
	// A client that repeats does so until the deadline, and says so.
	for name, do := range map[string]func() error{
		"Load":             func() error { _, err := s.Load(within(t, patience), "x"); return err },
		"Save over a one":  func() error { _, err := s.Save(within(t, patience), "x", record("b"), v); return err },
		"Save over Any":    func() error { _, err := s.Save(within(t, patience), "x", record("b"), session.Any); return err },
		"Save over Absent": func() error { _, err := s.Save(within(t, patience), "x", record("b"), session.Absent); return err },
	} {
		if err := do(); err == nil || errors.Is(err, errDeadline) {
			t.Errorf("%s: got %v, want an error at once", name, err)
		}
	}
}
