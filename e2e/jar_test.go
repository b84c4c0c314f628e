package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// The store fails while answers overlap, stays away, and comes back: at no moment does the
// jar of a visitor hold more than the budget, beside 800 bytes of other cookies, nor an answer
// more than nginx takes as it comes.
func TestNginxTakesTheJarAtEachMomentOfAnOutage(t *testing.T) {
	for name, b := range map[string]session.Backup{"the defaults": {}, "the largest budget": {Budget: 6656}} {
		t.Run(name, func(t *testing.T) {
			g := startGrower(t, b)
			j := &jarOfOutage{g: g, budget: max(b.Budget, 6144), c: &crumbs{t: t, url: startNginx(t, g.URL, ""), held: map[string]string{}, others: "_ga=" + strings.Repeat("9", 796)}}
			serves := func() bool { return g.sessions.Stats().Shards[0].State == session.Serving }
			j.visits("before")
			g.onset = func() { g.store.Fail(io.ErrUnexpectedEOF) }
			j.overlap("at the onset")
			g.onset = nil
			for range timeleft.Each(t, "rounds", 2) {
				j.visits("in it")
			}
			if serves() {
				t.Fatal("the store is not away: the test shows nothing")
			}
			g.onset = g.store.Heal
			j.overlap("at its end")
			g.onset = nil
			j.visits("on the way back")
			for end := time.Now().Add(timeleft.Within(t, patience)); !serves(); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the store does not come back")
				}
			}
			j.visits("afterwards")
			t.Logf("the largest jar held %d bytes of copies; the longest Cookie line had %d bytes, the largest header of an answer %d; %d answers of 503", j.largest, j.c.line, j.c.header, j.refused)
			if j.largest < j.budget/2 {
				t.Error("want a test that fills the jar")
			}
		})
	}
}

// jarOfOutage is a visitor whose jar is measured after each answer.
type jarOfOutage struct {
	g                        *grower
	c                        *crumbs
	budget, largest, refused int
	rounds                   int
}

func (j *jarOfOutage) take(answer *http.Response, when string) {
	j.c.t.Helper()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable: // what does not fit its copy
		j.refused++
	default:
		j.c.t.Fatalf("%s: status %d", when, answer.StatusCode)
	}
	j.c.take(answer)
	n := 0
	for name, value := range j.c.held {
		if strings.Contains(name, "-b") {
			n += len(name) + len("=") + len(value) + len("; ")
		}
	}
	if j.largest = max(j.largest, n); n > j.budget {
		j.c.t.Fatalf("%s: the jar holds %d bytes of copies, the budget is %d", when, n, j.budget)
	}
	if j.c.header > 4096 {
		j.c.t.Fatalf("%s: the header of an answer had %d bytes", when, j.c.header)
	}
}

func (j *jarOfOutage) visit(path, when string) {
	j.c.t.Helper()
	j.take(j.c.send(http.MethodGet, path, ""), when)
}

// visits fills the list of ended sessions, grows to the limit of a copy and beyond, and
// sends requests that overlap.
func (j *jarOfOutage) visits(when string) {
	j.c.t.Helper()
	for range 5 {
		j.visit("/login", when)
		j.visit("/login", when) // the new one supersedes the old one
		j.visit("/logout", when)
	}
	j.visit("/login", when)
	for n := 0; n < 1800; n += 150 {
		j.visit(fmt.Sprint("/set?n=", n), when)
		j.visit("/", when)
	}
	j.visit("/set?n=10", when)
	for range 4 {
		j.overlap(when)
	}
}

// overlap sends five requests with the same cookies, whose answers arrive in any order.
func (j *jarOfOutage) overlap(when string) {
	j.c.t.Helper()
	j.rounds++
	answers := j.g.together(j.c, j.rounds, rand.N(1400), rand.N(1400), 900, 899, 10)
	for _, i := range rand.Perm(len(answers)) {
		j.take(answers[i], when)
		j.visit("/", when)
	}
}
