package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/bench/load"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/redistest"
)

// field are the contestants at work, each with visitors who have a session.
type field struct {
	plan    plan
	stores  *stores
	out     io.Writer // told what happens
	runners []*runner
	missing []string // why a contestant is not here, a sentence each
}

// runner is a contestant with its visitors.
type runner struct {
	*process
	visitors load.Visitors
	costs    []cost // by the index in routes
}

var routes = []*load.Request{
	{Method: "GET", Path: contestant.Food, Want: contestant.FoodAnswer},
	{Method: "GET", Path: contestant.User, Want: contestant.UserAnswer},
	{Method: "GET", Path: contestant.ReadOnly, Want: contestant.UserAnswer},
	{Method: "POST", Path: contestant.Cart},
}

const (
	foodRoute = iota
	userRoute
	readOnlyRoute
	cartRoute
)

// newField starts all contestants, lets their visitors log in, and checks that
// they answer rightly. Those that kill their store do so now.
func newField(ctx context.Context, p plan, s *stores, out io.Writer) (*field, error) {
	f := &field{plan: p, stores: s, out: out}
	if why := p.withoutNode(); why != "" {
		f.missing = append(f.missing, why)
		p.noNode = true
	}
	for _, c := range contestant.All() {
		if !p.only.MatchString(c.Name) || c.Node && p.noNode {
			continue
		}
		r, err := f.enter(ctx, c)
		if err != nil {
			f.close()
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		f.runners = append(f.runners, r)
		fmt.Fprintf(out, "%s is ready\n", c.Name)
	}
	return f, nil
}

// withoutNode returns why the applications on Node cannot run.
func (p plan) withoutNode() string {
	if _, err := exec.LookPath("node"); err != nil {
		return "Express was left out: there is no Node on this machine."
	}
	if _, err := os.Stat(filepath.Join(p.nodeDir, "node_modules")); err != nil {
		return "Express was left out: its packages are not installed (`npm ci` in bench/node)."
	}
	return ""
}

func (f *field) close() {
	for _, r := range f.runners {
		r.leave()
	}
}

func (r *runner) leave() {
	r.visitors.Leave()
	r.close()
}

func (f *field) enter(ctx context.Context, c contestant.Contestant) (*runner, error) {
	addresses, kill := f.stores.addresses(), func() {}
	if c.Killed {
		switch c.Store {
		case contestant.None, contestant.SQL: // nothing to kill
		case contestant.Redis:
			own := redistest.Start(f.stores.host)
			addresses.Redis, kill = own.Addr(), own.Kill
		case contestant.Memcached:
			own := memcachedtest.Start(f.stores.host, memcachedArgs...)
			addresses.Memcached, kill = own.Addr, own.Kill
		}
	}
	p, err := start(ctx, c, addresses, f.plan.nodeDir, "")
	if err != nil {
		return nil, err
	}
	r := &runner{process: p}
	if r.visitors, err = p.arrive(f.plan.most(), contestant.Usual); err == nil {
		err = r.check()
	}
	if err == nil && c.Killed {
		kill()
		err = r.check()
	}
	if err == nil {
		err = f.count(r)
	}
	if err != nil {
		r.leave()
		return nil, err
	}
	return r, nil
}

// arrive returns visitors who have logged in, with sessions of that shape.
func (p *process) arrive(n int, shape contestant.Shape) (load.Visitors, error) {
	visitors, err := load.Arrive(p.addr, n)
	if err != nil {
		return nil, err
	}
	login := &load.Request{Method: "POST", Path: contestant.Login + "?" + shape.Query(), Want: []byte(`{}`)}
	if err := visitors.Each(login); err != nil {
		visitors.Leave()
		return nil, err
	}
	return visitors, nil
}

// check checks the contestant's answers to a visitor without a session and to one
// with a session, and whether it keeps what was written.
func (r *runner) check() error {
	ask := func(conn *load.Conn, jar *load.Jar, route int, want string) error {
		_, err := conn.Do(jar, &load.Request{Method: routes[route].Method, Path: routes[route].Path, Want: []byte(want)})
		return err
	}
	if _, err := r.visitors[0].Conn.Do(r.visitors[0].Jar, routes[foodRoute]); err != nil {
		return err
	}
	if r.Sessions {
		stranger, err := load.Dial(r.addr)
		if err != nil {
			return err
		}
		defer stranger.Close()
		for _, route := range []int{userRoute, readOnlyRoute} {
			if err := ask(stranger, new(load.Jar), route, `{"name":""}`); err != nil {
				return fmt.Errorf("a stranger: %w", err)
			}
		}
	}
	for range 2 {
		for i, cart := range contestant.Carts() {
			if r.Unchanged {
				cart = contestant.Carts()[0]
			}
			if err := ask(r.visitors[0].Conn, r.visitors[0].Jar, cartRoute, string(cart)); err != nil {
				return fmt.Errorf("write %d: %w", i+1, err)
			}
		}
		for _, route := range []int{userRoute, readOnlyRoute} {
			if err := ask(r.visitors[0].Conn, r.visitors[0].Jar, route, string(contestant.UserAnswer)); err != nil {
				return err
			}
		}
	}
	return nil
}

// cost is what one request to a route takes, counted.
type cost struct {
	commands  string // of the store
	in, out   int    // bytes, as the store sees it
	setCookie int    // bytes
	cookie    int    // bytes, of the request
}

// count fills r.costs. It has one visitor, so that nothing is shared.
func (f *field) count(r *runner) error {
	const n = 200
	v := r.visitors[0]
	for _, route := range routes {
		var c cost
		if _, err := v.Conn.Do(v.Jar, route); err != nil { // what is due is done
			return err
		}
		first := f.stores.traffic(r.Store)
		before := f.stores.traffic(r.Store)
		asking := traffic{in: before.in - first.in, out: before.out - first.out}
		for range n {
			a, err := v.Conn.Do(v.Jar, route)
			if err != nil {
				return err
			}
			c.setCookie += a.SetCookie
			c.cookie += a.CookieLine
		}
		c.setCookie /= n
		c.cookie /= n
		if r.Store != contestant.None && !r.Killed {
			done := f.stores.traffic(r.Store).since(before, asking)
			c.commands = done.per(n)
			c.in = max(0, done.in) / n
			c.out = max(0, done.out) / n
		}
		r.costs = append(r.costs, c)
	}
	return nil
}

// runner returns the contestant of that name, or nil.
func (f *field) runner(name string) *runner {
	for _, r := range f.runners {
		if r.Name == name {
			return r
		}
	}
	return nil
}
