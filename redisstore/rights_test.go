package redisstore_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// needed is what a store needs, without a cache and without the probe's INFO.
const needed = "+get +set +del +exists +getrange +evalsha +eval +scan +hello"

// userURL makes a user with these rights on a store's keys.
func userURL(srv *redistest.Server, rights string) string {
	srv.Command(strings.Fields("ACL SETUSER app reset on >secret ~session:* " + rights)...)
	return "redis://app:secret@" + srv.Addr()
}

// logTo makes a store log into a text.
func logTo(said *printed.Text) redisstore.Option {
	return redisstore.Log(slog.New(slog.NewTextHandler(said, nil)))
}

func TestWithoutTheCacheNobodyIsAskedForItsRights(t *testing.T) {
	srv := redistest.Start(t)
	url := userURL(srv, needed)
	var said printed.Text
	s := redisstore.New(newClient(t, url), logTo(&said))
	v := mustSave(t, s, "x", record("a"), session.Absent)
	mustSave(t, s, "x", record("b"), v)
	if got := string(mustLoad(t, s, "x").Data); got != "b" {
		t.Errorf("got %q, want b", got)
	}
	if denied := srv.Command("ACL", "LOG"); strings.Contains(denied, "setinfo") || strings.Contains(denied, "tracking") {
		t.Errorf("the client tried what it has no right to: %s", denied)
	}

	// With the cache it is an error that names the command.
	o, err := redisstore.ClientOption(url, redisstore.ClientCache(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if client, err := rueidis.NewClient(o); err == nil {
		client.Close()
		t.Error("a client with a cache has connected without CLIENT TRACKING")
	} else if !strings.Contains(err.Error(), "tracking") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error that names the command and no password", err)
	}
	if _, err := redisstore.ClientOption(url+"?client_cache=0", redisstore.ClientCache(time.Minute)); err == nil || !strings.Contains(err.Error(), "client_cache=0") {
		t.Errorf("got %v, want an error: the URL and the option contradict each other", err)
	}
}

func TestACacheThatTheClientDoesNotHaveIsTold(t *testing.T) {
	srv := redistest.Start(t)
	for name, change := range map[string]func(*rueidis.ClientOption){
		"a client without":  func(o *rueidis.ClientOption) { o.DisableCache = true },
		"a client with one": withCache,
	} {
		var said printed.Text
		s := redisstore.New(newClient(t, srv.URL(), change), redisstore.ClientCache(time.Minute), redisstore.Prefix(name), logTo(&said))
		mustSave(t, redisstore.New(newClient(t, srv.URL()), redisstore.Prefix(name)), "x", record("a"), session.Absent)
		for range 5 {
			mustLoad(t, s, "x")
		}
		got := strings.Count(strings.Join(said.Lines(), "\n"), "ClientCache has no effect")
		want := 0
		if name == "a client without" {
			want = 1
		}
		if got != want {
			t.Errorf("%s: got %d lines %q, want %d", name, got, said.Lines(), want)
		}
	}
}

// A loss of memory must be told where INFO is refused, ends the connection, or
// names no run_id.
func TestALossOfMemoryIsNoticedWithoutARunID(t *testing.T) {
	tests := []struct {
		is   string
		url  func(t *testing.T, srv *redistest.Server) (url string, again func())
		told string
	}{
		{"INFO is refused", func(_ *testing.T, srv *redistest.Server) (string, func()) {
			return userURL(srv, needed), func() { userURL(srv, needed) }
		}, "INFO"},
		{"INFO is unknown", func(t *testing.T, srv *redistest.Server) (string, func()) {
			return middle(t, srv, func(reply []byte) []byte { return reply }, func(command []byte) []byte {
				return bytes.ReplaceAll(command, []byte("\r\nINFO\r\n"), []byte("\r\nOFNI\r\n"))
			}), func() {}
		}, "unknown command"},
		{"INFO ends the connection", func(t *testing.T, srv *redistest.Server) (string, func()) {
			return middle(t, srv, func(reply []byte) []byte { return reply }, func(command []byte) []byte {
				if bytes.Contains(command, []byte("\r\nINFO\r\n")) {
					return nil
				}
				return command
			}), func() {}
		}, "ends the connection"},
		{"INFO has no run_id", func(t *testing.T, srv *redistest.Server) (string, func()) {
			return middle(t, srv, func(reply []byte) []byte {
				return bytes.ReplaceAll(reply, []byte("\nrun_id:"), []byte("\nxxx_id:"))
			}, func(command []byte) []byte { return command }), func() {}
		}, "run_id"},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			t.Parallel()
			srv := redistest.Start(t)
			url, again := tt.url(t, srv)
			var said printed.Text
			s := redisstore.New(newClient(t, url), logTo(&said))
			shard := s.Shard("x")
			var before string
			answers := func(what string) {
				t.Helper()
				eventually(t, what, func() (ok bool) {
					var err error
					before, err = s.Probe(within(t, patience), shard)
					return err == nil
				})
			}
			answers("an incarnation")
			if before == "" || before == "/" {
				t.Fatalf("got %q, which says nothing", before)
			}
			mustSave(t, s, "x", record("a"), session.Absent)
			for range 5 {
				if now, err := s.Probe(within(t, patience), shard); err != nil || now != before {
					t.Fatalf("got %q, %v after %q, want no change", now, err, before)
				}
			}
			if got := list(t, s); len(got) != 1 || got[0] != "x" {
				t.Errorf("List: got %v, want the session alone", got)
			}
			was := before

			srv.Kill()
			for range 3 {
				if now, err := s.Probe(within(t, time.Second), shard); err == nil {
					t.Fatalf("a killed server: got %q, want an error", now)
				}
			}
			srv.Restart()
			again()
			answers("an answer after the restart")
			if before == was {
				t.Errorf("got %q before and after a restart that lost everything", was)
			}
			if got := said.Lines(); len(got) != 1 || !strings.Contains(got[0], tt.told) {
				t.Errorf("got the log %q, want one line with %q", got, tt.told)
			}
			asks := strings.Contains(strings.Join(said.Lines(), ""), "+info")
			if refused := tt.is == "INFO is refused"; asks != refused {
				t.Errorf("the log asks for a right: %v, want %v: %q", asks, refused, said.Lines())
			}
		})
	}
}

func TestARefusedCommandIsNamedWithItsRight(t *testing.T) {
	srv := redistest.Start(t)
	for command, right := range map[string]string{
		"evalsha": "+evalsha", "set": "+set", "get": "+get", "keys": "~session:*",
		"getrange": "+getrange", "eval": "+eval", "del": "+del", "exists": "+exists",
	} {
		rights := strings.ReplaceAll(needed+" +info ", "+"+command+" ", " ")
		if command == "keys" {
			rights = "resetkeys ~other:* " + rights
		}
		s := redisstore.New(newClient(t, userURL(srv, rights)))
		var err error
		switch command {
		case "getrange", "eval":
			srv.Command("SCRIPT", "FLUSH")
			_, err = s.Save(t.Context(), "x", record("tell nobody"), session.Version{1})
		case "del":
			_, err = s.Save(t.Context(), "x", expired(), session.Any)
		case "exists":
			_, err = s.Save(t.Context(), "x", expired(), session.Absent)
		case "evalsha":
			_, err = s.Save(t.Context(), "x", record("tell nobody"), session.Version{1})
		case "set", "keys":
			_, err = s.Save(t.Context(), "x", record("tell nobody"), session.Absent)
		case "get":
			_, err = s.Load(t.Context(), "x")
		}
		reply := new(rueidis.RedisError)
		if err == nil || !strings.Contains(err.Error(), right) || !errors.As(err, &reply) {
			t.Errorf("%s: got %v, want an error of Redis that names %s", command, err, right)
		}
	}
}

// Only a list needs SCAN.
func TestAListThatIsRefusedIsAnError(t *testing.T) {
	s := redisstore.New(newClient(t, userURL(redistest.Start(t), strings.ReplaceAll(needed, "+scan ", ""))))
	v := mustSave(t, s, "x", record("a"), session.Absent)
	mustSave(t, s, "x", record("b"), v)
	mustLoad(t, s, "x")
	yielded := 0
	for id, err := range s.List(t.Context()) {
		yielded++
		if id != "" || err == nil || !strings.Contains(err.Error(), "+scan") {
			t.Errorf("a list yields %q, %v, want an error that names +scan", id, err)
		}
	}
	if yielded != 1 {
		t.Errorf("a list yields %d times, want the error once", yielded)
	}
}

// Redis 7.0 names the script whose command is refused, and its line.
func TestACommandThatIsRefusedInsideAScriptIsNamed(t *testing.T) {
	srv := redistest.Start(t)
	for _, c := range []struct {
		command string
		raw     bool
		ends    bool // the session
	}{
		{"getrange", false, false}, {"set", false, false}, {"del", false, true},
		{"get", true, false}, {"set", true, false}, {"del", true, true},
	} {
		options := []redisstore.Option{redisstore.Prefix("session:" + t.Name())}
		if c.raw {
			options = append(options, redisstore.Raw())
		}
		v := mustSave(t, redisstore.New(newClient(t, srv.URL()), options...), "x", record("tell nobody"), session.Any)
		rights := strings.ReplaceAll(needed+" ", "+"+c.command+" ", "")
		next := record("tell them neither")
		if c.ends {
			next = expired()
		}
		_, err := redisstore.New(newClient(t, userURL(srv, rights)), options...).Save(t.Context(), "x", next, v)
		if err == nil || !strings.Contains(err.Error(), strings.ToUpper(c.command)+"; give it the right +"+c.command) {
			t.Errorf("%+v: got %v, want an error that names the right", c, err)
		}
	}
}

func expired() session.Record { return session.Record{Expires: time.Now().Add(-time.Second)} }

// Redis quotes the arguments of a command that it does not know.
func TestAnErrorNeverShowsASession(t *testing.T) {
	srv := redistest.Start(t, "--rename-command", "SET", "", "--rename-command", "EVALSHA", "")
	s := newStore(t, srv)
	for command, over := range map[string]session.Version{"SET": session.Absent, "EVALSHA": {1}} {
		_, err := s.Save(t.Context(), "x", record("tell nobody"), over)
		if err == nil || !strings.Contains(err.Error(), command) {
			t.Errorf("got %v, want an error that names %s", err, command)
		} else if strings.Contains(err.Error(), "tell nobody") {
			t.Errorf("the error shows the session: %v", err)
		}
	}
}

// middle is a proxy that changes what passes, and hangs up where a command
// becomes nothing. It returns its URL.
func middle(t *testing.T, srv *redistest.Server, reply, command func([]byte) []byte) string {
	t.Helper()
	return "redis://" + relay.Relay{Up: command, Down: reply}.Start(t, srv.Addr())
}
