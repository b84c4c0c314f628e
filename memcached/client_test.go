package memcached_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
)

func TestOperations(t *testing.T) {
	c := newClient(t, nil, memcachedtest.Start(t))
	ctx := within(t, time.Minute)
	item := memcached.Item{Value: []byte("one\r\nEN\r\n\x00"), Flags: 1<<32 - 1}
	other := memcached.Item{Value: []byte("two")}

	if _, err := c.Get(ctx, "k"); err != memcached.ErrMiss {
		t.Errorf("Get of nothing: got %v, want ErrMiss", err)
	}
	if err := c.Delete(ctx, "k"); err != memcached.ErrMiss {
		t.Errorf("Delete of nothing: got %v, want ErrMiss", err)
	}
	if err := c.Touch(ctx, "k", time.Time{}); err != memcached.ErrMiss {
		t.Errorf("Touch of nothing: got %v, want ErrMiss", err)
	}
	if _, err := c.CompareAndSet(ctx, "k", item, memcached.Token{}); err != memcached.ErrConflict {
		t.Errorf("CompareAndSet over the zero Token: got %v, want ErrConflict", err)
	}

	first, err := c.Set(ctx, "k", item)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Get(ctx, "k")
	if err != nil || !bytes.Equal(got.Value, item.Value) || got.Flags != item.Flags || got.Token != first {
		t.Errorf("Get: got %+v, %v, want %+v of %v", got, err, item, first)
	}
	if _, err := c.Add(ctx, "k", other); err != memcached.ErrNotStored {
		t.Errorf("Add over an item: got %v, want ErrNotStored", err)
	}
	second, err := c.CompareAndSet(ctx, "k", other, first)
	if err != nil || second == first {
		t.Errorf("CompareAndSet: got %v, %v, want a new Token", second, err)
	}
	if _, err := c.CompareAndSet(ctx, "k", item, first); err != memcached.ErrConflict {
		t.Errorf("CompareAndSet over an older Token: got %v, want ErrConflict", err)
	}
	if err := c.CompareAndDelete(ctx, "k", first); err != memcached.ErrConflict {
		t.Errorf("CompareAndDelete of an older Token: got %v, want ErrConflict", err)
	}
	if err := c.Touch(ctx, "k", time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	got, err = c.GetAndTouch(ctx, "k", time.Now().Add(time.Hour))
	if err != nil || string(got.Value) != "two" || got.Token != second {
		t.Errorf("GetAndTouch: got %+v, %v, want the second write", got, err)
	}
	if err := c.CompareAndDelete(ctx, "k", second); err != nil {
		t.Error(err)
	}
	if _, err := c.CompareAndSet(ctx, "k", item, second); err != memcached.ErrMiss {
		t.Errorf("CompareAndSet over a deleted item: got %v, want ErrMiss", err)
	}
	if _, err := c.Add(ctx, "k", memcached.Item{}); err != nil {
		t.Error(err)
	}
	if got, err := c.Get(ctx, "k"); err != nil || got.Value == nil || len(got.Value) != 0 {
		t.Errorf("Get of an empty value: got %#v, %v", got.Value, err)
	}
	if err := c.Delete(ctx, "k"); err != nil {
		t.Error(err)
	}
}

func TestAChainOfWritesOverSeveralConnections(t *testing.T) {
	c := newClient(t, &memcached.Options{Conns: 3}, memcachedtest.Start(t))
	ctx := within(t, time.Minute)
	together(10, func(i int) {
		key := fmt.Sprint("key", i)
		token, err := c.Set(ctx, key, memcached.Item{})
		for n := 0; err == nil && n < 50; n++ {
			token, err = c.CompareAndSet(ctx, key, memcached.Item{}, token)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

func TestValuesOfAllSizesComeBackWhole(t *testing.T) {
	c := newClient(t, nil, memcachedtest.Start(t, "-I", "8m"))
	ctx := within(t, time.Minute)
	for _, size := range []int{0, 1, 4096, 8 << 10, 60 << 10, 65_500, 65_536, 70_000, 1 << 20, 5 << 20} {
		value := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		token, err := c.Set(ctx, "k", memcached.Item{Value: value})
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		for range 3 {
			got, err := c.Get(ctx, "k")
			if err != nil || !bytes.Equal(got.Value, value) || got.Token != token {
				t.Errorf("%d bytes: got %d bytes, %v", size, len(got.Value), err)
			}
		}
	}
}

func TestATooLargeItemIsRefusedBeforeAnythingIsLost(t *testing.T) {
	for _, limit := range []struct {
		arg  string
		size int
	}{{"1m", 1 << 20}, {"512k", 512 << 10}} {
		c := newClient(t, nil, memcachedtest.Start(t, "-I", limit.arg))
		ctx := within(t, time.Minute)
		for _, flags := range []uint32{0, 7} {
			over := 59 + len("key") // what memcached counts besides the value
			if flags != 0 {
				over += 4
			}
			largest := limit.size - over
			if _, err := c.Set(ctx, "key", memcached.Item{Value: make([]byte, largest), Flags: flags}); err != nil {
				t.Fatalf("%s, flags %d: the largest item: %v", limit.arg, flags, err)
			}
			_, err := c.Set(ctx, "key", memcached.Item{Value: make([]byte, largest+1), Flags: flags})
			if !errors.Is(err, memcached.ErrTooLarge) {
				t.Errorf("%s, flags %d: a byte more: got %v, want ErrTooLarge", limit.arg, flags, err)
			}
			if got, err := c.Get(ctx, "key"); err != nil || len(got.Value) != largest {
				t.Errorf("%s, flags %d: the item that stood there: got %d bytes, %v, want %d", limit.arg, flags, len(got.Value), err, largest)
			}
		}
	}
}

func TestExpiry(t *testing.T) {
	server := memcachedtest.Start(t)
	c := newClient(t, nil, server)
	ctx := within(t, time.Minute)
	for name, d := range map[string]time.Duration{
		"half a second": 500 * time.Millisecond,
		"a minute":      time.Minute,
		"30 days":       30 * 24 * time.Hour,
		"31 days":       31 * 24 * time.Hour,
		"10 years":      10 * 365 * 24 * time.Hour,
		"100 years":     100 * 365 * 24 * time.Hour,
	} {
		key := strings.ReplaceAll(name, " ", "-")
		start := time.Now()
		if _, err := c.Set(ctx, key, memcached.Item{Value: []byte("v"), Expires: start.Add(d)}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(ctx, key); err != nil && time.Since(start) < d {
			t.Errorf("%s: gone at once: %v", name, err)
		}
	}
	eventually(t, "the item of half a second is gone", func() bool {
		_, err := c.Get(ctx, "half-a-second")
		return err == memcached.ErrMiss
	})
	for _, name := range []string{"a-minute", "30-days", "31-days", "10-years", "100-years"} {
		if _, err := c.Get(ctx, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	past := time.Now().Add(-time.Second)
	if _, err := c.Set(ctx, "past", memcached.Item{Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set(ctx, "past", memcached.Item{Value: []byte("w"), Expires: past}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(ctx, "past"); err != memcached.ErrMiss {
		t.Errorf("an item whose time has passed: got %v, want ErrMiss", err)
	}
	if err := c.Touch(ctx, "a-minute", past); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(ctx, "a-minute"); err != memcached.ErrMiss {
		t.Errorf("touched with a time that has passed: got %v, want ErrMiss", err)
	}
}

func TestKeysThatMemcachedCannotTakeAreHashed(t *testing.T) {
	server := memcachedtest.Start(t)
	c := newClient(t, nil, server)
	ctx := within(t, time.Minute)
	keys := []string{
		"", " ", "a b", "a\r\nb", "tab\t", "\x7f", "key\x00", strings.Repeat("k", 251), strings.Repeat("k", 252), strings.Repeat("键", 84),
		"plain", strings.Repeat("k", 250), "键", memcached.HashKey("a b"), "sha256:", memcached.HashKey(memcached.HashKey("a b")),
	}
	for _, key := range keys {
		if _, err := c.Add(ctx, key, memcached.Item{Value: []byte("value of " + key)}); err != nil {
			t.Errorf("Add(%q): %v", key, err)
		}
	}
	for _, key := range keys {
		if got, err := c.Get(ctx, key); err != nil || string(got.Value) != "value of "+key {
			t.Errorf("Get(%q): got %q, %v", key, got.Value, err)
		}
	}
	hashed := memcached.HashKey("a b")
	if got := server.Command("get " + hashed + "\r\n"); got != "VALUE "+hashed+" 0 12" {
		t.Errorf("under the hashed key: got %q", got)
	}

	own := newClient(t, &memcached.Options{HashKey: func(key string) string { return "own:" + fmt.Sprint(len(key)) }}, server)
	if _, err := own.Set(ctx, "a b", memcached.Item{}); err != nil {
		t.Error(err)
	}
	if got := server.Command("get own:3\r\n"); got != "VALUE own:3 0 0" {
		t.Errorf("under Options.HashKey's key: got %q", got)
	}
	bad := newClient(t, &memcached.Options{HashKey: func(key string) string { return key }}, server)
	if _, err := bad.Set(ctx, "a b", memcached.Item{}); err == nil {
		t.Error("a key that HashKey did not make legal was sent")
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates: make test counts, make race does not")
	}
	one := memcachedtest.Start(t)
	three := []*memcachedtest.Server{one, memcachedtest.Start(t), memcachedtest.Start(t)}
	ctx := within(t, time.Minute)
	item := memcached.Item{Value: make([]byte, 4096), Expires: time.Now().Add(time.Hour)}
	for name, c := range map[string]*memcached.Client{
		"one server":    newClient(t, nil, one),
		"three servers": newClient(t, nil, three...),
	} {
		key := "a-session-id-of-more-than-32-bytes:0123456789abcdef"
		token, err := c.Set(ctx, key, item)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			op   string
			want float64
			f    func() error
		}{
			{"Get", 1, func() error { _, err := c.Get(ctx, key); return err }},
			{"Touch", 0, func() error { return c.Touch(ctx, key, item.Expires) }},
			{"Set", 0, func() (err error) { token, err = c.Set(ctx, key, item); return err }},
			{"CompareAndSet", 0, func() (err error) { token, err = c.CompareAndSet(ctx, key, item, token); return err }},
		} {
			got := testing.AllocsPerRun(1000, func() {
				if err := test.f(); err != nil {
					t.Fatal(err)
				}
			})
			if got > test.want {
				t.Errorf("%s, %s: got %v allocations, want %v", name, test.op, got, test.want)
			}
		}
	}
}

func TestADoneContextSendsNothing(t *testing.T) {
	c := newClient(t, nil, memcachedtest.Start(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Set(ctx, "k", memcached.Item{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := c.Get(within(t, time.Minute), "k"); err != memcached.ErrMiss {
		t.Errorf("it was stored: %v", err)
	}
}

func TestADoneContextProbesNothing(t *testing.T) {
	server := memcachedtest.Start(t)
	c := newClient(t, nil, server)
	one, err := c.On(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		for range 3 { // a lone caller reads its reply itself, so that it has it before it looks at its context
			if _, err := c.Probe(within(t, time.Minute), server.Addr); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []*memcached.Client{c, one} {
			if in, err := c.Probe(ctx, server.Addr); !errors.Is(err, context.Canceled) {
				t.Fatalf("Probe: got %q, %v, want context.Canceled", in, err)
			}
		}
	}
}

func TestProbeNamesTheIncarnation(t *testing.T) {
	server := memcachedtest.Start(t)
	a, b := newClient(t, nil, server), newClient(t, &memcached.Options{Conns: 3}, server)
	ctx := within(t, time.Minute)
	first, err := a.Probe(ctx, server.Addr)
	if err != nil || first == "" {
		t.Fatalf("got %q, %v", first, err)
	}
	for range 10 {
		if got, err := b.Probe(ctx, server.Addr); err != nil || got != first {
			t.Errorf("another client: got %q, %v, want %q", got, err, first)
		}
	}
	server.Restart()
	eventually(t, "the probe succeeds again", func() bool {
		got, err := a.Probe(ctx, server.Addr)
		if err == nil && got == first {
			t.Errorf("after a restart: the same incarnation %q", got)
		}
		return err == nil
	})
	if _, err := a.Probe(ctx, "elsewhere"); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("a server that is not listed: got %v", err)
	}
}

func TestSetServersUnderLoad(t *testing.T) {
	noneLeft(t)
	servers := []*memcachedtest.Server{memcachedtest.Start(t), memcachedtest.Start(t), memcachedtest.Start(t)}
	c := newClient(t, nil, servers[:2]...)
	ctx := within(t, time.Minute)
	done := make(chan error, 20)
	stop := make(chan struct{})
	for i := range cap(done) {
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				key := fmt.Sprintf("key-%d-%d", i, n)
				if _, err := c.Set(ctx, key, memcached.Item{Value: []byte(key)}); err != nil {
					done <- err
					return
				}
				if got, err := c.Get(ctx, key); err != memcached.ErrMiss && (err != nil || string(got.Value) != key) {
					done <- fmt.Errorf("Get(%s): %q, %w", key, got.Value, err)
					return
				}
			}
		}()
	}
	two := memcached.Servers(servers[0].Addr, servers[1].Addr)
	three := memcached.Servers(servers[0].Addr, servers[1].Addr, servers[2].Addr)
	for i := range 20 {
		list := three
		if i%2 == 1 {
			list = two
		}
		moved, err := c.SetServers(list)
		if err != nil {
			t.Error(err)
		}
		if moved < 0.2 || moved > 0.5 {
			t.Errorf("got a share of %.2f that moves, want about a third", moved)
		}
		if got := len(c.Nodes()); got != len(list) {
			t.Errorf("got %d nodes, want %d", got, len(list))
		}
		time.Sleep(5 * time.Millisecond) // lets some load pass between the changes
	}
	close(stop)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if _, err := c.SetServers(nil); err == nil {
		t.Error("an empty list was taken")
	}
	if _, err := c.Set(ctx, "k", memcached.Item{}); err != nil {
		t.Errorf("after a list that was refused: %v", err)
	}
	c.Close()
	if _, err := c.SetServers(three); err != memcached.ErrClosed {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
}

func TestClose(t *testing.T) {
	noneLeft(t)
	server := memcachedtest.Start(t)
	c := newClient(t, nil, server)
	ctx := within(t, time.Minute)
	if _, err := c.Set(ctx, "k", memcached.Item{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Get(ctx, "k"); !errors.Is(err, memcached.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestNewJoinsEveryMistake(t *testing.T) {
	_, err := memcached.New(memcached.Servers("a:b"), &memcached.Options{
		Conns: -1,
		Auth:  memcached.Auth{User: "a b", Password: "hidden"},
	})
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{"Conns", "Auth", `"a:b"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Errorf("%q holds the password", err)
	}
	o := memcached.Options{Auth: memcached.Auth{User: "user", Password: "hidden"}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, o); strings.Contains(s, "hidden") || strings.Contains(s, "user") {
			t.Errorf("%s prints %q", format, s)
		}
	}
}

func TestNodesAreOfTheList(t *testing.T) {
	c, err := memcached.New(memcached.Servers("a", "b:1", "unix:///c"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := c.Nodes(), []string{"a", "b:1", "unix:///c"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := c.Node("key"); !slices.Contains(c.Nodes(), got) {
		t.Errorf("got %q, which is not in the list", got)
	}
}

func TestOnHasEveryKeyOnOneServer(t *testing.T) {
	servers := []*memcachedtest.Server{memcachedtest.Start(t), memcachedtest.Start(t)}
	c := newClient(t, nil, servers...)
	ctx := within(t, time.Minute)
	for _, s := range servers {
		one, err := c.On(s.Addr)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			key := fmt.Sprint("k", i)
			if _, err := one.Add(ctx, key, memcached.Item{Value: []byte(s.Addr)}); err != nil {
				t.Errorf("Add of %s on %s: %v", key, s.Addr, err)
			}
			if got := one.Node(key); got != s.Addr {
				t.Errorf("Node(%s): got %s, want %s", key, got, s.Addr)
			}
		}
		if got := one.Nodes(); !slices.Equal(got, []string{s.Addr}) {
			t.Errorf("Nodes: got %q, want %s alone", got, s.Addr)
		}
		if _, err := one.Probe(ctx, s.Addr); err != nil {
			t.Errorf("Probe of its server: %v", err)
		}
		if _, err := one.SetServers(memcached.Servers(s.Addr)); err == nil {
			t.Error("SetServers of one server: got no error")
		}
		if err := one.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	for i := range 10 { // which one.Close has not closed
		key := fmt.Sprint("k", i)
		if got, err := c.Get(ctx, key); err != nil || string(got.Value) != c.Node(key) {
			t.Errorf("Get of %s: got %q, %v, want what stands on %s", key, got.Value, err, c.Node(key))
		}
	}
	second, err := c.On(servers[1].Addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Probe(ctx, servers[0].Addr); err == nil {
		t.Error("Probe of another server: got no error")
	}
	if _, err := c.SetServers(memcached.Servers(servers[0].Addr)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Get(ctx, "k0"); err == nil || !strings.Contains(err.Error(), servers[1].Addr) {
		t.Errorf("Get on a server that has left the list: got %v, want an error that names it", err)
	}
	if _, err := c.On(servers[1].Addr); err == nil {
		t.Error("On a server that has left the list: got no error")
	}
}

func TestEvictionsAreThoseOfTheServer(t *testing.T) {
	noneLeft(t)
	small := memcachedtest.Start(t, "-m", "2")
	c := newClient(t, nil, small)
	defer c.Close()
	one, err := c.On(small.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []*memcached.Client{c, one} {
		if got, err := client.Evictions(t.Context(), small.Addr); got != 0 || err != nil {
			t.Errorf("before: got %d, %v, want 0", got, err)
		}
	}
	for n := range 100 {
		if _, err := c.Set(within(t, time.Minute), fmt.Sprint("key ", n), memcached.Item{Value: make([]byte, 100_000)}); err != nil {
			t.Fatal(err)
		}
	}
	_, after, _ := strings.Cut(small.CommandUntil("stats\r\n", "END\r\n"), "STAT evictions ")
	want, _, _ := strings.Cut(after, "\r\n")
	for _, client := range []*memcached.Client{c, one} {
		if got, err := client.Evictions(t.Context(), small.Addr); fmt.Sprint(got) != want || got == 0 || err != nil {
			t.Errorf("got %d, %v, want %s", got, err, want)
		}
		if _, err := client.Evictions(t.Context(), "elsewhere"); err == nil || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("a server that is not listed: got %v", err)
		}
	}
	silent := fakeHello(t, "MN\r\n", goodSettings+goodStats, func(net.Conn, *bufio.Reader) {})
	other, err := memcached.New(memcached.Servers(silent), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Evictions(t.Context(), silent); !errors.Is(err, memcached.ErrNotMeta) {
		t.Errorf("stats without evictions: got %v, want ErrNotMeta", err)
	}
	c.Close()
	if got, err := c.Evictions(t.Context(), small.Addr); err == nil {
		t.Errorf("after Close: got %d", got)
	}
}
