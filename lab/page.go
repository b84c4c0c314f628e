package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/test/host"
)

// results is what a run has found.
type results struct {
	plan   plan
	origin string
	acts   []actResults
}

type actResults struct {
	act
	tallies []*tally
}

// originOf says where figures come from. It is read before the run, whose own load does
// not count.
func originOf(ctx context.Context, p plan) string {
	versions := []string{runtime.Version(), version(ctx, "redis-server"), version(ctx, "memcached")}
	for _, m := range []struct{ name, path string }{
		{"rueidis", "github.com/redis/rueidis"},
		{"scs", "github.com/alexedwards/scs/v2"},
		{"scs/redisstore", "github.com/alexedwards/scs/redisstore"},
		{"redigo", "github.com/gomodule/redigo"},
		{"scs/goredisstore", "github.com/alexedwards/scs/goredisstore"},
		{"go-redis", "github.com/redis/go-redis/v9"},
		{"gorilla/sessions", "github.com/gorilla/sessions"},
		{"redistore", "github.com/boj/redistore"},
		{"gin", "github.com/gin-gonic/gin"},
		{"gin-contrib/sessions", "github.com/gin-contrib/sessions"},
		{"gomemcache", "github.com/bradfitz/gomemcache"},
		{"fiber", "github.com/gofiber/fiber/v3"},
		{"fiber storage/redis", "github.com/gofiber/storage/redis/v3"},
	} {
		versions = append(versions, m.name+" "+host.Module(m.path))
	}
	if slices.ContainsFunc(p.peers, func(x peerOf) bool { return x.Node }) {
		versions = append(versions, host.Node(ctx, p.nodeDir)...)
	}
	return fmt.Sprintf("* Machine: %s\n* Versions: %s\n* Commit: %s\n* Date: %s\n* Again: `make lab`",
		host.Machine(), strings.Join(versions, ", "), host.Commit(ctx, "docs/COMPARISON.md", "docs/comparison.svg"), time.Now().UTC().Format(time.DateOnly))
}

// version is a server's own word.
func version(ctx context.Context, command string) string {
	out, _ := exec.CommandContext(ctx, command, "--version").Output()
	if m := regexp.MustCompile(`\d+(\.\d+)+`).Find(out); m != nil {
		return command + " " + string(m)
	}
	return command + " of an unknown version"
}

// text is the page.
func (r results) text() string {
	var b strings.Builder
	p := r.plan
	fmt.Fprintf(&b, pageHead, r.origin, p.visitors, p.pause.Milliseconds(), p.limit.Seconds(),
		p.before.Seconds(), p.fault.Seconds(), p.after.Seconds())
	b.WriteString("\n## All acts together\n\n")
	b.WriteString(summaryHead)
	for _, x := range p.peers {
		sum := r.sum(x.Title)
		if sum == nil {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", x.Title, part(sum.Served, sum.Asked), count(sum.Kept, sum.Stayed),
			count(sum.Lost, sum.Told), count(sum.Revived, sum.Ended), sum.slowest())
	}
	b.WriteString("\n## Where others do as well, or better\n\n")
	b.WriteString(r.credit())
	for _, a := range r.acts {
		if len(a.tallies) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", title(a.name), a.story)
		b.WriteString(actHead)
		for _, t := range a.tallies {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", t.title, part(t.Served, t.Asked), count(t.Kept, t.Stayed),
				count(t.Lost+t.Dropped, t.Told+t.HungUp), count(t.Ended, t.Logouts), count(t.Revived, t.Ended), t.slowest())
		}
	}
	b.WriteString(pageEnd)
	return b.String()
}

// sum is all acts of one peer, nil where it had none.
func (r results) sum(title string) *tally {
	var sum *tally
	for _, a := range r.acts {
		for _, t := range a.tallies {
			if t.title != title {
				continue
			}
			if sum == nil {
				sum = &tally{title: title}
			}
			sum.add(t)
		}
	}
	return sum
}

// credit says, for each peer, which acts it went through without a fault, and for
// Holdfast which it did not.
func (r results) credit() string {
	var b strings.Builder
	for _, x := range r.plan.peers {
		var well, not []string
		for _, a := range r.acts {
			for _, t := range a.tallies {
				switch {
				case t.title != x.Title:
				case t.perfect() && t.waited() != "":
					well = append(well, a.name+" ("+t.waited()+")")
				case t.perfect():
					well = append(well, a.name)
				default:
					not = append(not, a.name)
				}
			}
		}
		switch ours := strings.HasPrefix(x.Name, "holdfast"); {
		case ours && len(not) == 0:
			fmt.Fprintf(&b, "* %s: no fault in any act.\n", x.Title)
		case ours:
			fmt.Fprintf(&b, "* %s: **a fault** in: %s.\n", x.Title, strings.Join(not, ", "))
		case len(well) > 0:
			fmt.Fprintf(&b, "* %s: no fault in: %s.\n", x.Title, strings.Join(well, ", "))
		default:
			fmt.Fprintf(&b, "* %s: a fault in each act.\n", x.Title)
		}
	}
	return b.String()
}

func count(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", n, of)
}

func part(n, of int) string {
	if of == 0 {
		return "–"
	}
	if n == of {
		return "100 %"
	}
	return fmt.Sprintf("%.1f %%", min(99.9, 100*float64(n)/float64(of)))
}

func title(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

const pageHead = `# Holdfast and other libraries in the same faults

What do visitors meet when their session store fails, and when two of their requests run at once? ` + "`make lab`" + ` writes this
page and its picture. All figures are from one run, in which the same client did the same to every library at the same time, on
the same servers.

![What visitors met](comparison.svg)

%s

%d visitors of each peer, in each act, with fresh servers and processes. A visitor logs in, and then looks at the session and
adds a thing to the cart in turn, %d ms after each answer, and waits for %.0f s at most. The store is up for %.0f s, fails for
%.0f s, and is up again for %.0f s. A quarter of the visitors log out before the fault, and a quarter in the middle of it. A visitor whose
logout is refused tries again. At the end the lab checks what each visitor has.

* **Served**: of the requests during the fault, those that were answered 200 and with the visitor's own login. Not served are an error
  page, a page for somebody who is not logged in, and no answer.
* **Kept**: of the visitors who did not log out, those who are still logged in at the end.
* **Writes lost**: of the things whose addition the application acknowledged (200), those that are not in the cart at the end. If a
  visitor was logged out, all of their things are lost. A write that was refused is not lost; it counts as not served. In the act of
  hang-ups nothing is acknowledged, and each change counts whose handler ran to its end.
* **Logouts told**: of the logouts that were tried, those answered 200.
* **Revived**: of these, those where the cookies from before the logout are logged in again at the end.
* **Slowest**: the longest wait for an answer in the whole act.
`

const summaryHead = `| | served | visitors kept | writes lost | logouts revived | slowest answer |
|---|--:|--:|--:|--:|--:|
`

const actHead = `| | served | kept | writes lost | logouts told | revived | slowest |
|---|--:|--:|--:|--:|--:|--:|
`

const pageEnd = `
## How the libraries are set up

Each library is set up as its own documents show, with the defaults of its client. The code is in [lab/peer](../lab/peer) and
[lab/node](../lab/node), some fifty lines for each library. There is one exception, in their favor: where a README ignores the error of
a save, the application here reports it. Redis is one server, because not all of the libraries can use more; memcached is three nodes.
gorilla's cookies have no store, so no act makes it fail.

Timeouts, pools and retries can be tuned, which improves "slowest" for most of the libraries. Their defaults are a choice. In the act
where the store takes 300 ms longer, Holdfast treats it as down, because it waits for 250 ms without a backup and for 50 ms with one.
The others wait, and serve every request slowly. Without a backup Holdfast refuses nearly all requests in that act, unless its timeouts
are raised.

Not compared: speed ([BENCHMARKS.md](BENCHMARKS.md)), several instances of the application, other stores of these libraries,
Sentinel and Cluster. The other libraries have advantages that the table does not show: scs has some twenty stores and can be read in
an evening; gorilla's cookies need no store, so they do not depend on one, although no logout ends a session that somebody has copied;
express-session is what most Node applications use.
`
