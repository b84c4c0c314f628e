package redisstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/seal"
)

// killing is a Redis, a directory, and instances that share both and are killed.
type killing struct {
	*testing.T
	server *redistest.Server
	dir    string
	keys   string
	limit  string       // for the shell's ulimit, or ""
	said   printed.Text // by all instances

	instances []*killed
	visitors  []*itemVisitor
}

// killed is an instance, a process of its own.
type killed struct {
	cmd *exec.Cmd
	url string
}

func newKilling(t *testing.T) *killing {
	k := &killing{T: t, server: redistest.Start(t), dir: t.TempDir(), keys: seal.NewKey().Reveal()}
	t.Cleanup(k.killAll)
	return k
}

// start starts an instance. Its address is the first line that it prints.
func (k *killing) start() *killed {
	k.Helper()
	self, err := os.Executable()
	if err != nil {
		k.Fatal(err)
	}
	cmd := exec.Command(self)
	if k.limit != "" {
		cmd = exec.Command("sh", "-c", `ulimit -f "$1" && exec "$0"`, self, k.limit)
	}
	cmd.Env = append(os.Environ(), instanceEnv+"="+k.server.URL(), "SESSION_TEST_DIR="+k.dir, "SESSION_TEST_KEYS="+k.keys)
	cmd.Stderr = &k.said
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.Fatal(err)
	}
	i := &killed{cmd: cmd}
	k.instances = append(k.instances, i)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		k.Fatalf("the instance does not start: %v", err)
	}
	i.url = "http://" + line[:len(line)-1]
	return i
}

// kill is SIGKILL.
func (k *killing) kill(i *killed) {
	_ = i.cmd.Process.Kill()
	_ = i.cmd.Wait()
	k.instances = slices.DeleteFunc(k.instances, func(other *killed) bool { return other == i })
}

func (k *killing) killAll() {
	for len(k.instances) > 0 {
		k.kill(k.instances[0])
	}
}

func (k *killing) stats(i *killed) (st session.Stats) {
	k.Helper()
	answer, err := http.Get(i.url + "/stats")
	if err != nil {
		k.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&st); err != nil {
		k.Fatal(err)
	}
	return st
}

// itemVisitor is a visitor and what was acknowledged.
type itemVisitor struct {
	client http.Client
	jar    *cookiejar.Jar
	have   []string
	ended  []string // tokens
}

func (k *killing) visitor() *itemVisitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		k.Fatal(err)
	}
	v := &itemVisitor{jar: jar, client: http.Client{Jar: jar, Timeout: 20 * time.Second}}
	k.visitors = append(k.visitors, v)
	return v
}

// ask sends a request, and reports whether it was acknowledged.
func (v *itemVisitor) ask(i *killed, path string) bool {
	answer, err := v.client.Get(i.url + "/" + path)
	if err != nil {
		return false // it was killed, before or after the write
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

func (v *itemVisitor) token(i *killed) string {
	u, err := url.Parse(i.url)
	if err != nil {
		panic(err)
	}
	for _, c := range v.jar.Cookies(u) {
		if c.Name == "session" {
			return c.Value
		}
	}
	return ""
}

func (v *itemVisitor) add(i *killed, item string) bool {
	ok := v.ask(i, "add/"+item)
	if ok {
		v.have = append(v.have, item)
	}
	return ok
}

func (v *itemVisitor) logout(i *killed) bool {
	token := v.token(i)
	ok := v.ask(i, "logout")
	if ok {
		v.have, v.ended = nil, append(v.ended, token)
	}
	return ok
}

// work lets n visitors do something each, eight at once. It fails the test where one
// of them is refused.
func (k *killing) work(l []*itemVisitor, what string, do func(v *itemVisitor, n int) bool) {
	k.Helper()
	var next, refused atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(l); n = int(next.Add(1)) - 1 {
				if !do(l[n], n) {
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if refused.Load() > 0 {
		k.Errorf("%s: %d of %d were refused", what, refused.Load(), len(l))
	}
}

// settled waits until an instance owes the store nothing.
func (k *killing) settled(i *killed) {
	k.Helper()
	eventually(k, "the store has everything", func() bool {
		j := k.stats(i).Journal
		return j.States+j.Tombstones+j.Again == 0
	})
}

// check fails the test where the store lacks something that was acknowledged.
func (k *killing) check(i *killed) {
	k.Helper()
	c := k.count(i)
	if c.lost+c.revived > 0 || c.wrote == 0 {
		k.Errorf("%d of %d acknowledged writes are lost, %d of %d logouts revived", c.lost, c.wrote, c.revived, c.ended)
		return
	}
	k.Logf("%d acknowledged writes and %d logouts, all in the store", c.wrote, c.ended)
}

// found is how much of what was acknowledged is in the store.
type found struct{ wrote, lost, ended, revived int }

// count looks into the store with the tokens alone.
func (k *killing) count(i *killed) (c found) {
	k.Helper()
	knowsNothing, err := session.New(newStore(k, k.server), &session.Options{Cookie: session.Cookie{Insecure: true}, ReadTimeout: patience})
	if err != nil {
		k.Fatal(err)
	}
	look := func(token string) (got []string, alive bool) {
		s := knowsNothing.Load(context.Background(), http.Header{"Cookie": {"session=" + token}})
		if s.Err() != nil || s.ID() == "" {
			return nil, false
		}
		return items.Or(s, nil), true
	}
	for _, v := range k.visitors {
		c.wrote += len(v.have)
		c.ended += len(v.ended)
		if len(v.have) > 0 {
			got, _ := look(v.token(i))
			for _, item := range v.have {
				if !slices.Contains(got, item) {
					c.lost++
				}
			}
		}
		for _, token := range v.ended {
			if _, alive := look(token); alive {
				c.revived++
			}
		}
	}
	return c
}

// before is what visitors have done while the store was well.
func (k *killing) before(i *killed, n int) {
	k.Helper()
	for range n {
		k.visitor()
	}
	eventually(k, "the store is believed", func() bool {
		st := k.stats(i)
		return len(st.Shards) == 1 && st.Shards[0].State == session.Serving && st.Shards[0].Quarantine == 0
	})
	k.work(k.visitors, "before the outage", func(v *itemVisitor, n int) bool { return n%3 == 0 || v.add(i, "before") })
	k.settled(i) // also where the machine was too slow for the store's budget
}

// during is what they do in the outage: a third of them comes for the first time, a
// third adds something, a third logs out; a few log in. None of them returns.
func (k *killing) during(i *killed, name string) {
	k.Helper()
	k.work(k.visitors, name, func(v *itemVisitor, n int) bool {
		switch {
		case n%3 == 2 && n%2 == 0 && len(v.have) > 0:
			return v.logout(i)
		case n%9 == 1:
			return v.ask(i, "login") && v.add(i, name)
		}
		return v.add(i, name)
	})
}

func TestWhatKilledInstancesOwedReachesTheStore(t *testing.T) {
	const visitors = 60
	cases := []struct {
		name string
		do   func(k *killing) *killed // returns an instance that runs
	}{
		{"killed while the store is well", func(k *killing) *killed {
			a := k.start()
			k.before(a, visitors)
			k.kill(a)
			b := k.start()
			k.server.Freeze()
			k.during(b, "outage")
			k.server.Thaw()
			return b
		}},
		{"one after the other in the outage", func(k *killing) *killed {
			a, b := k.start(), k.start()
			k.before(a, visitors)
			k.server.Freeze()
			k.during(a, "first")
			k.kill(a)
			c := k.start()
			k.during(b, "second")
			k.kill(b)
			d := k.start()
			k.during(c, "third")
			k.kill(c)
			k.kill(d)
			k.server.Thaw()
			return k.start()
		}},
		{"all at once in the outage, and several start at once", func(k *killing) *killed {
			a, b := k.start(), k.start()
			k.before(a, visitors)
			k.server.Freeze()
			k.during(a, "first")
			k.during(b, "second")
			k.killAll()
			k.server.Thaw()
			for range 2 {
				k.start()
			}
			for _, i := range k.instances {
				k.settled(i)
			}
			return k.instances[0]
		}},
		{"when the store is back", func(k *killing) *killed {
			a := k.start()
			k.before(a, visitors)
			k.server.Freeze()
			k.during(a, "outage")
			k.server.Thaw()
			k.killAll()
			return k.start()
		}},
		{"in the middle of the delivery", func(k *killing) *killed {
			a := k.start()
			k.before(a, 6*visitors)
			for round := 1; ; round++ {
				k.server.Freeze()
				k.during(a, fmt.Sprint("outage", round))
				owed := k.stats(a).Journal
				k.server.Thaw()
				eventually(k, "some is delivered", func() bool { return k.stats(a).Journal.States < owed.States*2/3 })
				k.killAll()
				a = k.start()
				left := k.stats(a).Journal
				if left.States+int(left.Delivered) > 0 && left.States < owed.States {
					return a
				}
				k.Logf("%d of %d states were left: the process did not end in the middle", left.States, owed.States)
				if round == 10 {
					k.Fatal("it never did")
				}
				k.settled(a)
			}
		}},
		{"while it writes, and its file anew", func(k *killing) *killed {
			a := k.start()
			k.before(a, visitors)
			k.server.Freeze()
			for round := range 5 {
				stop := time.AfterFunc(time.Duration(100+70*round)*time.Millisecond, func() { _ = a.cmd.Process.Kill() })
				var wg sync.WaitGroup
				for n, v := range k.visitors[:16] {
					wg.Go(func() {
						for i := 0; v.add(a, fmt.Sprintf("%d-%d-%d", round, n, i)); i++ {
						}
					})
				}
				wg.Wait()
				stop.Stop()
				k.kill(a)
				a = k.start()
			}
			k.server.Thaw()
			return a
		}},
	}
	if testing.Short() {
		cases = cases[2:3]
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := newKilling(t)
			i := c.do(k)
			k.settled(i)
			k.check(i)
			for _, i := range slices.Clone(k.instances) {
				if answer, err := http.Get(i.url + "/close"); err != nil || answer.StatusCode != http.StatusOK {
					t.Errorf("Close: %v, %v", answer, err)
				}
				k.kill(i)
			}
			if left, _ := filepath.Glob(filepath.Join(k.dir, "*")); len(left) > 0 {
				t.Errorf("Close left %q", left)
			}
		})
	}
}

// TestOnAFullDiskOnlyWhatDidNotFitIsLost lets a file grow to some kilobytes, as a full
// disk would.
func TestOnAFullDiskOnlyWhatDidNotFitIsLost(t *testing.T) {
	k := newKilling(t)
	k.limit = "24"
	a := k.start()
	k.before(a, 90)
	k.server.Freeze()
	k.work(k.visitors, "outage", func(v *itemVisitor, _ int) bool { return v.add(a, "outage") })
	st := k.stats(a).Journal
	if st.File.Unwritten == 0 || st.File.Failures == 0 || st.States != len(k.visitors) {
		t.Fatalf("the figures are %+v", st)
	}
	k.killAll()
	if n := strings.Count(k.said.String(), "file: failing"); n != 1 {
		t.Errorf("the hook was told %d times that the file fails, want once a minute:\n%s", n, k.said.String())
	}
	k.limit = ""
	b := k.start()
	k.server.Thaw()
	k.settled(b)
	c := k.count(b)
	// Some may have fitted after the figures were read, or were sent before the store
	// was known to be away, and executed when it thawed.
	if c.lost == 0 || c.lost > st.File.Unwritten {
		t.Errorf("%d of %d acknowledged writes are lost, want the %d that did not fit", c.lost, c.wrote, st.File.Unwritten)
	}
	t.Logf("%d of %d fitted", len(k.visitors)-c.lost, len(k.visitors))
}
