package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/internal/test/host"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// A contestant's process is this program once more, which here is the test.
func TestMain(m *testing.M) {
	host.Child(serveVar, child)
	os.Exit(m.Run())
}

// small is a run that only has to go through.
func small(t *testing.T, args ...string) (out string) {
	t.Helper()
	if testing.Short() {
		t.Skip("processes that are measured, this program once more: make test and make race run them")
	}
	rounds, late := "2", timeleft.Half(t)
	t.Parallel() // processes start, and a store that was away is not trusted for seconds
	if late() {
		rounds = "1"
		t.Log("no time for more: one round of two is run; -timeout gives more")
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeleft.Within(t, time.Hour))
	defer cancel()
	var b bytes.Buffer
	args = append([]string{"-no-node", "-rounds", rounds, "-slice", "2ms", "-sessions", "200", "-standing", "1000", "-visitors", "4"}, args...)
	if err := run(ctx, args, &b); err != nil { // and says how far it came
		t.Fatalf("%v\n%s", err, &b)
	}
	return b.String()
}

func TestEveryStoreAnswersRightlyAndIsMeasured(t *testing.T) {
	out := small(t, "-sections", "^stores$", "-only", "^store-")
	for _, c := range contestant.InStores() {
		if got := strings.Count(out, "| "+c.Title+" | "); got != 2 {
			t.Errorf("%s is in %d tables, want 2:\n%s", c.Title, got, out)
		}
	}
	if strings.Contains(out, " NaN") || strings.Contains(out, "| 0 |") {
		t.Errorf("a figure is missing:\n%s", out)
	}
}

func TestEveryContestantAnswersRightlyAndIsMeasured(t *testing.T) {
	dir := t.TempDir()
	page, picture := filepath.Join(dir, "BENCHMARKS.md"), filepath.Join(dir, "benchmarks.svg")
	small(t, "-sections", "application", "-page", page, "-picture", picture)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contestant.All() {
		want := len(routes) + 1 // the tables of the routes, and that of the costs
		if c.Node {
			want = 0
		}
		if n := strings.Count(string(text), "\n| "+c.Title+" |"); n != want {
			t.Errorf("%s: got %d rows, want %d", c.Name, n, want)
		}
	}
	for _, want := range []string{"# Benchmarks\n", "\n<!-- application -->\n", "\n<!-- end of lines -->\n", "* Machine: ", "* Versions: go1.",
		"* Commit: ", "* Noise: ", "Again: `make bench`"} {
		if n := strings.Count(string(text), want); n != 1 {
			t.Errorf("%q is there %d times, want once", want, n)
		}
	}
	drawing, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = drawing.Close() }()
	rects := 0
	for d := xml.NewDecoder(drawing); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			rects++
		}
	}
	if want := 3 * (len(bars) - 1); rects != want { // Express is not here
		t.Errorf("got %d bars, want %d", rects, want)
	}
}

func TestWhatIsCounted(t *testing.T) {
	out := small(t, "-sections", "application", "-only", "^(bare|holdfast-redis|floor-redis|holdfast-redis-backup|scs-redis-idle|gorilla-redis|holdfast-memcached)$")
	_, table, ok := strings.Cut(out, "### What a request takes")
	if !ok {
		t.Fatal(out)
	}
	for row, want := range map[string][]string{
		"Holdfast, Redis":             {"none", "GET 1", "GET 1", "EVALSHA 1, GET 1"},
		"Holdfast, Redis, backup":     {"none", "GET 1", "GET 1", "EVALSHA 1, GET 1"},
		"Holdfast, memcached":         {"none", "get 1", "get 1", "get 1, set 1"},
		"scs, go-redis, idle timeout": {"GET 1, SET 1", "GET 1, SET 1", "GET 1, SET 1", "GET 1, SET 1"},
	} {
		_, cells, ok := strings.Cut(table, "\n| "+row+" |")
		if !ok {
			t.Errorf("%s: no row", row)
			continue
		}
		cells, _, _ = strings.Cut(cells, "\n")
		all := strings.Split(cells, "|")
		for i, w := range want {
			if got := strings.TrimSpace(all[3*i]); got != w {
				t.Errorf("%s, %s: got %q, want %q", row, routes[i].Path, got, w)
			}
		}
		// Holdfast sets a cookie where there is something new in it, the backup.
		setCookie := strings.TrimSpace(all[3*userRoute+2])
		if strings.HasPrefix(row, "Holdfast") && setCookie != "0" {
			t.Errorf("%s: a read sets %s bytes of cookies", row, setCookie)
		}
	}
}

func TestAnOutageEndsWithAllSessionsInTheStore(t *testing.T) {
	out := small(t, "-sections", "outage", "-only", "^holdfast-redis-backup$")
	for _, want := range []string{"## An outage", "all sessions in the store again",
		"| Outage with 200 sessions, failed requests | ≤ 0 | 0 |", "| Outage, lost writes | ≤ 0 | 0 |"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestTheBusiestHourFailsNobody(t *testing.T) {
	out := small(t, "-sections", "rush", "-only", "^holdfast-redis-backup$")
	for _, store := range []string{"well", "empty", "away"} {
		want := "| 200 visitors within a second, the store is " + store + ", failed requests | ≤ 0 | 0 |"
		if !strings.Contains(out, want) || strings.Contains(out, "not met") {
			t.Errorf("%q is missing, or a line is not met, in\n%s", want, out)
		}
	}
}

func TestTheOtherSectionsGoThrough(t *testing.T) {
	out := small(t, "-sections", "duels|steps|growth|standing|flights|memcached", "-only", "^(bare|holdfast-redis|floor-redis|holdfast-cache)$", "-profiles")
	for _, want := range []string{"## The steps of a request", "### Size of the session", "### Keys of the session", "### Connections",
		"## Sessions in memory", "| 1000 |", "## A page with 20 calls", "beside gomemcache", "| 100 | CAS over the last save |",
		"| Page with 20 calls, loads, one at a time, client-side cache | ≤ 2 | 1 |"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if !regexp.MustCompile(`\| Read from Redis, × floor \| ≥ 0.93 \| \d+\.\d\d \| \d`).MatchString(out) ||
		!strings.Contains(out, "| Write of one key, × scs + go-redis | ≥ 1.30 | – | – | not measured | – |") {
		t.Errorf("of the duels that could be, and that could not:\n%s", out)
	}
}

func TestAContestantThatAnswersWronglyIsNotMeasured(t *testing.T) {
	s, err := startStores()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	p, err := start(t.Context(), contestant.Contestant{Name: "bare", Sessions: true}, s.addresses(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	r := &runner{process: p}
	if r.visitors, err = p.arrive(1, contestant.Usual); err != nil {
		t.Fatal(err)
	}
	defer r.visitors.Leave()
	if err := r.check(); err == nil || !strings.Contains(err.Error(), "a stranger") {
		t.Errorf("a handler which knows strangers by name: got %v", err)
	}
	r.Sessions = false
	if err := r.check(); err == nil || !strings.Contains(err.Error(), "write 2") {
		t.Errorf("a handler which forgets what it is told: got %v", err)
	}
	if _, err := start(t.Context(), contestant.Contestant{Name: "nobody"}, s.addresses(), "", ""); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("no such contestant: got %v", err)
	}
}

func TestTheClockOfAnotherProcessGoesOn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the clock of a process is known on Linux only, where make test runs it")
	}
	before := cpuOf(os.Getpid())
	var took time.Duration
	timeleft.Poll(t, "20 ms of work, which may get no processor for a while", func() bool {
		for start := time.Now(); time.Since(start) < 20*time.Millisecond; {
			_ = bytes.Repeat([]byte("busy"), 100)
		}
		took = cpuOf(os.Getpid()) - before
		return took > 0
	})
	if took > 10*time.Second {
		t.Errorf("20 ms of work took %v", took)
	}
}

func TestAFailureEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"-no-node"}, io.Discard); err == nil {
		t.Error("a canceled run ended without an error")
	}
	for _, args := range [][]string{{"now"}, {"-rounds", "0"}, {"-slice", "-1s"}, {"-slice", "soon"}, {"-sessions", "-1"}, {"-only", "("}, {"-sections", "("}} {
		if err := run(t.Context(), args, io.Discard); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: got %v", args, err)
		}
	}
}
