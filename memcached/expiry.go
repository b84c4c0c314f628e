package memcached

import (
	"math"
	"time"
)

// clock is what a connection knows of the time.
type clock struct {
	now    time.Time // here
	server int64     // on the server, in its Unix seconds; it may be a second behind
}

// maxRelative is the longest expiry, in seconds, that memcached counts from
// now. It takes what is larger as a Unix time.
const maxRelative = 30 * 24 * 60 * 60

// exptime converts an expiry to memcached's: 0 never, -1 at once, up to 30
// days in seconds from now, beyond that an absolute time, by the server's own
// clock, which may be wrong.
//
// memcached counts in whole seconds, which begin up to a second before the
// command: an item of n seconds is gone after n-1 to n. One second is added,
// so that no item is gone before its time; it stays at most two longer.
func exptime(expires time.Time, now clock) int64 {
	if expires.IsZero() {
		return 0
	}
	left := expires.Sub(now.now)
	if left <= 0 {
		return -1
	}
	seconds := int64(left/time.Second) + 1
	if left%time.Second != 0 {
		seconds++
	}
	if seconds <= maxRelative {
		return seconds
	}
	// The server parses a signed 32-bit number, up to January 2038.
	return min(now.server+1+seconds, math.MaxInt32)
}
