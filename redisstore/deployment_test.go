package redisstore_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/internal/test/certificate"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// works walks through everything a store does. All of it is up.
func works(t *testing.T, client rueidis.Client, sessions int) {
	t.Helper()
	for _, s := range []*redisstore.Store{
		redisstore.New(client, redisstore.Prefix("plain:")),
		redisstore.New(client, redisstore.Prefix("cached:"), redisstore.ClientCache(time.Minute)),
	} {
		var want []session.ID
		mustProbe(t, s, "000")
		for i := range sessions {
			id := session.ID(fmt.Sprintf("%03d", i))
			want = append(want, id)
			v := mustSave(t, s, id, record("a"), session.Absent)
			if _, err := s.Save(t.Context(), id, record("x"), session.Absent); !errors.Is(err, session.ErrConflict) {
				t.Fatalf("create over a record: got %v, want ErrConflict", err)
			}
			mustSave(t, s, id, record("b"), v)
			if _, err := s.Save(t.Context(), id, record("x"), v); !errors.Is(err, session.ErrConflict) {
				t.Fatalf("over an old version: got %v, want ErrConflict", err)
			}
			for range 2 {
				if got := string(mustLoad(t, s, id).Data); got != "b" {
					t.Fatalf("got %q, want %q", got, "b")
				}
			}
		}
		if got := list(t, s); !slices.Equal(got, want) {
			t.Errorf("List: got %v, want %v", got, want)
		}
		for _, id := range want {
			mustSave(t, s, id, session.Record{Expires: time.Unix(1, 0)}, session.Any)
			if _, err := s.Load(t.Context(), id); !errors.Is(err, session.ErrNotFound) {
				t.Fatalf("got %v, want ErrNotFound", err)
			}
		}
	}
}

func TestItWorksWithAPasswordAndAnotherDatabase(t *testing.T) {
	srv := redistest.Start(t, "--requirepass", "pass/word")
	works(t, newClient(t, "redis://:pass%2Fword@"+srv.Addr()+"/5", withCache), 3)
}

func TestItWorksWithAUserWhoMayDoNoMoreThanItNeeds(t *testing.T) {
	srv := redistest.Start(t)
	srv.Command(strings.Fields("ACL SETUSER shop on >secret ~plain:* ~cached:* -@all " +
		"+get +set +del +exists +getrange +evalsha +eval +scan " +
		"+hello +client|tracking +cluster|slots " +
		"+client|caching +multi +exec +pttl +info")...) // the last line for the cache and the probe
	works(t, newClient(t, "redis://shop:secret@"+srv.Addr(), withCache), 3)
}

// Without EVALSHA and EVAL sessions can be created and ended, and none changed.
func TestAUserWithoutScriptsIsAnOutageThatNamesTheRight(t *testing.T) {
	srv := redistest.Start(t)
	srv.Command(strings.Fields("ACL SETUSER shop on >secret ~* -@all " +
		"+get +set +del +exists +getrange +scan +hello +client|tracking +client|caching +multi +exec +pttl +info")...)
	acceptance.RefusedChanges(t, func(t testing.TB) session.Store {
		return redisstore.New(newClient(t, "redis://shop:secret@"+srv.Addr()))
	}, srv.Addr(), "eval")
}

func TestItWorksOverAUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "redis") // the test's own is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	srv := redistest.Start(t, "--unixsocket", path)
	works(t, newClient(t, "unix://"+path, withCache), 3)
	works(t, newClient(t, "unix://"+path+"?db=2", withCache), 3)
	srv.Kill()
}

func TestItWorksOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, roots := certificate.SelfSigned(t, dir)
	srv := redistest.Start(t, "--tls-port", "{port}", "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	url := "rediss://127.0.0.1:" + strconv.Itoa(srv.Extra())
	works(t, newClient(t, url, withCache, func(o *rueidis.ClientOption) { o.TLSConfig.RootCAs = roots }), 3)

	// A certificate of an unknown authority is refused.
	o, err := redisstore.ClientOption(url)
	if err != nil {
		t.Fatal(err)
	}
	if client, err := rueidis.NewClient(o); err == nil {
		client.Close()
		t.Error("a client without the root certificate has connected")
	} else if unknown := new(tls.CertificateVerificationError); !errors.As(err, &unknown) {
		t.Errorf("got %v, want a certificate's error", err)
	}
}

// Three primaries, one of them with a replica.
func TestItWorksOnACluster(t *testing.T) {
	nodes := startCluster(t)
	// A machine that is busy takes no node for one that has failed, until one is to fail.
	failAfter(nodes, "60000")
	everyNode := func(what string, ok func(*redistest.Server) bool) {
		eventually(t, "every node "+what, func() bool {
			return !slices.ContainsFunc(nodes, func(n *redistest.Server) bool { return !ok(n) })
		})
	}
	everyNode("is well", func(n *redistest.Server) bool {
		return strings.Contains(n.Command("CLUSTER", "INFO"), "cluster_state:ok")
	})
	nodes[3].Command("CLUSTER", "REPLICATE", nodes[0].Command("CLUSTER", "MYID"))
	eventually(t, "the fourth node follows the first", func() bool {
		return strings.Contains(nodes[3].Command("INFO", "replication"), "master_link_status:up")
	})
	nodes[0].Command("SET", "{b}", "x") // slot 3300; a replica that has nothing is not told of
	everyNode("tells of the replica", func(n *redistest.Server) bool {
		return strings.Contains(n.Command("CLUSTER", "SLOTS"), nodes[3].Command("CLUSTER", "MYID"))
	})

	client := newClient(t, nodes[0].URL(), withCache)
	if got := client.Mode(); got != rueidis.ClientModeCluster {
		t.Fatalf("mode: got %s, want cluster", got)
	}
	if got := len(client.Nodes()); got != len(nodes) {
		t.Fatalf("the client knows %d nodes, want %d", got, len(nodes))
	}
	works(t, client, 60)
	for i, n := range nodes[:3] {
		if n.Calls(t)["set"] == 0 {
			t.Errorf("node %d was never asked", i)
		}
	}

	// One primary away is one primary away.
	s := redisstore.New(client)
	mustSave(t, s, "{a}", record("a"), session.Any) // slot 15495: on the third
	mustSave(t, s, "{b}", record("b"), session.Any) // slot 3300: on the first
	nodes[2].Freeze()
	if _, err := s.Load(within(t, 50*time.Millisecond), "{a}"); !errors.Is(err, errDeadline) {
		t.Errorf("of the frozen node: got %v, want the deadline's error", err)
	}
	if got := string(mustLoad(t, s, "{b}").Data); got != "b" {
		t.Errorf("of another node: got %q, want %q", got, "b")
	}
	isFailedOver(t, client, nodes)
}

// failAfter sets after how many milliseconds of silence the others take a node for one that has failed.
func failAfter(nodes []*redistest.Server, milliseconds string) {
	for _, n := range nodes {
		n.Command("CONFIG", "SET", "cluster-node-timeout", milliseconds)
	}
}

// isFailedOver is the end of the test above: a shard is probed at the primaries that
// serve it, and one dies.
func isFailedOver(t *testing.T, client rueidis.Client, nodes []*redistest.Server) {
	s := redisstore.New(client)
	for id, want := range map[session.ID]string{"{b}": "3072-4095", "{c}": "7168-8191", "{a}": "15360-16383"} {
		if got := s.Shard(id); got != want {
			t.Errorf("Shard(%s): got %q, want %q", id, got, want)
		}
	}
	if _, err := s.Probe(within(t, 50*time.Millisecond), s.Shard("{a}")); !errors.Is(err, errDeadline) {
		t.Errorf("Probe of the frozen node: got %v, want the deadline's error", err)
	}
	before := mustProbe(t, s, "{b}")
	if other := mustProbe(t, s, "{c}"); other == before {
		t.Errorf("two primaries have the incarnation %q", other)
	}
	nodes[2].Thaw()
	eventually(t, "the thawed node answers", func() bool {
		_, err := s.Probe(within(t, 100*time.Millisecond), s.Shard("{a}"))
		return err == nil
	})
	eventually(t, "the cluster is well", func() bool {
		return strings.Contains(nodes[1].Command("CLUSTER", "INFO"), "cluster_state:ok")
	})

	nodes[0].Kill()
	if got, err := s.Probe(within(t, time.Second), s.Shard("{b}")); err == nil {
		t.Errorf("Probe of a killed node: got %q, want an error", got)
	}
	nodes[3].Command("CONFIG", "SET", "cluster-replica-validity-factor", "0") // however long this took
	failAfter(nodes[1:], "2000")
	var after string
	took := eventually(t, "the replica takes over", func() (ok bool) {
		var err error
		after, err = s.Probe(within(t, 100*time.Millisecond), s.Shard("{b}"))
		return err == nil
	})
	t.Logf("probed again %v after the primary was killed", took.Round(time.Millisecond))
	if after == before {
		t.Errorf("the replica that took over has the incarnation of the old primary, %q", after)
	}
	if got := s.Shard("{b}"); got != "3072-4095" {
		t.Errorf("Shard after the failover: got %q, want the same as before", got)
	}
	// A new program finds the same shards after slots have moved, and a shard whose slots
	// have moved in part is two nodes for the old one too.
	for _, n := range nodes[1:3] {
		n.Command("CLUSTER", "SETSLOT", "8191", "NODE", nodes[2].Command("CLUSTER", "MYID"))
	}
	later := redisstore.New(client)
	if got, want := later.Shard("{c}"), s.Shard("{c}"); got != want {
		t.Errorf("Shard of a store that was made after slots moved: got %q, want %q", got, want)
	}
	for _, s := range []*redisstore.Store{s, later} {
		eventually(t, "a shard of which a slot has moved is two nodes", func() bool {
			got, err := s.Probe(within(t, 100*time.Millisecond), s.Shard("{c}"))
			return err == nil && strings.Count(got, ",") == 1
		})
	}
}

func TestItWorksWithSentinel(t *testing.T) {
	primary := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(primary.Addr())
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor shop %s %s 1\nsentinel down-after-milliseconds shop 60000\nsentinel failover-timeout shop 2000\n", host, port), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := redistest.Sentinel(t, config)
	eventually(t, "the sentinel knows the replica", func() bool {
		return strings.Contains(sentinel.Command("SENTINEL", "REPLICAS", "shop"), strings.TrimPrefix(replica.Addr(), "127.0.0.1:")) &&
			strings.Contains(replica.Command("INFO", "replication"), "master_link_status:up")
	})
	client := newClient(t, sentinel.URL()+"?master_set=shop", withCache)
	if got := client.Mode(); got != rueidis.ClientModeSentinel {
		t.Fatalf("mode: got %s, want sentinel", got)
	}
	works(t, client, 3)

	s := redisstore.New(client)
	before := mustProbe(t, s, "x")
	v := mustSave(t, s, "x", record("a"), session.Any)
	primary.Command("WAIT", "1", "0")
	eventually(t, "the replica has the session", func() bool { return replica.Command("EXISTS", "session:x") == "1" })
	primary.Kill()
	sentinel.Command("SENTINEL", "SET", "shop", "down-after-milliseconds", "300") // not before: a busy primary is not down
	took := eventually(t, "a save after the failover", func() bool {
		_, err := s.Save(within(t, 100*time.Millisecond), "x", record("b"), v)
		if errors.Is(err, session.ErrConflict) {
			if got := string(mustLoad(t, s, "x").Data); got != "b" { // of a save that was answered too late
				t.Fatal("the version did not survive the failover")
			}
			return true
		}
		return err == nil
	})
	t.Logf("saved again %v after the primary was killed", took.Round(time.Millisecond))
	if after := mustProbe(t, s, "x"); after == before {
		t.Errorf("Probe after the failover: got %q as before it", after)
	}
	if got := string(mustLoad(t, s, "x").Data); got != "b" {
		t.Errorf("got %q, want %q", got, "b")
	}
}
