package memcached

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Server is one memcached in the list.
type Server struct {
	// Addr is "host:port", "host" with the port 11211, or "unix:///path". A
	// name is resolved for each new connection.
	Addr string

	// Weight is the server's share of the keys, compared with the other
	// servers' weights. 0 means 1.
	Weight int

	// VNodes, if not 0, sets the number of the server's points on the ring to
	// four times itself, whatever the weights.
	VNodes int

	// Label is the name that the points on the ring are made of. Empty, it is
	// what the Node client makes of Addr: the host alone where Addr ends in
	// :11211, else Addr as it is written, or the path of a unix socket. A
	// server that takes over another's keys at a new address keeps the Label.
	Label string
}

// Servers makes a list of servers of equal weight.
func Servers(addrs ...string) []Server {
	servers := make([]Server, len(addrs))
	for i, addr := range addrs {
		servers[i].Addr = addr
	}
	return servers
}

const (
	defaultPort = "11211"
	unixScheme  = "unix://"
)

// endpoint is what net.Dial takes.
func (s Server) endpoint() (network, address string) {
	if path, ok := strings.CutPrefix(s.Addr, unixScheme); ok {
		return "unix", path
	}
	host, port := s.hostPort()
	return "tcp", net.JoinHostPort(host, port)
}

func (s Server) hostPort() (host, port string) {
	host, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return strings.Trim(s.Addr, "[]"), defaultPort
	}
	return host, port
}

// label follows connection-parse, which the Node client reads its servers
// with: it splits at every colon, so that no IPv6 address is ever shortened.
func (s Server) label(anyPort bool) string {
	if s.Label != "" {
		return s.Label
	}
	addr := strings.TrimPrefix(s.Addr, unixScheme)
	parts := strings.Split(addr, ":")
	if !anyPort && len(parts) > 1 && parts[1] == defaultPort {
		return parts[0]
	}
	return addr
}

func (s Server) weight() int { return max(s.Weight, 1) }

// checkServers joins every mistake in a list.
func checkServers(servers []Server) error {
	var errs []error
	if len(servers) == 0 {
		errs = append(errs, errors.New("memcached: no servers"))
	}
	seen := make(map[string]bool)
	for _, s := range servers {
		network, address := s.endpoint()
		if network == "unix" && !strings.HasPrefix(address, "/") {
			errs = append(errs, fmt.Errorf("memcached: server %q: want unix:///path", s.Addr))
		}
		if network == "tcp" {
			host, port := s.hostPort()
			n, err := strconv.ParseUint(port, 10, 16)
			isPort := err == nil && n != 0
			if !isPort || host == "" || strings.ContainsAny(host, "/ ") {
				errs = append(errs, fmt.Errorf("memcached: server %q: want host:port or unix:///path", s.Addr))
			}
		}
		if s.Weight < 0 || s.VNodes < 0 {
			errs = append(errs, fmt.Errorf("memcached: server %q: negative Weight or VNodes", s.Addr))
		}
		if seen[network+address] {
			errs = append(errs, fmt.Errorf("memcached: server %q is listed twice", s.Addr))
		}
		seen[network+address] = true
	}
	return errors.Join(errs...)
}
