package redisstore

import (
	"errors"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// ClientOption returns the options of a client for [New]: those that url
// names, and those that a session store wants. Give it the options that New
// gets: with [ClientCache] among them, and only then, the client asks the
// server to track what it reads.
//
//	redis://user:password@host:port/database
//	rediss://…                                  over TLS
//	unix://user:password@/path/to/socket?db=1
//	redis://host:port?addr=host2:port2          Cluster: more nodes to ask
//	redis://host:port?master_set=name           Sentinel: host is a sentinel
//
// The scheme says who can read the password and the sessions on their way:
// with redis://, everyone on the network. Use it for loopback addresses and
// networks that encrypt, and rediss:// elsewhere.
//
// Change what you like before rueidis.NewClient, which fails where no server
// answers; with ForceSingleClient it returns a client beside the error, which
// works as soon as one does. The options that are set, and why:
//
//   - DisableRetry: the store itself sends a read again whose connection broke, and
//     nothing that may have written. The client would send a read that fills the
//     [ClientCache] again until its context ends.
//   - DisableCache, unless there is a ClientCache: CLIENT TRACKING, which the
//     client would begin each connection with, is not known to every server nor
//     allowed to every user.
//   - ClientSetInfo, none: nothing depends on it, and it takes a right more.
//   - AlwaysPipelining: without it, a connection that was never used by two at
//     once is waited for until a deadline passes, whatever the context says
//     before, and is closed when it does.
//   - Dialer.Timeout, 1 s: how long all callers wait for the one that connects.
//     The default is 5.
//   - DialCtxFn: the store closes the connections to a server that is a replica
//     now, so that the next ones reach the primary that has taken its place behind
//     the address. It also ends a connection whose answers make no sense, at which the
//     client would end the process.
//   - ConnWriteTimeout, 1 s: a connection that says nothing is given up after
//     this and Dialer.KeepAlive, which is 1 s too. The default is 10. It is no
//     deadline for commands: those are the context's.
//   - CacheSizeEachConn, 16 MiB, and nothing is taken before there is something
//     to keep: what ClientCache may use for each of up to four connections. The
//     default is 128.
//   - ReadBufferEachConn and WriteBufferEachConn, 64 KiB, with which the
//     throughput is the same as with the default of 512.
//   - RingScaleEachConn, 10: each connection has a queue of 1024 commands. It
//     is the default, which the store counts on: do not go below.
//   - ClusterOption.MaxMovedRedirections, 5. The default is no limit.
//   - Sentinel.TopologyRefreshInterval, 5 s, so that the client also learns of a
//     failover whose notice was lost. The default is never.
//
// PipelineMultiplex stays as it is, one to four connections by the number of
// processors. Leave SendToReplicas and ReplicaOnly unset: a replica may not
// have what was just saved. Leave ConnLifetime unset too.
//
// An error says what is wrong with the URL without quoting it, because there
// may be a password in it.
func ClientOption(url string, options ...Option) (rueidis.ClientOption, error) {
	base, query, hasQuery := strings.Cut(url, "?")
	if !strings.HasPrefix(url, "unix:") {
		base = strings.TrimSuffix(base, "/") // which rueidis takes for a database of no number
	}
	if hasQuery {
		base += "?" + query
	}
	o, err := rueidis.ParseURL(base)
	if err != nil || o.InitAddress[0] == "" {
		return rueidis.ClientOption{}, errURL
	}
	var s Store
	for _, option := range options {
		option(&s)
	}
	if s.ttl > 0 && o.DisableCache {
		return rueidis.ClientOption{}, errNoCache
	}
	o.DisableCache = s.ttl <= 0
	o.ClientSetInfo = rueidis.DisableClientSetInfo
	o.DisableRetry = true
	o.AlwaysPipelining = true
	if o.Dialer.Timeout == 0 {
		o.Dialer.Timeout = time.Second
	}
	o.Dialer.KeepAlive = time.Second
	if o.ConnWriteTimeout == 0 {
		o.ConnWriteTimeout = time.Second
	}
	if o.DialCtxFn == nil {
		o.DialCtxFn = dialTCP
	}
	o.DialCtxFn = connections.noting(o.DialCtxFn)
	o.CacheSizeEachConn = 16 << 20
	o.ReadBufferEachConn = 64 << 10
	o.WriteBufferEachConn = 64 << 10
	o.RingScaleEachConn = 10
	o.ClusterOption.MaxMovedRedirections = 5
	if o.Sentinel.MasterSet != "" {
		o.Sentinel.TopologyRefreshInterval = 5 * time.Second
		o.Sentinel.Dialer.Timeout = o.Dialer.Timeout
		o.Sentinel.TLSConfig = o.TLSConfig
	}
	return o, nil
}

var errURL = errors.New("session: redis URL: want redis://user:password@host:port/database, rediss:// or unix:///path; write what is special in a password as %XX")

var errNoCache = errors.New("session: redis URL: client_cache=0 and the option ClientCache contradict each other; leave one of them out")
