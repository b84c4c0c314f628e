package hosts

import (
	"context"
	"math/rand/v2"
	"net"
	"time"
)

// lookup is how long a name may take to resolve.
const lookup = 3 * time.Second

// Dial connects to one of the addresses that a name has, in a random order, so that a client
// which comes back leaves one that says nothing. Each has the timeout.
func Dial(network, address string, timeout time.Duration) (conn net.Conn, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	all, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, a := range all {
		if conn, err = net.DialTimeout(network, net.JoinHostPort(a, port), timeout); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
