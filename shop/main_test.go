package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/ownport"
	"github.com/holdfast-go/session/internal/test/redistest"
)

func TestBadFlagsGetAClearAnswer(t *testing.T) {
	patient := patienceAtStart
	patienceAtStart = 2 * time.Second // with those that are silent
	t.Cleanup(func() { patienceAtStart = patient })
	taken := listen(t)
	free := nowhere(t)
	silent := listen(t) // takes connections, and answers nothing
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	for _, c := range []struct {
		name, args string
		exit       int
		said       string
	}{
		{"help", "-h", 0, ""},
		{"an unknown flag", "-color red", 2, "-color"},
		{"an argument", "now", 2, `unexpected argument "now"`},
		{"an idle timeout that is no duration", "-idle soon", 2, "-idle"},
		{"a negative idle timeout", "-idle -1m", 2, "-idle -1m0s: must be longer than 0"},
		{"no idle timeout", "-idle 0", 2, "-idle 0s: must be longer than 0"},
		{"a negative lifetime", "-lifetime -1h", 2, "-lifetime -1h0m0s: must be longer than 0"},
		{"no lease", "-lease 0", 2, "-lease 0s: must be a second or longer"},
		{"a lease that is no duration", "-lease long", 2, "-lease"},
		{"a key file without a name", "-keys=", 2, "-keys: must name a file"},
		{"keys without a backup", "-no-backup -keys shop.keys", 2, "-keys with -no-backup"},
		{"an audience without a backup", "-no-backup -audience shop-production", 2, "-audience with -no-backup"},
		{"a directory without a backup", "-no-backup -state /tmp", 2, "-state with -no-backup"},
		{"a directory without keys that last", "-state /tmp", 2, "-state without -keys"},
		{"a directory without a name", "-state=", 2, "-state: must name a directory"},
		{"a directory that is not there", "-addr 127.0.0.1:0 -keys " + filepath.Join(t.TempDir(), "shop.keys") + " -state /no/such/directory", 1, "Backup.Dir"},
		{"a lease without a backup", "-no-backup -lease 2h", 2, "-lease with -no-backup"},
		{"a switch of no kind", "-switch consul://user:secret@host:8500/key", 1, "-switch: want file:"},
		{"a switch without a key", "-switch etcd://user:secret@host:2379", 1, "-switch: want file:"},
		{"a switch on no port", "-switch zk://user:secret@host/shop", 1, "host:port"},
		{"a switch without a backup", "-no-backup -switch file:/tmp/order", 2, "-switch with -no-backup"},
		{"an order that is kept of nothing", "-keep-order order", 2, "-keep-order: goes with"},
		{"too many shoppers", "-shoppers 201", 2, "-shoppers 201: must be between 0 and 200"},
		{"less than no shoppers", "-shoppers -1", 2, "-shoppers -1"},
		{"a server that cannot be started", "-store spawn:mongo", 1, "-store: want memory:, redis://"},
		{"an unknown kind of store", "-store mongo://user:secret@host", 1, "-store: want memory:, redis://"},
		{"a password alone", "-store secret", 1, "-store: want memory:, redis://"},
		{"a store that is no address", "-store redis://:secret@host:port:1", 1, "-store redis:"},
		{"an address without a port", "-addr localhost", 1, "-addr localhost: "},
		{"a port that is taken", "-addr " + taken.Addr().String(), 1, "address already in use"},
		{"a store that is not there", "-store redis://:secret@" + free, 1, "connection refused"},
		{"a store that is silent", "-store redis://:secret@" + silent.Addr().String() + "/1", 1, "-store redis://" + silent.Addr().String() + "/1: "},
		{"a PostgreSQL of no address", "-store postgres://:secret@host:port/shop", 1, "want postgres://user:password@host:port/database"},
		{"a PostgreSQL with a parameter of no such value", "-store postgres://:secret@host/shop?sslmode=always", 1, "parameters with values that pgx knows"},
		{"a MariaDB with a parameter", "-store mysql://:secret@host/shop?tls=true", 1, "without parameters"},
		{"a memcached twice", "-store memcached://:secret@host,host", 1, "each server once"},
		{"a PostgreSQL that is not there", "-store postgres://:secret@" + free + "/shop", 1, "connection refused"},
		{"a PostgreSQL that is silent", "-store postgresql://:secret@" + silent.Addr().String() + "/shop", 1, "-store postgresql://" + silent.Addr().String() + "/shop: "},
		{"no memcached", "-store memcached://", 1, "-store memcached://: session: memcached URL: want memcached://"},
		{"a memcached of no address", "-store memcached://:secret@host:port", 1, "want memcached://"},
		{"a memcached with a query", "-store memcached://host?password=secret", 1, "want memcached://"},
		{"a password with a broken escape", "-store memcached://:secret%@host", 1, "want memcached://"},
		{"a password for a memcached elsewhere", "-store memcached://:secret@10.0.0.1:11211", 1, "to this machine's servers only"},
		{"a memcached that is not there", "-store memcached://:secret@" + free, 1, "connection refused"},
		{"no memcached on the socket", "-store memcached://unix:///nowhere.sock", 1, "no such file"},
		{"two that are not there", "-store memcached://" + free + ",localhost:1", 1, "connection refused"},
		{"a memcached that is silent", "-store memcached://:secret@" + silent.Addr().String(), 1, "-store memcached://" + silent.Addr().String() + ": memcached: "},
		{"a server that is no memcached", "-store memcached://" + web.Listener.Addr().String(), 1, "not how memcached begins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			began := time.Now()
			exit := run(t.Context(), strings.Fields(c.args), &stdout, &stderr)
			if exit != c.exit || !strings.Contains(stderr.String(), c.said) {
				t.Errorf("got exit status %d and %q, want %d and %q", exit, stderr.String(), c.exit, c.said)
			}
			if out := stderr.String(); strings.Contains(out, "secret") || strings.Contains(out, "goroutine") || strings.Count(out, "\n") > 2 {
				t.Errorf("got %q, want two lines at most, without the password", out)
			}
			if (exit == 0) != (stdout.Len() > 0) {
				t.Errorf("got %q on standard output", stdout.String())
			}
			if d := time.Since(began); d > patienceAtStart+30*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func TestTheShopOpensAndCloses(t *testing.T) {
	s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-no-backup", "-idle", "1m", "-lifetime", "1h")
	if want := fmt.Sprintf("The shop is open: %s (store memory:)\n", s.url); s.line != want {
		t.Errorf("got %q, want %q", s.line, want)
	}
	answer := s.get(t, "/user", http.StatusOK)
	if c := answer.Header.Get("Set-Cookie"); !strings.HasPrefix(c, "session=") || strings.Contains(c, "Secure") {
		t.Errorf("got the cookie %q, want session without Secure", c)
	}
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
	if s.stderr.Len() > 0 {
		t.Errorf("it said: %s", s.stderr.String())
	}
}

func TestTheShopSaysWhatToTry(t *testing.T) {
	for _, test := range []struct {
		buttons, backup bool
		want            string
	}{
		{true, true, "Then bring the store back, log in, and see what is in it.\n"},
		{true, false, "see what visitors are told without a backup. Then bring it back.\n"},
		{false, true, ""},
	} {
		if got := steps(test.buttons, test.backup); !strings.HasSuffix(got, test.want) || (test.want == "") != (got == "") {
			t.Errorf("steps(%t, %t) = %q, want the end %q", test.buttons, test.backup, got, test.want)
		}
	}
}

func TestTheShopOutlivesItsRedis(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "sesame")
	s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-no-backup", "-store", redis.URL()+"/3")
	if want := fmt.Sprintf("(store redis://%s/3)\n", redis.Addr()); !strings.HasSuffix(s.line, want) {
		t.Errorf("got %q, want the end %q", s.line, want)
	}
	s.eventually(t, "/user", http.StatusOK)
	s.eventually(t, "/user/readonly", http.StatusOK)
	redis.Freeze()
	for range 3 {
		if a := s.get(t, "/user/readonly", http.StatusServiceUnavailable); a.Header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
	}
	s.get(t, "/food", http.StatusOK)
	s.get(t, "/status", http.StatusOK)
	redis.Thaw()
	s.eventually(t, "/user/readonly", http.StatusOK)
	redis.Kill()
	s.eventually(t, "/user/readonly", http.StatusServiceUnavailable)
	s.get(t, "/food", http.StatusOK)
	redis.Restart() // empty: without a backup the session is gone, and a new one works
	s.eventually(t, "/user/readonly", http.StatusForbidden)
	s.eventually(t, "/user", http.StatusOK)
	s.eventually(t, "/user/readonly", http.StatusOK)
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
	if said := s.stderr.String(); strings.Contains(said, "sesame") || !strings.Contains(said, "session store is away") {
		t.Errorf("got the log %s, want the failure and no password", said)
	}
}

// process is the shop as run runs it.
type process struct {
	url, line string       // the first of what it says when it opens
	opened    string       // all of it
	stderr    bytes.Buffer // to be read once it is stopped
	client    *http.Client
	cancel    context.CancelFunc
	exit      chan int
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cancel: cancel, exit: make(chan int, 1), client: &http.Client{Jar: jar, Timeout: 20 * time.Second}}
	t.Cleanup(p.client.CloseIdleConnections)
	out, in := io.Pipe()
	go func() {
		p.exit <- run(ctx, args, in, &p.stderr)
		in.Close()
	}()
	opened := bufio.NewReader(out)
	p.line, err = opened.ReadString('\n')
	if err != nil {
		t.Fatalf("it ended with %d: %s", <-p.exit, p.stderr.String())
	}
	rest, _ := opened.Peek(opened.Buffered())
	p.opened = p.line + string(rest)
	p.url = regexp.MustCompile(`http://[^ ]+`).FindString(p.line)
	return p
}

func (p *process) stop(t *testing.T) int {
	t.Helper()
	p.client.CloseIdleConnections()
	p.cancel()
	select {
	case exit := <-p.exit:
		return exit
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
		return 0
	}
}

func (p *process) get(t *testing.T, path string, want int) *http.Response {
	t.Helper()
	answer, err := p.client.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	if want != 0 && answer.StatusCode != want {
		t.Fatalf("%s: got status %d, want %d", path, answer.StatusCode, want)
	}
	return answer
}

func (p *process) eventually(t *testing.T, path string, want int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); p.get(t, path, 0).StatusCode != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.get(t, path, want)
		}
	}
}

// nowhere returns an address where no server is.
func nowhere(t *testing.T) string {
	t.Helper()
	p, err := ownport.Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p.Addr()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
