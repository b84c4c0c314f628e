package redisstore_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

// An error that a busy server gives to every command is no refusal of INFO. The incarnation
// stays the same; else a store that has lost nothing would count as emptied.
func TestABusyServerHasNotRefusedINFO(t *testing.T) {
	srv := redistest.Start(t)
	p := startProxy(t, srv)
	var said printed.Text
	s := redisstore.New(newClient(t, p.url()), logTo(&said))
	before, err := s.Probe(within(t, patience), s.Shard("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, reply := range []string{
		"-ERR max number of clients reached", "-LOADING Redis is loading the dataset in memory",
		"-BUSY Redis is busy running a script.", "-MASTERDOWN Link with MASTER is down",
		"-NOAUTH Authentication required.", "-WRONGPASS invalid username-password pair",
		"-CLUSTERDOWN The cluster is down", "-MOVED 1 127.0.0.1:1", "-EXECABORT Transaction discarded",
		"-ERR upstream failure", "-ERR Server is shutting down",
	} {
		p.answer("INFO", reply+"\r\n")
		now, err := s.Probe(within(t, patience), s.Shard("x"))
		if err == nil && now != before {
			t.Errorf("%s: got %q, want an error or %q", reply, now, before)
		}
		p.answer("INFO", "")
		if now, err := s.Probe(within(t, patience), s.Shard("x")); err != nil || now != before {
			t.Errorf("after %s: got %q, %v, want %q", reply, now, err, before)
		}
	}
	if got := strings.Join(said.Lines(), ""); got != "" {
		t.Errorf("got the log %q, want none", got)
	}
}

// A server that has no connection to spare says so in place of its first answer.
func TestAServerWithTooManyClientsIsAPlainError(t *testing.T) {
	srv := redistest.Start(t)
	var said printed.Text
	s := redisstore.New(newClient(t, srv.URL()), logTo(&said))
	mustSave(t, s, "x", record("a"), session.Absent)
	shard := s.Shard("x")
	before, err := s.Probe(within(t, patience), shard)
	if err != nil {
		t.Fatal(err)
	}
	full, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	reader := bufio.NewReader(full)
	ask := func(command string) {
		t.Helper()
		if _, err := io.WriteString(full, command+"\r\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := reader.ReadString('\n'); err != nil || line[0] == '-' {
			t.Fatalf("%s: %q, %v", command, line, err)
		}
	}
	ask("CONFIG SET maxclients 1")
	ask("CLIENT KILL TYPE normal SKIPME yes")
	for range 3 {
		_, loadErr := s.Load(within(t, patience), "x")
		_, saveErr := s.Save(within(t, patience), "x", record("b"), session.Any)
		_, probeErr := s.Probe(within(t, patience), shard)
		for _, err := range []error{loadErr, saveErr, probeErr} {
			plain := err != nil && !errors.Is(err, session.ErrNotFound) && !errors.Is(err, session.ErrConflict) && !errors.Is(err, errDeadline)
			if !plain {
				t.Errorf("got %v, want a plain error, at once", err)
			}
		}
		if loadErr != nil && !strings.Contains(loadErr.Error(), "max number of clients") {
			t.Errorf("got %v, want an error that tells of the clients", loadErr)
		}
	}
	ask("CONFIG SET maxclients 100")
	eventually(t, "the same record again", func() bool {
		r, err := s.Load(within(t, patience), "x")
		return err == nil && string(r.Data) == "a"
	})
	if now, err := s.Probe(within(t, patience), shard); err != nil || now != before {
		t.Errorf("got %q, %v, want %q", now, err, before)
	}
	if got := strings.Join(said.Lines(), ""); got != "" {
		t.Errorf("got the log %q, want none", got)
	}
}

// A proxy refuses INFO in words of its own.
func TestINFOThatIsRefusedInOtherWordsIsDoneWithout(t *testing.T) {
	srv := redistest.Start(t)
	p := startProxy(t, srv)
	p.answer("INFO", "-ERR command 'INFO' is not allowed\r\n")
	var said printed.Text
	s := redisstore.New(newClient(t, p.url()), logTo(&said))
	for i := range 5 {
		incarnation, err := s.Probe(within(t, patience), s.Shard("x"))
		if want := i >= 2; (err == nil && incarnation != "") != want {
			t.Errorf("probe %d: got %q, %v, want an incarnation: %v", i, incarnation, err, want)
		}
	}
	if got := said.Lines(); len(got) != 1 {
		t.Errorf("got the log %q, want one line", got)
	}
}
