//go:build unix

package coordinator_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/cmd/holdfast/internal/instancetest"
	"github.com/holdfast-go/session/internal/test/etcdtest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/zookeepertest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

var open = instancetest.OpenCoordinator

func TestEtcdIsACoordinator(t *testing.T) {
	server := etcdtest.Start(t)
	address := "etcd://" + strings.TrimPrefix(server.URL(), "http://") + "/key"
	agree(t, open(t, address), open(t, address), server.Freeze, server.Thaw)
}

func TestZooKeeperIsACoordinator(t *testing.T) {
	server := zookeepertest.Start(t)
	address := "zk://" + server.Addr() + "/key"
	agree(t, open(t, address), open(t, address), server.Freeze, server.Thaw)
}

func TestAStoreIsACoordinator(t *testing.T) {
	server := redistest.Start(t)
	onStore := func() coordinator.Coordinator {
		o, err := redisstore.ClientOption(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		client, err := rueidis.NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		return coordinator.OnStore(redisstore.New(client), func() {})
	}
	agree(t, onStore(), onStore(), server.Freeze, server.Thaw)
}

// agree asks that two clients see and change the same.
func agree(t *testing.T, a, b coordinator.Coordinator, freeze, thaw func()) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want := func(c coordinator.Coordinator, name, value string) int64 {
		t.Helper()
		e, err := c.Get(ctx, name)
		if err != nil || string(e.Value) != value || (e.Revision == 0) != (value == "") {
			t.Fatalf("%s: got %q of revision %d, %v, want %q", name, e.Value, e.Revision, err, value)
		}
		return e.Revision
	}
	done := func(wanted bool) func(bool, error) {
		return func(got bool, err error) {
			t.Helper()
			if got != wanted || err != nil {
				t.Fatalf("got %v, %v, want %v", got, err, wanted)
			}
		}
	}
	want(a, "shop/order", "")
	done(true)(a.Set(ctx, "shop/order", []byte("one"), 0))
	first := want(b, "shop/order", "one")
	done(false)(b.Set(ctx, "shop/order", []byte("other"), 0))
	done(true)(b.Set(ctx, "shop/order", []byte("two"), first))
	done(false)(a.Set(ctx, "shop/order", []byte("late"), first))
	done(false)(a.Remove(ctx, "shop/order", first))
	second := want(a, "shop/order", "two")

	done(true)(a.Set(ctx, "shop/state", []byte("s"), 0))
	state := want(a, "shop/state", "s")
	done(true)(a.Set(ctx, "shop/order", []byte("three"), second, coordinator.Guard{Name: "shop/state", Revision: state}))
	third := want(b, "shop/order", "three")
	done(true)(b.Set(ctx, "shop/state", []byte("t"), state))
	done(false)(a.Set(ctx, "shop/order", []byte("late"), third, coordinator.Guard{Name: "shop/state", Revision: state}))
	done(false)(a.Remove(ctx, "shop/order", third, coordinator.Guard{Name: "shop/state", Revision: state}))
	done(false)(a.Remove(ctx, "shop/order", third, coordinator.Guard{Name: "shop/state"}))
	want(a, "shop/order", "three")
	done(true)(a.Remove(ctx, "shop/order", third, coordinator.Guard{Name: "shop/nothing"}))
	want(b, "shop/order", "")
	want(b, "shop/nothing", "")
	done(false)(b.Remove(ctx, "shop/order", third))

	if all, err := b.List(ctx, "shop.votes"); err != nil || len(all) != 0 {
		t.Fatalf("a folder that is not there: got %v, %v", all, err)
	}
	done(true)(a.Set(ctx, "shop.votes/m1", []byte("up"), 0))
	done(true)(b.Set(ctx, "shop.votes/m2", []byte("down"), 0))
	done(true)(b.Set(ctx, "shop.votes2/m3", []byte("down"), 0))
	all, err := b.List(ctx, "shop.votes")
	if err != nil || len(all) != 2 || string(all["m1"].Value) != "up" || string(all["m2"].Value) != "down" {
		t.Fatalf("got %v, %v, want the votes of m1 and m2", all, err)
	}

	freeze()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := a.Get(short, "shop/state"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("frozen: got %v, want a deadline that is exceeded", err)
	}
	thaw()
	for { // a call may be cut off while the client connects anew
		if _, err := a.Get(ctx, "shop/state"); err == nil {
			break
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// A member whose name has no address, as of a pod that is down, keeps nobody from the others.
func TestAMemberOfZooKeeperWithoutAnAddress(t *testing.T) {
	server := zookeepertest.Start(t)
	c := open(t, "zk://zk.invalid:2181,"+server.Addr()+"/key")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if done, err := c.Set(ctx, "key", []byte("value"), 0); !done || err != nil {
		t.Errorf("got %v, %v, want a value at the other member", done, err)
	}
}

// An entry that is made by hand in place of a removed one is another entry.
func TestAnEntryThatIsMadeAnewIsAnotherOne(t *testing.T) {
	server := zookeepertest.Start(t)
	a := open(t, "zk://"+server.Addr()+"/key")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if done, err := a.Set(ctx, "order", []byte("the monitor's"), 0); !done || err != nil {
		t.Fatal(done, err)
	}
	e, err := a.Get(ctx, "order")
	if err != nil {
		t.Fatal(err)
	}
	operator, _, err := zk.Connect([]string{server.Addr()}, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close()
	if err := operator.Delete("/order", -1); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.Create("/order", []byte("by hand"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	if done, err := a.Set(ctx, "order", []byte("late"), e.Revision); done || err != nil {
		t.Errorf("got %v, %v, want a conflict", done, err)
	}
}

func TestAnAddressIsTakenApart(t *testing.T) {
	a, err := coordinator.ParseAddress("zk://alice:s%40cret@one:2181,two:2181/shop/override")
	if err != nil || a.Scheme != "zk" || len(a.Servers) != 2 || a.Name != "shop/override" || a.User != "alice" || a.Password != "s@cret" {
		t.Errorf("got %+v, %v", a, err)
	}
	for _, text := range []string{"", "etcd://host:2379", "etcd:///key", "etcd:host/key", "consul://secret@host/key", "etcd://a:%zz@host:1/key", "etcd://host:1/"} {
		if _, err := coordinator.ParseAddress(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want an error that quotes nothing", text, err)
		}
	}
}

// A server that was restored without its data refuses clients that have seen more than it
// has.
func TestAZooKeeperThatHasLostItsDataIsACoordinatorAgain(t *testing.T) {
	server := zookeepertest.Start(t)
	c := open(t, "zk://"+server.Addr()+"/key")
	for range 20 {
		e, err := c.Get(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		if done, err := c.Set(t.Context(), "key", []byte("before"), e.Revision); !done || err != nil {
			t.Fatal(done, err)
		}
	}
	server.Kill()
	server.Empty(t)
	server.Restart()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		e, err := c.Get(ctx, "key")
		cancel()
		if err == nil && e.Revision == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("got %q, %v, want an empty coordinator", e.Value, err)
		}
	}
}

// Between a monitor's read and its write an operator may take the order back and give
// another: the versions of both nodes are the same.
func TestAnOrderThatIsGivenAnewByTheCommandIsAnotherOne(t *testing.T) {
	server := zookeepertest.Start(t)
	monitor, operator := open(t, "zk://"+server.Addr()+"/key"), open(t, "zk://"+server.Addr()+"/key")
	ctx := t.Context()
	if done, err := monitor.Set(ctx, "key", []byte("the monitor's"), 0); !done || err != nil {
		t.Fatal(done, err)
	}
	read, err := monitor.Get(ctx, "key")
	if err != nil {
		t.Fatal(err)
	}
	if done, err := operator.Remove(ctx, "key", read.Revision); !done || err != nil {
		t.Fatal(done, err)
	}
	if done, err := operator.Set(ctx, "key", []byte("alice's"), 0); !done || err != nil {
		t.Fatal(done, err)
	}
	if done, err := monitor.Set(ctx, "key", []byte("renewed"), read.Revision); done || err != nil {
		t.Errorf("renewed: got %v, %v, want false", done, err)
	}
	if done, err := monitor.Remove(ctx, "key", read.Revision); done || err != nil {
		t.Errorf("removed: got %v, %v, want false", done, err)
	}
	if e, err := operator.Get(ctx, "key"); err != nil || string(e.Value) != "alice's" {
		t.Errorf("got %q, %v, want alice's order", e.Value, err)
	}
}
