//go:build unix

// Package etcdtest runs the real etcd for tests.
package etcdtest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/etcd"
	"github.com/holdfast-go/session/internal/test/daemon"
)

// Server is an etcd of one member.
type Server struct {
	*daemon.Server
	Client *etcd.Client
	t      testing.TB
}

// Start runs etcd with args besides the usual ones until the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	d := daemon.Start(t, daemon.Program{
		Command: "etcd",
		Install: "apt-get install etcd-server",
		Ports:   2,
		Args: func(ports []int) []string {
			client, peer := address(ports[0]), address(ports[1])
			return append([]string{
				// The folder is of these ports: etcd remembers its own address.
				"--data-dir", fmt.Sprintf("%s/%d", dir, ports[0]), "--name", "one", "--log-level", "error", "--unsafe-no-fsync",
				"--listen-client-urls", client, "--advertise-client-urls", client,
				"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one=" + peer,
			}, args...)
		},
		Answers: func(ports []int, _ int) bool {
			c, err := etcd.New(etcd.Options{Endpoints: []string{address(ports[0])}})
			if err != nil {
				return false
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err = c.Get(ctx, "ready")
			return err == nil
		},
	})
	s := &Server{Server: d, t: t}
	c, err := etcd.New(etcd.Options{Endpoints: []string{s.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s.Client = c
	return s
}

func address(port int) string { return "http://" + daemon.Addr(port) }

// URL is the server's endpoint.
func (s *Server) URL() string { return address(s.Ports[0]) }

// Get returns the value of a key, and false where it does not stand.
func (s *Server) Get(key string) (string, bool) {
	s.t.Helper()
	kv := s.find(key)
	return string(kv.Value), kv.Revision != 0
}

func (s *Server) find(key string) etcd.KeyValue {
	s.t.Helper()
	r, err := s.Client.Get(s.soon(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(r.Keys) == 0 {
		return etcd.KeyValue{}
	}
	return r.Keys[0]
}

// Put sets a key, whatever stands there.
func (s *Server) Put(key, value string) {
	s.t.Helper()
	done, err := s.Client.Put(s.soon(), key, []byte(value), s.find(key).Revision)
	if err != nil || !done {
		s.t.Fatalf("etcdtest: put %s: %v, %v", key, done, err)
	}
}

// Delete removes a key.
func (s *Server) Delete(key string) {
	s.t.Helper()
	done, err := s.Client.Delete(s.soon(), key, s.find(key).Revision)
	if err != nil || !done {
		s.t.Fatalf("etcdtest: delete %s: %v, %v", key, done, err)
	}
}

// Compact forgets all revisions but the present one.
func (s *Server) Compact() {
	s.t.Helper()
	r, err := s.Client.Get(s.soon(), "any")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Client.Compact(s.soon(), r.Header.Revision); err != nil {
		s.t.Fatal(err)
	}
}

// soon is a context with the time that a healthy server needs, on a slow machine too.
func (s *Server) soon() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	s.t.Cleanup(cancel)
	return ctx
}

// EnableUsers makes a user with all rights, and has etcd ask every call for a user
// from now on. Client gives no user.
func (s *Server) EnableUsers(name, password string) {
	s.t.Helper()
	steps := []struct{ path, body string }{
		{"/v3/auth/user/add", `{"name":"root","password":"root"}`},
		{"/v3/auth/role/add", `{"name":"root"}`},
		{"/v3/auth/user/grant", `{"user":"root","role":"root"}`},
		{"/v3/auth/user/add", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password)},
		{"/v3/auth/user/grant", fmt.Sprintf(`{"user":%q,"role":"root"}`, name)},
		{"/v3/auth/enable", `{}`},
	}
	for _, step := range steps {
		answer, err := http.Post(s.URL()+step.path, "application/json", strings.NewReader(step.body))
		if err != nil {
			s.t.Fatal(err)
		}
		said, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			s.t.Fatalf("etcdtest: %s: %s", step.path, said)
		}
	}
}
