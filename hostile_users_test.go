package session_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/sessiontest"
)

// Users are told apart by the bytes of their names, however alike those look.
func TestNamesThatLookAlikeAreOfSeveralUsers(t *testing.T) {
	alike := []string{"José", "Jose\u0301", "josé", "José ", "José\x00", "\ufeffJosé", "Ｊosé"}
	inHousehold(t, "", func(t *testing.T) *session.Options { return &session.Options{Backup: testBackup(t)} }, func(h *household) {
		all := map[string]*sessiontest.Visitor{}
		for _, name := range alike {
			all[name] = h.login(name, "firefox")
		}
		if d, err := h.m.RevokeUser(h.Context(), alike[0]); d != session.Durable || err != nil {
			h.Fatalf("RevokeUser: %v, %v", d, err)
		}
		for _, name := range alike {
			want := name
			if name == alike[0] {
				want = ""
			}
			if got := all[name].Session().User(); got != want {
				h.Errorf("the user of the session of %q is %q, want %q", name, got, want)
			}
			if found, err := h.m.Sessions(h.Context(), name); err != nil || len(found) != len(want[:min(1, len(want))]) {
				h.Errorf("the sessions of %q: %v, %v", name, found, err)
			}
		}
	})
}

// A name that SetUser refuses has no sessions: none are listed, and none revoked.
func TestNamesThatNoUserCanHaveHaveNoSessions(t *testing.T) {
	inHousehold(t, "", func(t *testing.T) *session.Options { return &session.Options{Backup: testBackup(t)} }, func(h *household) {
		h.login("ann", "firefox")
		h.took()
		for _, name := range []string{"", "\xff", strings.Repeat("u", 256), strings.Repeat("u", 1<<20)} {
			if d, err := h.m.RevokeUser(h.Context(), name); err == nil {
				h.Errorf("RevokeUser(%.10q): %v", name, d)
			} else if len(err.Error()) > 1000 {
				h.Errorf("RevokeUser(%.10q): an error of %d bytes", name, len(err.Error()))
			}
			if all, err := h.m.Sessions(h.Context(), name); len(all) > 0 {
				h.Errorf("Sessions(%.10q): %v, %v", name, all, err)
			}
		}
		h.want("ann", "firefox")
	})
}

// An ID that a visitor or a form has made up ends nothing but the session of that ID.
func TestRevokeOfIDsThatSomebodyMadeUp(t *testing.T) {
	withAndWithoutBackup(t, func(h *household) {
		v := h.login("ann", "firefox")
		id := string(v.Session().ID())
		for _, made := range []string{
			"", " ", id + " ", " " + id, id + "\n", id[:31], id + "0", strings.ToUpper(id) + "x", "../" + id, "session:" + id, "\xff", "é",
			devices.ID("ann"), "user-", "members-0", "log-0", strings.Repeat("0", 200), strings.Repeat("0", 201), strings.Repeat("0", 1<<20),
		} {
			d, err := h.m.Revoke(h.Context(), session.ID(made))
			if err != nil && len(err.Error()) > 2000 {
				h.Errorf("Revoke(%.40q): %v, and an error of %d bytes", made, d, len(err.Error()))
			}
			if v.Session().User() != "ann" {
				h.Fatalf("Revoke(%.40q): %v, %v has ended another session", made, d, err)
			}
			h.want("ann", "firefox")
		}
	})
}

// A list whose record was damaged hinders no login, and is whole again when each session has
// been in use for one refresh interval. A list in a format that a newer program may know stays.
func TestADamagedListHeals(t *testing.T) {
	const newer = "another format"
	for name, damage := range map[string]func(h *household, v *sessiontest.Visitor) []byte{
		"nothing": func(*household, *sessiontest.Visitor) []byte { return nil },
		"bytes":   func(*household, *sessiontest.Visitor) []byte { return []byte("\x01damaged") },
		newer:     func(*household, *sessiontest.Visitor) []byte { return []byte{99, 1, 2, 3} },
		"half of it": func(h *household, _ *sessiontest.Visitor) []byte {
			r, err := h.store.Load(h.Context(), session.ID(devices.ID("ann")))
			if err != nil {
				h.Fatal(err)
			}
			return r.Data[:len(r.Data)/2]
		},
		"a session": func(h *household, v *sessiontest.Visitor) []byte {
			r, err := h.store.Load(h.Context(), v.Session().ID())
			if err != nil {
				h.Fatal(err)
			}
			return r.Data
		},
		"a session that has ended": func(h *household, _ *sessiontest.Visitor) []byte {
			v := sessiontest.NewVisitor(h.T, h.m, func(s *session.Session) { color.Set(s, "red") })
			id := v.Session().ID()
			if _, err := h.m.Revoke(h.Context(), id); err != nil {
				h.Fatal(err)
			}
			r, err := h.store.Load(h.Context(), id)
			if err != nil {
				h.Fatal(err)
			}
			return r.Data
		},
	} {
		for limit, refuse := range map[string]bool{"the oldest ends": false, "the login is refused": true} {
			t.Run(name+", "+limit, func(t *testing.T) {
				withLimit(t, session.PerUser{Most: 5, Refuse: refuse}, func(h *household) {
					first := h.login("ann", "firefox")
					time.Sleep(time.Second)
					r := session.Record{Data: damage(h, first), Expires: time.Now().Add(time.Hour)}
					if _, err := h.store.Save(h.Context(), session.ID(devices.ID("ann")), r, session.Any); err != nil {
						h.Fatal(err)
					}
					if _, err := h.m.Sessions(h.Context(), "ann"); err != nil && !errors.Is(err, session.ErrUnavailable) {
						h.Errorf("Sessions: %v", err)
					}
					second := sessiontest.NewVisitor(h.T, h.m)
					if got := inRequest(second, h.m, func(s *session.Session) { color.Set(s, "safari"); s.SetUser("ann") }); got != http.StatusNoContent {
						h.Errorf("a login was answered %d", got)
					}
					time.Sleep(4 * time.Minute)
					inRequest(second, h.m, read)
					time.Sleep(time.Second)
					inRequest(first, h.m, read)
					synctest.Wait()
					if name != newer {
						h.want("ann", "firefox safari")
						return
					}
					if _, err := h.m.Sessions(h.Context(), "ann"); !errors.Is(err, session.ErrUnavailable) {
						h.Errorf("Sessions: %v", err)
					}
					if after, err := h.store.Load(h.Context(), session.ID(devices.ID("ann"))); err != nil || string(after.Data) != string(r.Data) {
						h.Errorf("the list is %q, %v: it was overwritten", after.Data, err)
					}
				})
			})
		}
	}
}

// Logins at once, at two instances, leave as many sessions as there may be.
func TestLoginsAtOnceLeaveTheLimit(t *testing.T) {
	withLimit(t, session.PerUser{Most: 3}, func(h *household) {
		o := session.Options{PerUser: session.PerUser{Most: 3}}
		if h.backup {
			o.Backup = testBackup(h.T)
		}
		instances := []*session.Manager{h.m, mustNew(h.T, h.store, &o)}
		time.Sleep(time.Minute)
		for round := range 5 {
			h.store.Delay(time.Duration(round) * time.Millisecond)
			var wg sync.WaitGroup
			var all []*sessiontest.Visitor
			for i := range 12 {
				m := instances[i%2]
				v := sessiontest.NewVisitor(h.T, m)
				all = append(all, v)
				wg.Go(func() { inRequest(v, m, loginOf("ann")) })
			}
			wg.Wait()
			time.Sleep(3 * time.Second)
			live := 0
			for _, v := range all {
				if loggedIn(v) {
					live++
				}
			}
			found, err := h.m.Sessions(h.Context(), "ann")
			if live != 3 || len(found) != 3 || err != nil {
				h.Errorf("round %d: %d are logged in, and %d listed, %v; want 3", round, live, len(found), err)
			}
		}
	})
}
