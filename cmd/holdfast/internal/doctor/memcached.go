package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/address"
)

// memcachedFacts are the settings and figures that a memcached reports.
type memcachedFacts struct {
	stats    map[string]string
	settings map[string]string
	skew     time.Duration
	loopback bool
	password bool
}

// ring is the list of servers of an instance.
type ring struct {
	subject string
	servers []string
}

func (r *Report) memcached(ctx context.Context, text string) (ring, bool) {
	list, auth, err := memcachedServers(text)
	if err != nil {
		r.blind("memcached:", err)
		return ring{}, false
	}
	all := ring{"memcached://" + strings.Join(list, ","), list}
	var items []string
	for _, server := range list {
		name := "memcached://" + server
		facts, err := askMemcached(ctx, server, auth)
		if err != nil {
			r.blind(name, err)
			continue
		}
		r.Looked = append(r.Looked, name)
		judge(r, name, memcachedRules, facts)
		if len(items) == 0 {
			r.skews[all.subject] = facts.skew
		}
		items = append(items, facts.settings["item_size_max"])
	}
	if len(slices.Compact(slices.Sorted(slices.Values(items)))) > 1 {
		r.Findings = append(r.Findings, Finding{
			"memcached-sizes", all.subject, Warning, "their largest items differ: " + strings.Join(items, ", "),
			"a large session is saved or not, by the server that has it", "-I, the same for all",
		})
	}
	return all, true
}

// memcachedServers returns the servers of an address, and the user and password as the text
// protocol sends them.
func memcachedServers(text string) (list []string, auth string, err error) {
	text = strings.TrimSuffix(strings.TrimPrefix(text, "memcached://"), "/")
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		user, password, _ := strings.Cut(text[:i], ":")
		user, err1 := url.PathUnescape(user)
		password, err2 := url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return nil, "", address.ErrStore
		}
		auth, text = user+" "+password, text[i+1:]
	}
	for server := range strings.SplitSeq(text, ",") {
		if _, _, err := net.SplitHostPort(server); err != nil {
			return nil, "", address.ErrStore
		}
		list = append(list, server)
	}
	return list, auth, nil
}

// askMemcached asks without the password first: a server that has none takes the command
// which sends one for an item to store.
func askMemcached(ctx context.Context, server, auth string) (memcachedFacts, error) {
	f, err := askMemcachedOnce(ctx, server, "")
	if auth != "" && errors.Is(err, errPassword) {
		f, err = askMemcachedOnce(ctx, server, auth)
		f.password = true
	}
	if errors.Is(err, errCrowded) { // all that is known of it
		f, err = memcachedFacts{stats: map[string]string{"rejected_connections": "1"}}, nil
	}
	host, _, _ := net.SplitHostPort(server)
	ip := net.ParseIP(host)
	f.loopback = host == "localhost" || ip != nil && ip.IsLoopback()
	return f, err
}

// errCrowded is the answer of a server that has no connection left, and then closes this
// one.
var errCrowded = errors.New("too many open connections")

var errPassword = errors.New("it wants a password: memcached://user:password@host:port")

func askMemcachedOnce(ctx context.Context, server, auth string) (memcachedFacts, error) {
	var f memcachedFacts
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", server)
	if err != nil {
		return f, err
	}
	defer func() { _ = conn.Close() }()
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(5 * time.Second)
	}
	if err := conn.SetDeadline(end); err != nil {
		return f, err
	}
	in := bufio.NewReader(conn)
	if auth != "" {
		fmt.Fprintf(conn, "set auth 0 0 %d\r\n%s\r\n", len(auth), auth)
		line, err := in.ReadString('\n')
		if err != nil {
			return f, err
		}
		if !strings.HasPrefix(line, "STORED") {
			return f, errors.New("it refuses the password")
		}
	}
	before := time.Now()
	if f.stats, err = readStats(conn, in, "stats"); err != nil {
		return f, err
	}
	after := time.Now()
	seconds, err := strconv.ParseInt(f.stats["time"], 10, 64)
	if err != nil {
		return f, fmt.Errorf("stats: no time: %w", err)
	}
	if now := time.Unix(seconds, 0); now.Before(before.Add(-2*time.Second)) || now.After(after) { // it counts in whole seconds
		f.skew = skewOf(now, before, after)
	}
	f.settings, err = readStats(conn, in, "stats settings")
	return f, err
}

func readStats(conn net.Conn, in *bufio.Reader, command string) (map[string]string, error) {
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return nil, err
	}
	all := map[string]string{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("%s: %w", command, err)
		}
		line = strings.TrimSpace(line)
		if line == "END" {
			return all, nil
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "STAT "), " ")
		if strings.HasPrefix(line, "CLIENT_ERROR unauthenticated") {
			return nil, errPassword
		}
		if strings.HasPrefix(line, "ERROR Too many open connections") {
			return nil, errCrowded
		}
		if !strings.HasPrefix(line, "STAT ") {
			return nil, fmt.Errorf("%s: it answers %q", command, line)
		}
		if !ok {
			value = ""
		}
		all[name] = value
	}
}

func (f memcachedFacts) number(name string) float64 {
	n, _ := strconv.ParseFloat(f.stats[name], 64)
	return n
}

var memcachedRules = []rule[memcachedFacts]{
	{
		"memcached-cas", Error,
		"no session can be changed: 503, or changes in backups only",
		"start it without -C",
		func(f memcachedFacts) string { return sayIf(f.settings["cas_enabled"] == "no", "it has no CAS (-C)") },
	},
	{
		"memcached-errors", Error,
		"a save for which there is no room deletes the session that it was to replace: people who are active are logged out",
		"start it without -M",
		func(f memcachedFacts) string {
			return sayIf(f.settings["evictions"] == "off", "it returns errors in place of evictions (-M)")
		},
	},
	{
		"memcached-evicted", Error,
		"people were logged out before their time",
		"-m, until evictions stay 0",
		func(f memcachedFacts) string {
			return sayIf(f.number("evictions") > 0, "it has evicted %s items since it started", f.stats["evictions"])
		},
	},
	{
		"memcached-headroom", Warning,
		"when the rest is used up sessions end early: people are logged out",
		"-m, twice what the sessions of a busy hour take",
		func(f memcachedFacts) string {
			return nearlyFull(f.number("bytes"), f.number("limit_maxbytes"), "-m")
		},
	},
	{
		"memcached-item", Warning,
		"a session that grows cannot be saved (ErrTooLarge), and the logs of ended sessions cannot either",
		"-I 1m, the default",
		func(f memcachedFacts) string {
			n, err := strconv.Atoi(f.settings["item_size_max"])
			return sayIf(err == nil && n < 1<<20, "its largest item has %d bytes (-I)", n)
		},
	},
	{
		"memcached-old", Error,
		"503 on every page with a session",
		"memcached 1.6.13 or later",
		func(f memcachedFacts) string {
			return sayIf(olderThan(f.stats["version"], 1, 6, 13), "it is memcached %s", f.stats["version"])
		},
	},
	{
		"memcached-connections", Error,
		"instances that start get no connection: 503, or sessions from backups",
		"-c",
		func(f memcachedFacts) string {
			used, most := f.number("curr_connections"), f.number("max_connections")
			refused := f.number("listen_disabled_num") + f.number("rejected_connections")
			return crowded(used, most, refused, "times there was none")
		},
	},
	{
		"memcached-idle", Warning,
		"a page now and then waits for a second connection",
		"start it without -o idle_timeout",
		func(f memcachedFacts) string {
			return sayIf(f.settings["idle_timeout"] != "0" && f.settings["idle_timeout"] != "", "it closes connections that are idle for %s s", f.settings["idle_timeout"])
		},
	},
	{
		"memcached-flushed", Warning,
		"everybody was logged out, or came back by a backup",
		"whoever sends flush_all: start it with -F, which refuses it",
		func(f memcachedFacts) string {
			return sayIf(f.number("cmd_flush") > 0, "it was flushed %s times since it started", f.stats["cmd_flush"])
		},
	},
	{
		"memcached-open", Error,
		"whoever reaches the server reads and makes sessions of everybody",
		"-l with an address of the inner network, a firewall; -Y with -Z",
		func(f memcachedFacts) string {
			return sayIf(!f.loopback && !f.password, "it takes commands without a password")
		},
	},
	{
		"memcached-clock", Warning,
		"sessions expire too early or too late",
		"NTP, on both machines",
		func(f memcachedFacts) string { return skewed(f.skew, someSkew, muchSkew) },
	},
	{
		"memcached-clock-far", Error,
		"sessions expire at once, or long after their time",
		"NTP, on both machines",
		func(f memcachedFacts) string { return skewed(f.skew, muchSkew, 0) },
	},
}

// olderThan compares a version's first three numbers.
func olderThan(version string, want ...int) bool {
	parts := strings.Split(version, ".")
	for i, w := range want {
		if i >= len(parts) {
			return true
		}
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return false // a version that says more than numbers
		}
		if n != w {
			return n < w
		}
	}
	return false
}

// rings compares the lists that instances use. Each session has its server by the servers'
// names.
func (r *Report) rings(all []ring) {
	for _, other := range all[min(1, len(all)):] {
		if slices.Equal(slices.Sorted(slices.Values(other.servers)), slices.Sorted(slices.Values(all[0].servers))) {
			continue
		}
		r.Findings = append(r.Findings, Finding{
			"memcached-lists", other.subject, Error, "another instance's list is " + all[0].subject,
			"a visitor is logged in at one instance and not at the other, and changes at one are lost at the other",
			"the list of servers: the same names in every instance, or a Label for each server",
		})
	}
}
