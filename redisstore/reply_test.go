package redisstore_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// refusing is a Redis that answers every command with one error, once the
// client is connected.
type refusing struct {
	net.Listener
	reply string

	mu       sync.Mutex
	commands []string
}

func refuse(t *testing.T, reply string) *refusing {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &refusing{Listener: l, reply: reply}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	return r
}

func (s *refusing) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	number := func() int { // of "*2" or "$3"
		line, _ := r.ReadString('\n')
		n, _ := strconv.Atoi(strings.Trim(line, "*$\r\n"))
		return n
	}
	for {
		args := make([]string, number())
		for i := range args {
			b := make([]byte, number()+2)
			if _, err := io.ReadFull(r, b); err != nil {
				return
			}
			args[i] = string(b[:len(b)-2])
		}
		if len(args) == 0 {
			return
		}
		switch args[0] {
		case "HELLO":
			io.WriteString(conn, "%2\r\n+proto\r\n:3\r\n+version\r\n+7.0.0\r\n")
		case "CLIENT", "PING":
			io.WriteString(conn, "+OK\r\n")
		default:
			s.mu.Lock()
			s.commands = append(s.commands, args[0])
			s.mu.Unlock()
			io.WriteString(conn, "-"+s.reply+"\r\n")
		}
	}
}

// Whatever a server that does not serve says: it is an error, no answer about
// the session, and nothing is sent twice.
func TestAServerThatRefusesIsAPlainErrorAtOnce(t *testing.T) {
	for _, reply := range []string{
		"LOADING Redis is loading the dataset in memory",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"READONLY You can't write against a read only replica.",
		"CLUSTERDOWN The cluster is down",
		"TRYAGAIN Multiple keys request during rehashing of slot",
		"NOREPLICAS Not enough good replicas to write.",
		"MISCONF Redis is configured to save RDB snapshots",
		"NOPERM this user has no permissions",
		"BUSY Redis is busy running a script.",
		"OOM command not allowed when used memory > 'maxmemory'.",
	} {
		t.Run(reply, func(t *testing.T) {
			srv := refuse(t, reply)
			client := newClient(t, "redis://"+srv.Addr().String(), func(o *rueidis.ClientOption) {
				o.ForceSingleClient = true
				o.DisableRetry = false // the store does not count on it
			})
			s := redisstore.New(client)
			_, loadErr := s.Load(within(t, patience), "x")
			errs := []error{loadErr}
			for _, over := range []session.Version{session.Any, session.Absent, {1}} {
				_, err := s.Save(within(t, patience), "x", record("a"), over)
				errs = append(errs, err)
			}
			for _, err := range s.List(within(t, patience)) {
				errs = append(errs, err)
			}
			for _, err := range errs {
				if err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrTooLarge) || errors.Is(err, errDeadline) {
					t.Errorf("got %v, want a plain error, at once", err)
				}
			}
			srv.mu.Lock()
			defer srv.mu.Unlock()
			want := []string{"GET", "SET", "SET", "EVALSHA", "SCAN"}
			if strings.HasPrefix(reply, "READONLY") { // each write once more, over a new connection
				want = []string{"GET", "SET", "SET", "SET", "SET", "EVALSHA", "EVALSHA", "SCAN"}
			}
			if !slices.Equal(srv.commands, want) {
				t.Errorf("commands: got %v, want %v", srv.commands, want)
			}
		})
	}
}
