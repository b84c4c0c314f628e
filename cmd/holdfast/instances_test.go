//go:build unix

package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/cmd/holdfast/internal/address"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/mysqlstore"
	"github.com/holdfast-go/session/pgstore"
	"github.com/holdfast-go/session/sqlitestore"
	"github.com/jackc/pgx/v5"
)

// servers are the stores that the command knows, each on real servers, by their addresses.
var servers = map[string]func(*testing.T) string{
	"redis": func(t *testing.T) string { return redistest.Start(t).URL() },
	"memcached": func(t *testing.T) string {
		return "memcached://" + memcachedtest.Start(t).Addr + "," + memcachedtest.Start(t).Addr + "," + memcachedtest.Start(t).Addr
	},
	"postgres": func(t *testing.T) string {
		s := postgrestest.Start(t)
		conn, err := pgx.Connect(t.Context(), s.URL())
		if err == nil {
			err = errors.Join(pgstore.Migrate(t.Context(), conn), conn.Close(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
		return s.URL()
	},
	"mysql": func(t *testing.T) string {
		text := "mysql://root@" + mariadbtest.Start(t).Addr + "/test"
		config, err := address.MySQL(text)
		if err != nil {
			t.Fatal(err)
		}
		store, err := mysqlstore.Open(t.Context(), config, nil)
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return text
	},
	"sqlite": func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "shop.db")
		store, err := sqlitestore.Open(t.Context(), path, nil)
		if err == nil {
			err = store.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return "sqlite:" + path
	},
}

// storeAt is the store at an address, with connections of its own.
func storeAt(t *testing.T, text string) session.Store {
	t.Helper()
	store, closeStore, err := openStore(t.Context(), text, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeStore)
	return store
}

// process starts an instance that leaves word in a store every second.
func process(t *testing.T, name string, store session.Store) (page *admin.Handler, url string) {
	t.Helper()
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err = admin.New(sessions, func(*http.Request) (string, admin.Access) { return "ann", admin.MayAct },
		&admin.Options{Store: store, Name: name, Every: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(page)
	t.Cleanup(func() {
		server.Close()
		_ = page.Close(context.WithoutCancel(t.Context()))
		_ = sessions.Close(context.WithoutCancel(t.Context()))
	})
	return page, server.URL
}

// names are the instances that holdfast status shows, with those that have gone.
func names(t *testing.T, url string) (all []string) {
	t.Helper()
	s, err := (&admin.Client{URL: url}).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range s.Instances {
		if i.Gone {
			i.Name += " (gone)"
		}
		all = append(all, i.Name)
	}
	slices.Sort(all)
	return all
}

// The records of instances in each store: any shows all of them, one that closes leaves, and one
// whose word stays away is shown as gone.
func TestInstancesInEveryStore(t *testing.T) {
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			text := start(t)
			_, url := process(t, "a", storeAt(t, text))
			b, ofB := process(t, "b", storeAt(t, text))
			shows := func(url string, want ...string) {
				t.Helper()
				until(t, strings.Join(want, ", "), func() bool { return slices.Equal(names(t, url), want) })
			}
			shows(url, "a", "b")
			shows(ofB, "a", "b")
			found, err := admin.Instances(t.Context(), storeAt(t, text))
			if err != nil || len(found) != 2 || found[0].Name != "a" || found[1].Name != "b" || found[0].Self {
				t.Errorf("beside them: got %+v, %v", found, err)
			}
			if kind == "memcached" { // where a wrapper would hide the shards, and a dead server has a test of its own
				if err := b.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				shows(url, "a")
				return
			}
			killed := &deaf{Store: storeAt(t, text)}
			process(t, "c", killed)
			shows(url, "a", "b", "c")
			killed.dead.Store(true)
			if err := b.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			shows(url, "a", "c (gone)")
		})
	}
}

// One of three memcached dies, and takes no instance off the page.
func TestInstancesOverADeadMemcached(t *testing.T) {
	all := []*memcachedtest.Server{memcachedtest.Start(t), memcachedtest.Start(t), memcachedtest.Start(t)}
	text := "memcached://" + all[0].Addr + "," + all[1].Addr + "," + all[2].Addr
	_, url := process(t, "a", storeAt(t, text))
	process(t, "b", storeAt(t, text))
	until(t, "both", func() bool { return slices.Equal(names(t, url), []string{"a", "b"}) })
	for i, s := range all[:2] {
		s.Kill()
		for range 8 { // some intervals
			if got := names(t, url); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("with %d of three dead: got %v", i+1, got)
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
	s, err := (&admin.Client{URL: url}).Status(t.Context())
	if err != nil || !strings.Contains(s.Problem, all[0].Addr) {
		t.Errorf("the page does not name the server that is dead: %q, %v", s.Problem, err)
	}
}

// deaf is a store that an instance does not reach any more, once it is killed.
type deaf struct {
	session.Store
	dead atomic.Bool
}

func (d *deaf) Save(ctx context.Context, id session.ID, r session.Record, v session.Version) (session.Version, error) {
	if d.dead.Load() {
		return v, errors.New("killed")
	}
	return d.Store.Save(ctx, id, r, v)
}
