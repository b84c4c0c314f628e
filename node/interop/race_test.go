package interop_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/node/connectmemcached"
	"github.com/holdfast-go/session/seal"
)

func backup(t testing.TB) func(*session.Options) {
	t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	keys, err := seal.ParseKeys(base64.StdEncoding.EncodeToString(secret))
	if err != nil {
		t.Fatal(err)
	}
	return func(o *session.Options) { o.Backup = &session.Backup{Keys: keys, Audience: "shop-test"} }
}

// sides are an Express application and a Go program on one store.
type sides struct {
	node, control, goSide string
	manager               *session.Manager
}

func onRedis(t testing.TB, change func(*session.Options), args ...string) (sides, *redistest.Server) {
	t.Helper()
	srv := redistest.Start(t, args...)
	urls := startNode(t, "server.js", nodeConfig{Redis: srv.Addr(), Secrets: []string{"keyboard cat"}, Session: hour})
	g := startGo(t, redisStore(t, srv.URL()), profile(t, oneHour, "keyboard cat"), change)
	return sides{urls[0], urls[1], g.url, g.manager}, srv
}

func onMemcached(t testing.TB, change func(*session.Options), client map[string]any) (sides, *memcachedtest.Server) {
	t.Helper()
	srv := memcachedtest.Start(t)
	config := nodeConfig{Memcached: []string{srv.Addr}, Secrets: []string{"keyboard cat"}, Session: hour, Client: client}
	urls := startNode(t, "server.js", config)
	p := profile(t, oneHour, "keyboard cat")
	g := startGo(t, memcachedStore(t, p, connectmemcached.Options{}, srv.Addr), p, change)
	return sides{urls[0], urls[1], g.url, g.manager}, srv
}

// twin returns a visitor with the same cookies, who keeps them whatever the
// first one is told: a copied cookie, or a request that is on its way.
func (v *visitor) twin(at string) *visitor {
	v.t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		v.t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	jar.SetCookies(u, v.client.Jar.Cookies(u))
	return &visitor{v.t, http.Client{Jar: jar, Timeout: patience, Transport: new(http.Transport)}}
}

// slowly begins a request that has its session already and goes on when it is
// told to.
func (s sides) slowly(t testing.TB, v *visitor, path string, body any) (finish func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		status, text, err := v.twin(s.node).try(http.MethodPost, s.node+path, body)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", status, text)
		}
		done <- err
	}()
	eventually(t, "a request that waits", func() bool { return text(t, s.control+"/waiting") == "1" })
	return func() {
		t.Helper()
		text(t, s.control+"/go")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func field(a answer, name string) string { return string(a.Fields[name]) }

func TestASlowNodeRequestUndoesNothingForAVisitorWithABackup(t *testing.T) {
	redis, _ := onRedis(t, backup(t))
	memcached, _ := onMemcached(t, backup(t), nil)
	for _, test := range []struct {
		name, path string
		s          sides
		want       string
	}{
		{"a write over Redis", "/slow", redis, `"late"`},
		{"a write over memcached", "/slow", memcached, `"late"`},
		{"a read over memcached, which writes", "/slowread", memcached, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, v := test.s, newVisitor(t)
			v.post(s.node+"/set", map[string]any{"user": "bob"})
			before := s.manager.Stats().Refreshes
			v.get(s.goSide + "/read") // puts the mark in, when it is answered
			eventually(t, "a marked session", func() bool { return s.manager.Stats().Refreshes > before })
			finish := s.slowly(t, v, test.path, map[string]any{"flag": "late"})
			v.post(s.goSide+"/set", map[string]any{"cart": 1})
			finish()
			if got := field(v.get(s.node+"/read"), "cart"); got != "" {
				t.Fatalf("got %s: Node has not lost the write, and this test shows nothing", got)
			}
			if a := v.get(s.goSide + "/read"); field(a, "cart") != "1" || field(a, "flag") != test.want {
				t.Errorf("Go: got cart %s and flag %s, want 1 and %s", field(a, "cart"), field(a, "flag"), test.want)
			}
			if a := v.get(s.node + "/read"); field(a, "cart") != "1" || field(a, "flag") != test.want {
				t.Errorf("Node, afterwards: got cart %s and flag %s, want 1 and %s", field(a, "cart"), field(a, "flag"), test.want)
			}
		})
	}
}

// Over Redis a Node request that only reads leaves the session as it is, and so
// nothing of what Go counts is lost.
func TestGoCountsRightWhileNodeReads(t *testing.T) {
	s, _ := onRedis(t, nil)
	v := newVisitor(t)
	v.post(s.node+"/set", map[string]any{"user": "bob"})
	const each, goroutines = 20, 8
	var all sync.WaitGroup
	for i := range 2 * goroutines {
		twin := v.twin(s.node)
		all.Go(func() {
			for range each {
				method, url := http.MethodPost, s.goSide+"/count"
				if i%2 == 0 {
					method, url = http.MethodGet, s.node+"/read"
				}
				if status, text, err := twin.try(method, url, nil); err != nil || status != http.StatusOK {
					t.Errorf("%s: %d %s %v", url, status, text, err)
				}
			}
		})
	}
	all.Wait()
	if got := field(v.get(s.node+"/read"), "visits"); got != strconv.Itoa(each*goroutines) {
		t.Errorf("got %s, want %d", got, each*goroutines)
	}
}

// Node saves what it has read before the logout, and so the session is back. The
// Go side remembers.
func TestALogoutThatASlowNodeRequestUndoesIsDoneAgain(t *testing.T) {
	redis, _ := onRedis(t, backup(t))
	memcached, _ := onMemcached(t, backup(t), nil)
	for _, test := range []struct {
		name, path string
		s          sides
	}{
		{"by a write over Redis", "/slow", redis},
		{"by a write over memcached", "/slow", memcached},
		{"by a read over memcached, which writes", "/slowread", memcached},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, v := test.s, newVisitor(t)
			id := v.post(s.node+"/set", map[string]any{"user": "bob"}).ID
			v.get(s.goSide + "/read")
			finish := s.slowly(t, v, test.path, map[string]any{"flag": "late"})
			copied := v.twin(s.node)
			v.post(s.goSide+"/destroy", nil)
			finish()
			if a := copied.twin(s.node).get(s.node + "/read"); a.ID != id {
				t.Fatalf("got %s: Node has not brought the session back, and this test shows nothing", a.ID)
			}
			if a := copied.twin(s.node).get(s.goSide + "/read"); a.ID != "" || len(a.Fields) > 0 {
				t.Errorf("Go: got %v, want no session", a)
			}
			// The tombstone is written again in the background. Over memcached each request to Node
			// saves what it has read, so one that read just before brings the session back again,
			// until the Go side is asked again.
			a := copied.twin(s.node).get(s.node + "/read")
			for end := time.Now().Add(timeleft.Within(t, timeleft.Patience)); a.ID == id && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
				copied.twin(s.node).get(s.goSide + "/read")
				a = copied.twin(s.node).get(s.node + "/read")
			}
			if a.ID == id || len(a.Fields) > 0 {
				t.Errorf("Node, afterwards: got %v, want another session", a)
			}
		})
	}
}

func TestNodeTakesATombstoneForNoSession(t *testing.T) {
	redis, _ := onRedis(t, nil)
	memcached, _ := onMemcached(t, nil, nil)
	for name, s := range map[string]sides{"redis": redis, "memcached": memcached} {
		t.Run(name, func(t *testing.T) {
			v := newVisitor(t)
			id := v.post(s.goSide+"/set", map[string]any{"user": "bob"}).ID
			copied := v.twin(s.node)
			finish := s.slowly(t, v, "/slowread", nil)
			v.post(s.goSide+"/destroy", nil)
			if s == redis {
				finish() // EXPIRE of the tombstone
			} else {
				defer finish()
			}
			for _, path := range []string{"/read", "/ping", "/read"} {
				status, _, err := copied.twin(s.node).try(http.MethodGet, s.node+path, nil)
				if err != nil || status != http.StatusOK {
					t.Fatalf("%s: got %d, %v", path, status, err)
				}
			}
			if a := copied.twin(s.node).get(s.node + "/read"); a.ID == id || len(a.Fields) > 0 {
				t.Errorf("Node: got %v, want another session", a)
			}
			if a := copied.twin(s.node).get(s.goSide + "/read"); a.ID != "" {
				t.Errorf("Go: got %v, want no session", a)
			}
			// A login under the dead cookie begins another session.
			if a := copied.post(s.node+"/set", map[string]any{"user": "eve"}); a.ID == id {
				t.Errorf("got the dead session's id again")
			}
			if a := copied.get(s.goSide + "/read"); field(a, "user") != `"eve"` {
				t.Errorf("Go: got %v, want eve", a)
			}
		})
	}
}

// What docs/FROM-NODE.md says of it.
func TestNodesListOfAllSessionsBreaksWhileThereIsATombstone(t *testing.T) {
	s, _ := onRedis(t, nil)
	v := newVisitor(t)
	v.post(s.goSide+"/set", map[string]any{"user": "bob"})
	if got := text(t, s.control+"/all"); got != "1" {
		t.Errorf("got %s, want 1", got)
	}
	v.post(s.goSide+"/destroy", nil)
	if got := text(t, s.control+"/all"); !strings.HasPrefix(got, "error:") {
		t.Errorf("got %s, want an error: then the page can be friendlier", got)
	}
}

func TestExpiriesAgree(t *testing.T) {
	s, srv := onRedis(t, nil)
	v := newVisitor(t)
	id := v.post(s.goSide+"/set", map[string]any{"user": "bob"}).ID
	ttl := func() time.Duration {
		seconds, err := strconv.Atoi(srv.Command("TTL", "sess:"+id))
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(seconds) * time.Second
	}
	near := func(what string, want time.Duration) {
		t.Helper()
		got := ttl()
		if got < want-time.Minute || got > want+want/10+time.Minute { // it may have been a while since
			t.Errorf("%s: got %v, want %v and up to a tenth more", what, got, want)
		}
	}
	near("made in Go", time.Hour)
	v.get(s.node + "/read")
	near("touched in Node", time.Hour)
	v.post(s.goSide+"/maxage", map[string]any{"ms": 30 * 24 * 3600 * 1000})
	near("remembered by Go", 30*24*time.Hour)
	v.get(s.node + "/read")
	near("and touched in Node", 30*24*time.Hour)
	v.post(s.goSide+"/set", map[string]any{"cart": 1})
	near("and saved by Go", 30*24*time.Hour)
	v.post(s.node+"/maxage", map[string]any{"ms": 600 * 1000})
	near("shortened by Node", 10*time.Minute)
	v.post(s.goSide+"/set", map[string]any{"cart": 2})
	if got := ttl(); got > 20*time.Minute {
		t.Errorf("and saved by Go: got %v, want some ten minutes", got)
	}
}
