// Package connectredis says how connect-redis 10.0.0 keeps the sessions of
// express-session in Redis: keys, expiries and commands. It speaks to no
// server.
package connectredis

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/holdfast-go/session/node/express"
)

// Options are the options of the store. The zero value is its defaults.
type Options struct {
	Prefix   string // default "sess:"
	NoPrefix bool   // Prefix is empty
	// TTL is for sessions whose cookie has no end, in whole seconds. Default
	// one day.
	TTL time.Duration
	// TTLOf is the option ttl where that is a function. It goes before all else.
	TTLOf        func(*express.Record) time.Duration
	DisableTTL   bool // keys never expire
	DisableTouch bool
}

// day is what 0 stands for in the option ttl.
const day = 24 * time.Hour

// Key returns the key of a session.
func (o Options) Key(id string) string {
	if o.Prefix == "" && !o.NoPrefix {
		return "sess:" + id
	}
	return o.Prefix + id
}

// Seconds returns for how long the store is to keep a session: what is left of
// its cookie, rounded up. 0 and less are of a session that has ended.
//
// The cookie that is stored says nothing about a session that was touched since
// it was saved: touch the record first, or the save deletes a session that is
// alive. connect-redis itself does so.
func (o Options) Seconds(r *express.Record, now time.Time) int64 {
	if o.TTLOf != nil {
		return int64(o.TTLOf(r) / time.Second)
	}
	if left, ends := r.Cookie().MaxAge(now); ends {
		seconds := math.Ceil(left / 1000)
		if math.IsNaN(seconds) { // an invalid date
			return 0
		}
		return int64(math.Max(math.Min(seconds, math.MaxInt32), math.MinInt32))
	}
	if o.TTL == 0 {
		return int64(day / time.Second)
	}
	return int64(o.TTL / time.Second)
}

// Get returns the command that reads a session.
func (o Options) Get(id string) []string { return []string{"GET", o.Key(id)} }

// Parse reads what Get returned, and returns nil where there is no session: no
// value, or an empty one.
func (o Options) Parse(value []byte, now time.Time) (*express.Record, error) {
	if len(value) == 0 {
		return nil, nil
	}
	r, err := express.ParseRecord(value, now)
	if err != nil {
		return nil, fmt.Errorf("connectredis: %w", err)
	}
	return r, nil
}

// Set returns the command that saves a session: one that destroys it where it
// has ended, whatever DisableTTL says.
func (o Options) Set(id string, r *express.Record, now time.Time) []string {
	seconds := o.Seconds(r, now)
	switch {
	case seconds <= 0:
		return o.Destroy(id)
	case o.DisableTTL:
		return []string{"SET", o.Key(id), string(r.Bytes())}
	}
	return []string{"SET", o.Key(id), string(r.Bytes()), "EX", strconv.FormatInt(seconds, 10)}
}

// Touch returns the command that keeps a session for longer, and nil where
// there is nothing to do. It leaves the text in the store as it is.
func (o Options) Touch(id string, r *express.Record, now time.Time) []string {
	if o.DisableTTL || o.DisableTouch {
		return nil
	}
	return []string{"EXPIRE", o.Key(id), strconv.FormatInt(o.Seconds(r, now), 10)}
}

// Destroy returns the command that deletes a session.
func (o Options) Destroy(id string) []string { return []string{"DEL", o.Key(id)} }
