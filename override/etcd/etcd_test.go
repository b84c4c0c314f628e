//go:build unix

package etcd_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/etcdtest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/sourcetest"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/etcd"
)

var backupOnly = session.Override{Mode: session.BackupOnly}

func newSource(t *testing.T, o *etcd.Options, key string, endpoints ...string) override.Source {
	t.Helper()
	s, err := etcd.New(endpoints, key, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func place(t *testing.T, server *etcdtest.Server) sourcetest.Place {
	return sourcetest.Place{
		Server: server.Server,
		New:    func(name string) override.Source { return newSource(t, nil, name, server.URL()) },
		Put:    server.Put,
		Delete: server.Delete,
	}
}

func TestAKeyOfEtcdIsASource(t *testing.T) {
	sourcetest.Run(t, place(t, etcdtest.Start(t)))
}

// An order replaces the order of another operator, and Remove deletes the key.
func TestAnOrderIsWritten(t *testing.T) {
	server := etcdtest.Start(t)
	s, err := etcd.New([]string{server.URL()}, "key", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Remove(t.Context()); err != nil {
		t.Errorf("where none stands: %v", err)
	}
	server.Put("key", "store-only")
	o := override.Order{Override: backupOnly, Until: time.Now().Add(time.Hour).UTC(), By: "ann: a new disk"}
	if err := s.Write(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	text, stands, err := s.Read(t.Context())
	if err != nil || !stands {
		t.Fatalf("got %v, %v", stands, err)
	}
	if got, err := override.Parse(text); err != nil || got != o {
		t.Errorf("got %+v, %v, want %+v", got, err, o)
	}
	if err := s.Write(t.Context(), override.Order{Until: time.Unix(1, 0)}); !errors.Is(err, override.ErrOrder) {
		t.Errorf("one that has ended: got %v, want ErrOrder", err)
	}
	if err := s.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, stands := server.Get("key"); stands {
		t.Errorf("%q stands still", text)
	}
}

// The revision at which the watch begins is compacted between the read and the watch.
func TestAWatchOnWhatIsCompactedBeginsAnew(t *testing.T) {
	server := etcdtest.Start(t)
	server.Put("key", "store-only")
	var once sync.Once
	late := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/watch") {
			once.Do(func() {
				server.Put("key", "auto")
				server.Put("key", "backup-only")
				server.Compact()
			})
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	p := place(t, server)
	p.New = func(name string) override.Source {
		return newSource(t, &etcd.Options{Client: late}, name, server.URL())
	}
	i := p.Follow(t, "key", "", sourcetest.OnlyWatches)
	i.Becomes("after a compaction", backupOnly)
	server.Put("key", "auto")
	i.Becomes("a change after that", session.Override{})
}

func TestAWatchThatComesTooLateSaysSo(t *testing.T) {
	server := etcdtest.Start(t)
	server.Put("key", "auto")
	server.Put("key", "store-only")
	server.Compact()
	err := server.Client.Watch(t.Context(), "key", 1, func() { t.Error("changed") })
	if err == nil || !strings.Contains(err.Error(), "compacted") {
		t.Errorf("got %v, want an error that says compacted", err)
	}
}

func TestAnotherMemberIsAskedWhereOneDoesNotAnswer(t *testing.T) {
	dead := etcdtest.Start(t)
	frozen := etcdtest.Start(t)
	well := etcdtest.Start(t)
	dead.Kill()
	frozen.Freeze()
	well.Put("key", "backup-only")
	s := newSource(t, nil, "key", dead.URL(), frozen.URL(), well.URL())
	defer s.Close()
	text, stands, err := s.Read(t.Context())
	if text != "backup-only" || !stands || err != nil {
		t.Errorf("got %q, %v, %v, want backup-only", text, stands, err)
	}
	well.Put("key", "auto")
	if err := s.Wait(t.Context()); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

// A connection may be dead without a sign: nothing comes, and nothing breaks.
func TestAChangeIsNoticedThoughTheWatchIsMute(t *testing.T) {
	server := etcdtest.Start(t)
	server.Put("key", "auto")
	line := relay.NewLine(t, strings.TrimPrefix(server.URL(), "http://"))
	watches := make(chan string, 10)
	direct := &http.Transport{}
	defer direct.CloseIdleConnections()
	slow := &http.Transport{DialContext: line.Dial}
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		if !strings.HasSuffix(r.URL.Path, "/watch") {
			return direct.RoundTrip(r)
		}
		watches <- r.URL.Path
		return slow.RoundTrip(r)
	})}
	p := place(t, server)
	p.New = func(name string) override.Source {
		return newSource(t, &etcd.Options{Client: client}, name, server.URL())
	}
	i := p.Follow(t, "key", "", sourcetest.Soon)
	opened(t, watches)
	line.Hold(relay.Down)
	server.Put("key", "backup-only")
	i.Becomes("mute", backupOnly)
	opened(t, watches) // the mute one is given up
	line.Release()
	server.Put("key", "auto")
	i.Becomes("another watch", session.Override{})
}

func opened(t *testing.T, watches <-chan string) {
	t.Helper()
	select {
	case <-watches:
	case <-time.After(time.Minute):
		t.Fatal("no watch is opened")
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnEtcdWithUsers(t *testing.T) {
	server := etcdtest.Start(t, "--auth-token-ttl", "1")
	server.Put("key", "backup-only")
	server.EnableUsers("alice", "secret")
	o := &etcd.Options{User: "alice", Password: "secret"}
	s := newSource(t, o, "key", server.URL())
	defer s.Close()
	for range 2 { // with a token that has expired the second time
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if text, _, err := s.Read(ctx); text != "backup-only" || err != nil {
			t.Errorf("got %q, %v, want backup-only", text, err)
		}
		time.Sleep(1500 * time.Millisecond) // longer than the token lives; a shorter time would make the test weaker only
	}
	for _, wrong := range []*etcd.Options{nil, {User: "alice", Password: "terces"}} {
		s := newSource(t, wrong, "key", server.URL())
		defer s.Close()
		if _, _, err := s.Read(t.Context()); err == nil || strings.Contains(err.Error(), "terces") {
			t.Errorf("%+v: got %v, want an error without the password", wrong, err)
		}
	}
}

func TestNewRefusesWhatCannotBeMeant(t *testing.T) {
	for _, tt := range []struct {
		is, key   string
		endpoints []string
	}{
		{"no key", "", []string{"http://a:2379"}},
		{"no endpoints", "key", nil},
		{"a host without a scheme", "key", []string{"a:2379"}},
		{"another scheme", "key", []string{"etcd://a:2379"}},
		{"a password", "key", []string{"http://alice:secret@a:2379"}},
		{"a path", "key", []string{"http://a:2379/v3"}},
	} {
		_, err := etcd.New(tt.endpoints, tt.key, nil)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error without the password", tt.is, err)
		}
	}
}
