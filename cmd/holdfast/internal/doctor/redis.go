package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// redisFacts are the settings and figures that a Redis reports.
type redisFacts struct {
	info     map[string]string
	config   map[string]string // empty where the server does not tell
	skew     time.Duration
	loopback bool
	password bool   // the address has one
	refused  string // what the store needs and the server refuses
}

func (r *Report) redis(ctx context.Context, address string) {
	name := nameOf(address)
	o, err := redisstore.ClientOption(address)
	if err != nil {
		r.blind(name, err)
		return
	}
	o.ForceSingleClient = true
	client, err := dialRedis(ctx, o)
	if err != nil {
		r.blind(name, err)
		return
	}
	defer client.Close()
	facts, err := askRedis(ctx, client)
	if err != nil {
		r.blind(name, err)
		return
	}
	u, _ := url.Parse(address)
	if u != nil {
		ip := net.ParseIP(u.Hostname())
		facts.loopback = u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
		_, facts.password = u.User.Password()
	}
	facts.refused = tryRedis(ctx, client)
	r.Looked, r.skews[name] = append(r.Looked, name), facts.skew
	judge(r, name, redisRules, facts)
}

// dialRedis is rueidis.NewClient with a context.
func dialRedis(ctx context.Context, o rueidis.ClientOption) (rueidis.Client, error) {
	type connection struct {
		client rueidis.Client
		err    error
	}
	connected := make(chan connection, 1)
	go func() {
		client, err := rueidis.NewClient(o)
		connected <- connection{client, err}
	}()
	select {
	case c := <-connected:
		return c.client, c.err
	case <-ctx.Done():
		go func() {
			if c := <-connected; c.err == nil {
				c.client.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

func askRedis(ctx context.Context, client rueidis.Client) (redisFacts, error) {
	f := redisFacts{info: map[string]string{}, config: map[string]string{}}
	text, err := client.Do(ctx, client.B().Info().Build()).ToString()
	if err != nil {
		return f, fmt.Errorf("INFO: %w", err)
	}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			f.info[name] = value
		}
	}
	before := time.Now()
	parts, err := client.Do(ctx, client.B().Time().Build()).AsStrSlice()
	if err != nil || len(parts) != 2 {
		return f, fmt.Errorf("TIME: %w", err)
	}
	seconds, err1 := strconv.ParseInt(parts[0], 10, 64)
	micros, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return f, fmt.Errorf("TIME: %w", err)
	}
	f.skew = skewOf(time.UnixMicro(seconds*1e6+micros), before, time.Now())
	if config, err := client.Do(ctx, client.B().ConfigGet().Parameter("*").Build()).AsStrMap(); err == nil {
		f.config = config // managed services refuse it, and INFO has the most of it
	}
	return f, nil
}

// tryRedis does what the store does with a record of its own, and returns why it could not.
func tryRedis(ctx context.Context, client rueidis.Client) string {
	if err := tryStore(ctx, redisstore.New(client, redisstore.Prefix("holdfast-doctor:"))); err != nil {
		return err.Error()
	}
	return ""
}

func (f redisFacts) number(name string) float64 {
	n, _ := strconv.ParseFloat(f.info[name], 64)
	return n
}

// replicas returns the fields of each replica that INFO names.
func (f redisFacts) replicas() (all []map[string]string) {
	for n := range int(f.number("connected_slaves")) {
		fields := map[string]string{}
		for field := range strings.SplitSeq(f.info["slave"+strconv.Itoa(n)], ",") {
			name, value, _ := strings.Cut(field, "=")
			fields[name] = value
		}
		all = append(all, fields)
	}
	return all
}

func (f redisFacts) primary() bool { return f.info["role"] == "master" }

// goodReplicas returns how many replicas count for min-replicas-to-write.
func (f redisFacts) goodReplicas() int {
	good, most := 0, 10
	if n, err := strconv.Atoi(f.config["min-replicas-max-lag"]); err == nil && n > 0 {
		most = n
	}
	for _, r := range f.replicas() {
		lag, err := strconv.Atoi(r["lag"])
		if r["state"] == "online" && err == nil && lag <= most {
			good++
		}
	}
	return good
}

// snapshots reports whether the server writes its memory to a disk now and then.
func (f redisFacts) snapshots() bool { return f.config["save"] != "" }

// keys returns how many keys there are, and how many of them expire.
func (f redisFacts) keys() (all, expire int) {
	for name, value := range f.info {
		if !strings.HasPrefix(name, "db") || strings.Trim(name, "db0123456789") != "" {
			continue
		}
		for field := range strings.SplitSeq(value, ",") {
			name, text, _ := strings.Cut(field, "=")
			n, _ := strconv.Atoi(text)
			switch name {
			case "keys":
				all += n
			case "expires":
				expire += n
			}
		}
	}
	return all, expire
}

func sayIf(is bool, format string, a ...any) string {
	if !is {
		return ""
	}
	return fmt.Sprintf(format, a...)
}

// nearlyFull says where more than four fifths of the room of is used.
func nearlyFull(used, most float64, of string) string {
	return sayIf(isMost(used, most), "%.0f %% of %s are used", 100*used/most, of)
}

// crowded says where more than four fifths of the connections are in use, or some were
// missing, which lack puts in words.
func crowded(used, most, missing float64, lack string) string {
	return sayIf(missing > 0 || isMost(used, most), "%.0f of %.0f connections are in use, and %.0f %s", used, most, missing, lack)
}

func isMost(used, most float64) bool { return most > 0 && used > 0.8*most }

func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, _ := strings.Cut(address, ":")
		return scheme + ":"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
