//go:build unix

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
)

// good is a Redis as docs/STORES.md has it, but for its replicas.
var good = []string{"--maxmemory", "64mb", "--maxmemory-policy", "noeviction", "--appendonly", "yes", "--save", ""}

func examine(t *testing.T, o Options) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return Examine(ctx, o)
}

func (r *Report) has(check string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == check })
}

// finds fails t unless the report has these findings, and no others.
func (r *Report) finds(t *testing.T, checks ...string) {
	t.Helper()
	for _, check := range checks {
		if !r.has(check) {
			t.Errorf("%s was not found", check)
		}
	}
	for _, f := range r.Findings {
		if !slices.Contains(checks, f.Check) {
			t.Errorf("found %+v", f)
		}
		if f.Found == "" || f.Visitor == "" || f.Change == "" || f.Subject == "" {
			t.Errorf("a finding does not say what it means: %+v", f)
		}
	}
	for _, b := range r.Blind {
		t.Errorf("could not look: %+v", b)
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	with := func(changed ...string) []string { return append(slices.Clone(good), changed...) }
	for _, test := range []struct {
		is    string
		args  []string
		then  func(*redistest.Server)
		finds []string
	}{
		{"well", good, nil, nil},
		{"an evicting policy", with("--maxmemory-policy", "allkeys-lru"), nil, []string{"redis-policy"}},
		{"volatile-ttl", with("--maxmemory-policy", "volatile-ttl"), nil, []string{"redis-policy-ttl"}},
		{"no bound", with("--maxmemory", "0"), nil, []string{"redis-unbounded"}},
		{"little room", with("--maxmemory", "10mb"), func(s *redistest.Server) {
			s.Command("EVAL", "for i = 1, 740 do redis.call('SET', i, string.rep('x', 10000), 'EX', 100) end", "0")
		}, []string{"redis-headroom"}},
		{"memory alone", with("--appendonly", "no"), nil, []string{"redis-memory-only"}},
		{"snapshots alone", with("--appendonly", "no", "--save", "3600 1"), nil, []string{"redis-snapshots"}},
		{"no sync", with("--appendfsync", "no"), nil, []string{"redis-fsync"}},
		{"no replica that it wants", with("--min-replicas-to-write", "1"), nil, []string{"redis-too-few-replicas", "redis-refuses"}},
		{"connections that are closed", with("--timeout", "60"), nil, []string{"redis-timeout"}},
		{"few connections", with("--maxclients", "10"), func(s *redistest.Server) {
			for range 8 {
				send(t, dial(t, s.Addr()), "PING\r\n")
			}
		}, []string{"redis-connections"}},
		{"other data", good, func(s *redistest.Server) { s.Command("EVAL", "for i = 1, 2000 do redis.call('SET', i, i) end", "0") }, []string{"redis-shared"}},
		{"evictions", with("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"), func(s *redistest.Server) {
			s.Command("EVAL", "for i = 1, 400 do redis.call('SET', i, string.rep('x', 10000), 'EX', 100) end", "0")
		}, []string{"redis-policy", "redis-evicted", "redis-headroom"}},
		{"a replica", with("--replicaof", "127.0.0.1 1"), nil, []string{"redis-replica", "redis-refuses"}},
	} {
		t.Run(test.is, func(t *testing.T) {
			s := redistest.Start(t, test.args...)
			if test.then != nil {
				test.then(s)
			}
			r := examine(t, Options{Stores: []string{s.URL()}})
			r.finds(t, test.finds...)
			if want := min(1, len(test.finds)); r.Exit() != want {
				t.Errorf("exit status %d, want %d", r.Exit(), want)
			}
		})
	}
}

func TestMemcached(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		is    string
		args  []string
		then  func(*testing.T, *memcachedtest.Server)
		finds []string
	}{
		{"well", nil, nil, nil},
		{"no CAS", []string{"-C"}, nil, []string{"memcached-cas"}},
		{"errors for evictions", []string{"-M"}, nil, []string{"memcached-errors"}},
		{"small items", []string{"-I", "512k"}, nil, []string{"memcached-item"}},
		{"idle connections closed", []string{"-o", "idle_timeout=60"}, nil, []string{"memcached-idle"}},
		{"few connections", []string{"-c", "40"}, func(t *testing.T, s *memcachedtest.Server) {
			for range 24 {
				send(t, dial(t, s.Addr), "version\r\n")
			}
		}, []string{"memcached-connections"}},
		{"no connection left", []string{"-c", "40"}, func(t *testing.T, s *memcachedtest.Server) {
			for range 60 {
				send(t, dial(t, s.Addr), "version\r\n")
			}
		}, []string{"memcached-connections"}},
		{"flushed", nil, func(t *testing.T, s *memcachedtest.Server) { send(t, dial(t, s.Addr), "flush_all\r\n") }, []string{"memcached-flushed"}},
		{"evictions", []string{"-m", "4"}, func(t *testing.T, s *memcachedtest.Server) {
			conn := dial(t, s.Addr)
			for i := range 300 {
				send(t, conn, fmt.Sprintf("set k%d 0 0 50000\r\n%s\r\n", i, strings.Repeat("x", 50000)))
			}
		}, []string{"memcached-evicted", "memcached-headroom"}},
	} {
		t.Run(test.is, func(t *testing.T) {
			s := memcachedtest.Start(t, test.args...)
			if test.then != nil {
				test.then(t, s)
			}
			examine(t, Options{Stores: []string{"memcached://" + s.Addr}}).finds(t, test.finds...)
		})
	}
	a, b := memcachedtest.Start(t), memcachedtest.Start(t, "-I", "2m")
	one, two := "memcached://"+a.Addr+","+b.Addr, "memcached://"+b.Addr+","+a.Addr
	examine(t, Options{Stores: []string{one, two}}).finds(t, "memcached-sizes")
	other := "memcached://" + strings.Replace(a.Addr, "127.0.0.1", "localhost", 1)
	examine(t, Options{Stores: []string{"memcached://" + a.Addr, other}}).finds(t, "memcached-lists")
}

// No server of a test does this, so the rules get the facts directly.
func TestRulesOfWhatNoServerShowsHere(t *testing.T) {
	redis := func(set ...string) redisFacts {
		f := redisFacts{loopback: true, config: map[string]string{"save": "", "timeout": "0", "min-replicas-to-write": "0"}, info: map[string]string{
			"role": "master", "redis_version": "7.0.15", "maxmemory": "1000", "maxmemory_policy": "noeviction", "aof_enabled": "1",
		}}
		for i := 0; i < len(set); i += 2 {
			if _, ok := f.config[set[i]]; ok {
				f.config[set[i]] = set[i+1]
			} else {
				f.info[set[i]] = set[i+1]
			}
		}
		return f
	}
	for want, f := range map[string]redisFacts{
		"":                   redis(),
		"redis-loading":      redis("loading", "1"),
		"redis-old":          redis("redis_version", "5.0.7"),
		"redis-machine":      redis("total_system_memory", "1200"),
		"redis-disk":         redis("aof_last_write_status", "err"),
		"redis-fork":         redis("latest_fork_usec", "70000"),
		"redis-replica-lag":  redis("connected_slaves", "2", "min-replicas-to-write", "1", "slave0", "ip=a,port=1,state=online,lag=0", "slave1", "ip=b,port=1,state=online,lag=30"),
		"redis-min-replicas": redis("connected_slaves", "1", "slave0", "ip=a,port=1,state=online,lag=0"),
		"redis-one-replica":  redis("connected_slaves", "1", "min-replicas-to-write", "1", "slave0", "ip=a,port=1,state=online,lag=0"),
		"redis-cluster-down": redis("cluster_state", "fail"),
		"redis-open":         {info: redis().info, config: redis().config},
		"redis-clock":        {info: redis().info, config: redis().config, loopback: true, skew: -6 * time.Second},
		"redis-clock-far":    {info: redis().info, config: redis().config, loopback: true, skew: time.Hour},
		"redis-refuses":      {info: redis().info, config: redis().config, loopback: true, refused: "NOPERM"},
	} {
		var r Report
		judge(&r, "redis", redisRules, f)
		if want == "" {
			r.finds(t)
			continue
		}
		r.finds(t, want)
	}
	memcached := func(set ...string) memcachedFacts {
		f := memcachedFacts{loopback: true, stats: map[string]string{"version": "1.6.18"}, settings: map[string]string{}}
		for i := 0; i < len(set); i += 2 {
			f.stats[set[i]] = set[i+1]
		}
		return f
	}
	for want, f := range map[string]memcachedFacts{
		"":                      memcached(),
		"memcached-old":         memcached("version", "1.6.9"),
		"memcached-open":        {stats: memcached().stats},
		"memcached-clock":       {stats: memcached().stats, loopback: true, skew: 30 * time.Second},
		"memcached-clock-far":   {stats: memcached().stats, loopback: true, skew: -61 * time.Second},
		"memcached-connections": memcached("listen_disabled_num", "1"),
	} {
		var r Report
		judge(&r, "memcached", memcachedRules, f)
		if want == "" {
			r.finds(t)
			continue
		}
		r.finds(t, want)
	}
}

func TestPages(t *testing.T) {
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	set := func(cookie string, more ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("Set-Cookie", cookie)
			w.Header().Set("Cache-Control", "private")
			for i := 0; i < len(more); i += 2 {
				w.Header().Set(more[i], more[i+1])
			}
		}
	}
	ahead := func(cookie string, by time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			set(cookie, "Date", time.Now().Add(by).UTC().Format(http.TimeFormat))(w, r)
		}
	}
	const well = "__Host-session=abc; Path=/; HttpOnly; Secure; SameSite=Lax"
	for _, test := range []struct {
		is    string
		page  http.HandlerFunc
		finds []string
	}{
		{"well", set(well), nil},
		{"an answer too large for nginx", set(well, "Content-Security-Policy", strings.Repeat("x", 4000)), []string{"page-answer-size"}},
		{"more cookies than nginx takes", set("__Host-a="+strings.Repeat("x", 7500)+"; Path=/; HttpOnly; Secure", "X", ""), []string{"page-request-size", "page-answer-size"}},
		{"no HttpOnly", set("__Host-session=abc; Path=/; Secure"), []string{"page-script"}},
		{"SameSite=None without Secure", set("id=abc; Path=/; HttpOnly; SameSite=None"), []string{"page-same-site"}},
		{"a Domain", set("__Host-session=abc; Path=/; Domain=127.0.0.1; HttpOnly; Secure"), []string{"page-host-prefix"}},
		{"a shared cache", set(well, "Cache-Control", "public, max-age=60"), []string{"page-cached"}},
		{"a gateway that keeps the last line", set("__Host-session-b0=abc; Path=/; HttpOnly; Secure; SameSite=Lax"), []string{"page-one-cookie"}},
		{"several lines", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = []string{well, "__Host-session-b0=abc; Path=/; HttpOnly; Secure; SameSite=Lax"}
			w.Header().Set("Cache-Control", "private")
		}, nil},
		{"a clock that is ahead", ahead(well, 20*time.Second), []string{"page-clock"}},
		{"a clock of yesterday", ahead(well, -24*time.Hour), []string{"page-clock-far"}},
	} {
		t.Run(test.is, func(t *testing.T) {
			examine(t, Options{Pages: []string{serve(test.page)}}).finds(t, test.finds...)
		})
	}
	// Of hosts that are not this machine.
	f := pageFacts{url: mustURL(t, "http://shop.test/"), set: []*http.Cookie{{Name: "session", Secure: true, HttpOnly: true, Path: "/"}}}
	var r Report
	judge(&r, "page", pageRules, f)
	f.set[0].Secure = false
	judge(&r, "page", pageRules, f)
	f.url = mustURL(t, "https://shop.test/")
	judge(&r, "page", pageRules, f)
	r.finds(t, "page-secure-over-http", "page-plain-http", "page-insecure")
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, keys ...string) string {
		path := filepath.Join(dir, name)
		text := "# keys\n" + strings.Join(keys, "\n") + "\n"
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := seal.NewKey().Reveal(), seal.NewKey().Reveal()
	one, same := file("one", 0o600, a), file("same", 0o600, a)
	before, after := file("before", 0o600, a, b), file("after", 0o600, b, a)
	for _, test := range []struct {
		is    string
		files []string
		finds []string
	}{
		{"well", []string{one, same}, nil},
		{"others", []string{one, file("other", 0o600, b)}, []string{"keys-unknown"}},
		{"the first step of a rotation", []string{one, before}, nil},
		{"the second", []string{before, after}, []string{"keys-first"}},
		{"the second before the first has reached all", []string{one, after}, []string{"keys-unknown"}},
		{"a key that opens only", []string{file("old", 0o600, b+" decrypt-only", a), one}, nil},
		{"a comment behind a key", []string{file("comment", 0o600, a+" # the first"), one}, nil},
		{"two in a line", []string{file("commas", 0o600, a+","+b), before}, nil},
		{"a rotation that stands still", []string{file("still", 0o600, noted(a, "added 2025-01-02T00:00:00Z, seals since 2025-01-02T00:00:00Z"), a, noted(b, "added 2025-03-02T00:00:00Z"), b+" decrypt-only")}, []string{"keys-waiting"}},
		{"a rotation that goes on", []string{file("moving", 0o600, a, noted(b, "added "+time.Now().UTC().Format(time.RFC3339)), b+" decrypt-only")}, nil},
		{"an old key that nobody retired", []string{file("stale", 0o600, a, noted(b, "added 2025-01-02T00:00:00Z, seals since 2025-01-02T00:00:00Z, sealed until 2025-03-02T00:00:00Z"), b+" decrypt-only")}, []string{"keys-old"}},
		{"a file for everybody", []string{file("open", 0o644, a)}, []string{"keys-mode"}},
	} {
		t.Run(test.is, func(t *testing.T) { examine(t, Options{Keys: test.files}).finds(t, test.finds...) })
	}
}

// noted is the comment of holdfast keys above a key.
func noted(key, times string) string {
	k, err := seal.ParseKey(key)
	if err != nil {
		panic(err)
	}
	return "# holdfast: key " + k.ID().String() + ", " + times
}

// Two instances of a site, of which one has another audience or another key.
func TestCopiesOfSeveralInstances(t *testing.T) {
	mine, other := seal.NewKey(), seal.NewKey()
	instance := func(key seal.Key, audience string) string {
		keys, err := seal.NewKeys(key)
		if err != nil {
			t.Fatal(err)
		}
		sessions, err := session.New(memstore.New(nil), &session.Options{Backup: &session.Backup{Keys: keys, Audience: audience}})
		if err != nil {
			t.Fatal(err)
		}
		visits := session.NewKey[int]("visits")
		s := httptest.NewServer(sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.From(r.Context()); err == nil {
				visits.Set(s, 1)
			}
		})))
		t.Cleanup(s.Close)
		return s.URL
	}
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(mine.Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	one := instance(mine, "shop-production")
	for _, test := range []struct {
		is    string
		other string
		finds []string
	}{
		{"well", instance(mine, "shop-production"), nil},
		{"another audience", instance(mine, "shop-staging"), []string{"page-audience"}},
		{"another key", instance(other, "shop-production"), []string{"page-key"}},
	} {
		t.Run(test.is, func(t *testing.T) {
			r := examine(t, Options{Pages: []string{one, test.other}, Keys: []string{file}})
			r.finds(t, test.finds...)
			for _, f := range r.Findings {
				if f.Subject != test.other {
					t.Errorf("it is found at %s, want %s", f.Subject, test.other)
				}
			}
		})
	}
}

// A store that cannot be examined is no finding, and has an exit status of its own.
func TestBlind(t *testing.T) {
	s := memcachedtest.Start(t, "-Y", memcachedtest.Passwords(t, "user:words\n"))
	examine(t, Options{Stores: []string{"memcached://user:words@" + s.Addr}}).finds(t)
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("secret words\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{
		{Stores: []string{"mongo://user:words@host"}},
		{Stores: []string{"memcached://user:words@host"}},
		{Stores: []string{"redis://user:words@127.0.0.1:1/0"}},
		{Stores: []string{"memcached://127.0.0.1:1"}},
		{Stores: []string{"memcached://user:wrongwords@" + s.Addr}},
		{Stores: []string{"memcached://" + s.Addr}},
		{Pages: []string{"shop.test"}},
		{Pages: []string{"http://127.0.0.1:1/"}},
		{Keys: []string{"/does/not/exist"}},
		{Keys: []string{bad}},
	} {
		r := examine(t, o)
		var text strings.Builder
		r.Write(&text)
		if len(r.Blind) != 1 || r.Exit() != 2 || strings.Contains(text.String(), "words") {
			t.Errorf("%+v: exit status %d, %s", o, r.Exit(), text.String())
		}
	}
}
