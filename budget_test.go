package session_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// copies is what the copies in the jar of v take up in its Cookie header.
func copies(v *sessiontest.Visitor) (n int) {
	for name, value := range copiesIn(v) {
		n += jar.Bytes(name, value)
	}
	return n
}

// Answers that overlap leave copies behind. Their sizes differ, they come from
// two instances, which do not know of each other's, and they arrive in any
// order: the jar never holds more of them than the budget.
func TestTheJarNeverExceedsTheBudget(t *testing.T) {
	for _, b := range []session.Backup{{}, {Copy: 6144, ProxyBuffer: 8192}, {Budget: 6656, Copy: 6656, ProxyBuffer: 8704}, {Budget: 2048}} {
		budget := b.Budget
		if budget == 0 {
			budget = 6144
		}
		t.Run(fmt.Sprintf("budget %d, copy %d", budget, b.Copy), func(t *testing.T) {
			most := 0
			testSite(t, session.Options{Backup: &b}, func(s *site) {
				r := rand.New(rand.NewPCG(1, 2))
				for range 60 {
					v := s.visitor()
					var answers []*http.Response
					for range 12 {
						// A request under way, with the cookies that the jar has now.
						m := []*session.Manager{s.a, s.b}[r.IntN(2)]
						n := r.IntN(4500)
						answers = append(answers, s.copyOf(v).Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) {
							food.Set(x, strings.Repeat("x", n))
						})), "/"))
						for len(answers) > r.IntN(5) { // the others are late
							i := r.IntN(len(answers))
							v.Keep(answers[i])
							answers = append(answers[:i], answers[i+1:]...)
							if got := copies(v); got > budget {
								t.Fatalf("the jar holds %d bytes of copies, the budget is %d", got, budget)
							}
							most = max(most, copies(v))
						}
					}
				}
			})
			t.Logf("the largest jar held %d bytes of copies, of %d", most, budget)
			if most < budget/2 {
				t.Errorf("the largest jar held %d bytes, want a test that tests more", most)
			}
		})
	}
}

// Deletions only tidy up, and wait where the header of the answer is large.
func TestDeletionsWaitForAnAnswerWithRoom(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		write := func(header int, value string) (lines, size int) {
			answer := v.Get(s.a.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, x *session.Session) {
				w.Header().Set("Content-Security-Policy", strings.Repeat("p", header))
				food.Set(x, value)
			})), "/")
			for name, values := range answer.Header {
				for _, value := range values {
					size += len(name) + len(value) + len(": \r\n")
				}
			}
			return len(answer.Header["Set-Cookie"]), size
		}
		if lines, _ := write(100, "tofu"); lines != 2 {
			t.Errorf("an answer with room has %d Set-Cookie lines, want the copy and a deletion", lines)
		}
		large := strings.Repeat("x", 850) // a copy that one cookie holds
		write(100, large)
		lines, size := write(1936, large+"y")
		if lines != 1 || size > 4096 {
			t.Errorf("an answer without room has %d Set-Cookie lines and %d bytes, want only that of the copy", lines, size)
		}
		if lines, _ := write(100, large+"z"); lines != 3 {
			t.Errorf("the next one has %d lines, want that of the copy and the deletions that waited", lines)
		}
		if got := s.holds(s.b, v); got != "red/"+large+"z" {
			t.Errorf("the session holds %.20s", got)
		}
	})
}

// The fields of a handler leave less room for the copy. What is saved in the
// store may stay behind, the lowest rank first; what waits for the store may not.
func TestACopyLeavesRoomForTheFieldsOfTheHandler(t *testing.T) {
	var left error
	o := session.Options{Hooks: session.Hooks{Backup: func(_ context.Context, _ session.ID, f session.BackupFault, err error) {
		if f == session.BackupPartial {
			left = err
		}
	}}}
	testSite(t, o, func(s *site) {
		v := s.visitor()
		write := func(policy int, value string) (size int) {
			t.Helper()
			left = nil
			answer := v.Get(s.a.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, x *session.Session) {
				w.Header().Set("Content-Security-Policy", strings.Repeat("p", policy))
				food.Set(x, value)
			})), "/")
			if answer.StatusCode != http.StatusOK {
				s.Fatalf("status %d", answer.StatusCode)
			}
			for name, values := range answer.Header {
				for _, value := range values {
					size += len(name) + len(value) + len(": \r\n")
				}
			}
			return size
		}
		large := strings.Repeat("x", 1200)
		if size := write(500, large); size > 3600 || left != nil {
			t.Errorf("beside a policy of 500 bytes: %d bytes, and %v", size, left)
		}
		for i := range 6 { // the jar holds more copies each time
			if size := write(1500, large+strings.Repeat("y", 1+i)); size > 3600 || left == nil || !strings.Contains(left.Error(), "food") {
				t.Errorf("beside a policy of 1500 bytes: %d bytes, and %v; want 3600 at most, and the food left out", size, left)
			}
		}
		if got := s.holds(s.b, v); got != "red/"+large+"yyyyyy" {
			t.Errorf("the session holds %.20s", got)
		}
		v = s.visitor()
		s.store.Fail(errRefused)
		if write(1500, large); left != nil {
			t.Errorf("a write that waits for the store lacks something: %v", left)
		}
		s.want(s.b, v, "red/"+large)
	})
}

// A copy is never larger than a budget, nor a cookie larger than a browser
// keeps: what is, is planted, and not even tried.
func TestTextsThatCannotBeOursBySizeAreNotOpened(t *testing.T) {
	opened, malformed := 0, 0
	o := session.Options{
		Hooks: session.Hooks{Backup: func(_ context.Context, _ session.ID, f session.BackupFault, err error) {
			if f == session.BackupMalformed {
				malformed++
			}
			if !strings.Contains(err.Error(), "larger than a backup can be") {
				opened++
			}
		}},
	}
	testSite(t, o, func(s *site) {
		v := s.visitor()
		own := v.Request("GET", "/", nil).Header.Get("Cookie")
		// Texts that open: of a key that is known, and with the codec.
		text := func(purpose string, size int) string {
			random := rand.NewChaCha8([32]byte{1})
			noise := make([]byte, 3*size/4/2)
			if _, err := io.ReadFull(random, noise); err != nil {
				t.Fatal(err)
			}
			plain := append([]byte(fmt.Sprintf("%x", noise)), make([]byte, 200)...)
			box := seal.Box{Keys: s.keys, Purpose: purpose, Audience: session.AudienceOf("shop-test", session.Cookie{Name: "__Host-session", Path: "/"})}
			sealed, err := box.Seal(time.Now(), plain)
			if err != nil {
				t.Fatal(err)
			}
			return sealed
		}
		for _, tt := range []struct {
			name              string
			cookies           func(i int) string
			n                 int
			opened, malformed int
		}{
			{"a text that could be a copy", func(i int) string {
				return fmt.Sprintf("__Host-session-b1=abcde%d.0.1.%s", i, text("session backup", 2000))
			}, 4, 4, 4}, // opened, and no session is in it
			{"a cookie larger than any", func(i int) string {
				return fmt.Sprintf("__Host-session-b1=abcde%d.0.1.%s", i, text("session backup", 20_000))
			}, 16, 0, 16},
			{"a text in parts that is larger than any budget", func(i int) string {
				long := text("session backup", 9_000)
				q := len(long) / 3
				return fmt.Sprintf("__Host-session-b0=abcde%[1]d.0.3.%[2]s; __Host-session-b1=abcde%[1]d.1.3.%[3]s; __Host-session-b2=abcde%[1]d.2.3.%[4]s",
					i, long[:q], long[q:2*q], long[2*q:])
			}, 4, 0, 4},
			{"a list of ended sessions that is longer than any", func(int) string { return "__Host-session-x=" + text("session tombstones", 2000) }, 16, 0, 16},
		} {
			line := own
			for i := range tt.n {
				line += "; " + tt.cookies(i)
			}
			s.want(s.a, v, "red/") // which has opened the visitor's own copy
			opened, malformed = 0, 0
			x := s.a.Load(t.Context(), http.Header{"Cookie": {line}})
			if err := x.Err(); err != nil || color.Or(x, "-") != "red" {
				t.Errorf("%s: the visitor's own session is gone: %v", tt.name, err)
			}
			if opened != tt.opened || malformed != tt.malformed {
				t.Errorf("%s, %d times: %d were opened and %d told as malformed, want %d and %d", tt.name, tt.n, opened, malformed, tt.opened, tt.malformed)
			}
		}
	})
}

// nginx answers 502 where the header of an answer has more than 4096 bytes, and again to
// the next request, which has the copy still to get. So an answer that nginx takes without
// a session it takes with one, whatever the handler's own fields are.
func TestNoCopyMakesAnAnswerTooLarge(t *testing.T) {
	const nginx, tokenLine, deletion = 4096, 150, 100
	var many []session.Key[string]
	for i := range 18 {
		many = append(many, session.NewKey[string](fmt.Sprint("key", i)))
	}
	testSite(t, session.Options{Cookie: session.Cookie{Persistent: true}}, func(s *site) {
		sent, withheld := 0, 0
		for own := 1000; own < nginx-200-tokenLine-deletion; own += 50 {
			v := s.visitor()
			h := s.a.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, x *session.Session) {
				w.Header().Set("Content-Security-Policy", strings.Repeat("p", own))
				for _, key := range many {
					key.Set(x, "thirty bytes, as in an address")
				}
			}))
			answer := v.Get(h, "/")
			if got := headers.Size(answer.Header); got > nginx {
				t.Errorf("beside %d bytes of the handler's the header has %d, want at most %d", own, got, nginx)
			}
			if copies(v) > 0 {
				sent++
			} else {
				withheld++
			}
			s.want(s.a, v, "red/")
		}
		if sent == 0 || withheld == 0 || s.faults[session.BackupTooLarge] == 0 {
			t.Errorf("%d answers had a copy and %d had none, with %v, want some of both, and the hook told", sent, withheld, s.faults)
		}
	})
}

// noise returns text of n bytes of which compression leaves three quarters.
func noise(t *testing.T, seed byte, n int) string {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(rand.NewChaCha8([32]byte{seed}), b); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}

// A degraded write must travel in a copy. Where the answer has no room for the copy the
// write is refused, because nginx would answer 502. Copies of durable sessions are left
// out first.
func TestNoDegradedWriteMakesAnAnswerTooLarge(t *testing.T) {
	const nginx, tokenLine = 4096, 150
	for _, test := range []struct {
		name  string
		large int // bytes that the store has
		write int // bytes that it lacks
		from  int // of the handler's own fields, from which on the write is refused
	}{
		{"a small write", 0, 10, 3200},
		{"a small write beside what the store has", 1800, 10, 3200},
		{"a larger write", 0, 1200, 2300},
		{"a larger write beside what the store has", 800, 1200, 2300},
		{"a write of nearly the size of a copy", 0, 1500, 2000},
	} {
		testSite(t, session.Options{Cookie: session.Cookie{Persistent: true}}, func(s *site) {
			refused, taken := 0, 0
			for own := 500; own < nginx-200-tokenLine; own += 100 {
				s.heal()
				v := s.visitor()
				write := func(policy int, key session.Key[string], value string) *http.Response {
					return v.Get(s.a.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, x *session.Session) {
						w.Header().Set("Content-Security-Policy", strings.Repeat("p", policy))
						key.Set(x, value)
					})), "/")
				}
				write(0, food, noise(t, 1, test.large))
				s.store.Fail(errRefused)
				value := noise(t, byte(own/100), test.write)
				answer := write(own, color, value)
				if got := headers.Size(answer.Header); got > nginx {
					t.Errorf("%s: beside %d bytes of the handler's the header has %d, want at most %d", test.name, own, got, nginx)
				}
				want := value
				if answer.StatusCode == http.StatusOK {
					taken++
				} else {
					refused, want = refused+1, "red"
				}
				if is, should := answer.StatusCode != http.StatusOK, own >= test.from; is != should && (own < test.from-400 || own > test.from+400) {
					t.Errorf("%s: beside %d bytes of the handler's it is answered %d", test.name, own, answer.StatusCode)
				}
				v.Get(s.b.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, x *session.Session) {
					if got := color.Or(x, "-"); got != want {
						t.Errorf("%s: beside %d bytes of the handler's the copy holds %.20q, want %.20q", test.name, own, got, want)
					}
				})), "/")
			}
			if taken == 0 || refused == 0 {
				t.Errorf("%s: %d writes were taken and %d refused, want some of both", test.name, taken, refused)
			}
		})
	}
}
