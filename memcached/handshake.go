package memcached

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// peer is what a connection knows of its server.
type peer struct {
	incarnation incarnation
	itemMax     int // item_size_max; 0 unknown
	casOff      bool
	evictions   string    // since it started, as it says; empty: it does not
	time        int64     // the server's, in Unix seconds,
	readAt      time.Time // when it was read
}

func (p *peer) clock(now time.Time) clock {
	return clock{now: now, server: p.time + int64(now.Sub(p.readAt)/time.Second)}
}

// youth is the uptime from which a server is surely over a second old: some
// versions begin to count at 2.
const youth = 4

// link is a connection over which a server has said who it is.
type link struct {
	nc     net.Conn      // to read and write
	socket net.Conn      // to close: nc, or what is under its TLS, which closes at once
	br     *bufio.Reader // of nc
	peer   peer
}

// dial makes a connection for calls.
func (n *node) dial(ctx context.Context) (*conn, error) {
	l, err := n.meet(ctx)
	if err != nil {
		return nil, err
	}
	return newConn(n, l), nil
}

// evictions asks the server how many items it has evicted, over a connection of its own:
// the replies to stats name no request.
func (n *node) evictions(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	l, err := n.meet(ctx)
	if err != nil {
		return 0, n.unsent(err)
	}
	_ = l.socket.Close()
	count, err := strconv.ParseUint(l.peer.evictions, 10, 64)
	if err != nil {
		return 0, n.failed(fmt.Errorf("%w: its stats tell no evictions", ErrNotMeta))
	}
	return count, nil
}

// meet connects to a server, signs in, and learns its identity. It resolves names
// each time.
func (n *node) meet(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	socket, err := n.options.Dial(ctx, n.network, n.address)
	if err != nil {
		return nil, err
	}
	// A deadline in the past ends a blocked read when ctx is done.
	stop := context.AfterFunc(ctx, func() { _ = socket.SetDeadline(time.Unix(1, 0)) })
	nc := socket
	if n.tls != nil {
		nc = tls.Client(socket, n.tls)
	}
	br := bufio.NewReaderSize(nc, readSize)
	p, err := n.handshake(nc, br)
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		stop()
		_ = socket.Close()
		if ctx.Err() == context.DeadlineExceeded {
			err = fmt.Errorf("%w while connecting", errOverdue)
		}
		return nil, err
	}
	return &link{nc, socket, br, p}, nil
}

// handshake switches to the meta protocol, and reads the server's identity and
// limits.
func (n *node) handshake(nc net.Conn, br *bufio.Reader) (p peer, err error) {
	if err := n.signIn(nc, br); err != nil {
		return p, err
	}
	if _, err := nc.Write([]byte("stats settings\r\nstats\r\n")); err != nil {
		return p, err
	}
	settings, err := readStats(br)
	if err != nil {
		return p, err
	}
	stats, err := readStats(br)
	if err != nil {
		return p, err
	}
	p.readAt = time.Now()
	if !supported(stats["version"]) {
		return p, fmt.Errorf("%w: it is version %.40q", ErrNotMeta, stats["version"])
	}
	// memcached's own proxy speaks the meta protocol, but its CAS values are
	// those of servers behind it, whose restarts do not show here.
	if _, proxy := stats["proxy_config_reloads"]; proxy {
		return p, fmt.Errorf("%w: it is a proxy", ErrNotMeta)
	}
	now, err1 := strconv.ParseInt(stats["time"], 10, 64)
	uptime, err2 := strconv.ParseInt(stats["uptime"], 10, 64)
	if err1 != nil || err2 != nil || stats["pid"] == "" {
		return p, fmt.Errorf("%w: its stats tell no pid, time and uptime; allow the command stats", ErrNotMeta)
	}
	p.time = now
	p.itemMax, _ = strconv.Atoi(settings["item_size_max"])
	p.casOff = settings["cas_enabled"] == "no"
	p.evictions = stats["evictions"]
	var salt uint64
	if uptime < youth {
		salt = rand.Uint64()
	}
	// memcached computes both from one reading of its clock, so that the
	// difference is the same each time.
	start := strconv.FormatInt(now-uptime, 10)
	p.incarnation = newIncarnation(n.server.Addr, nc.RemoteAddr().String(), stats["pid"], start, salt)
	return p, nil
}

// signIn returns when the server has said that it knows mn. It sends the password
// only to a server that asks for one, because any other would store it as an item
// that every client can read. It does not send the password over a connection that
// others can read, because an attacker in the server's place could ask for it.
func (n *node) signIn(nc net.Conn, br *bufio.Reader) error {
	ask := func(command string) (string, error) {
		if _, err := nc.Write([]byte(command)); err != nil {
			return "", err
		}
		line, err := readLine(br)
		return printable(line), err
	}
	answer, err := ask("mn\r\n")
	if err == nil && answer == "CLIENT_ERROR unauthenticated" && n.options.Auth != (Auth{}) {
		if !n.options.InsecureAuthInClearText && !keepsSecrets(nc) {
			return errClearText
		}
		secret := n.options.Auth.User + " " + n.options.Auth.Password
		answer, err = ask(fmt.Sprintf("set auth 0 0 %d\r\n%s\r\n", len(secret), secret))
		if err == nil && answer != "STORED" {
			return fmt.Errorf("sign in: %w", serverError(answer))
		}
		if err == nil {
			answer, err = ask("mn\r\n")
		}
	}
	switch {
	case err != nil:
		return noFirstReply(err)
	case answer == "MN":
		return nil
	case strings.HasPrefix(answer, "CLIENT_ERROR unauth"):
		return fmt.Errorf("set Options.Auth: %w", serverError(answer))
	case isErrorLine(answer):
		return ErrNotMeta
	case strings.HasPrefix(answer, "ERROR "): // such as "ERROR Too many open connections"
		return serverError(answer)
	}
	return protocolError("this is not how memcached begins; is it one?")
}

// readStats reads STAT lines up to END. A server that refuses the command counts as one
// that has no stats.
func readStats(br *bufio.Reader) (map[string]string, error) {
	stats := make(map[string]string)
	for range 1000 {
		line, err := readLine(br)
		if err != nil {
			return nil, unexpected(err)
		}
		switch word, rest := nextWord(line); {
		case string(word) == "END", isErrorLine(string(line)):
			return stats, nil
		case string(word) == "STAT":
			name, value := nextWord(rest)
			stats[string(name)] = string(value)
		default:
			return nil, protocolError("unknown line among the stats")
		}
	}
	return nil, protocolError("stats without an end")
}

// supported reports whether a version is 1.6.13 or later: since 1.6.10 the meta
// protocol has its present form, since 1.6.13 md compares CAS values. A text that
// does not look like a version may be a fork's, and is accepted.
func supported(version string) bool {
	var major, minor, patch int
	if n, _ := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); n != 3 {
		return true
	}
	return major > 1 || major == 1 && (minor > 6 || minor == 6 && patch >= 13)
}

func isErrorLine(line string) bool {
	return line == "ERROR" || strings.HasPrefix(line, "CLIENT_ERROR") || isServerError(line)
}

func isServerError(line string) bool { return strings.HasPrefix(line, "SERVER_ERROR") }

// noFirstReply returns the error for a server that did not answer the first command.
func noFirstReply(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the server hung up on the first command of the meta protocol; a proxy such as twemproxy or mcrouter does, "+
			"and is not supported: name the servers themselves: %w", err)
	}
	return fmt.Errorf("first reply: %w", err)
}
