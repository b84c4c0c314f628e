package connectmemcached

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/holdfast-go/session/node/express"
)

// Options are the options of the store and its client that decide where and
// for how long a session is kept. The zero value is the defaults of version
// 3.0.0.
type Options struct {
	Prefix    string        // of the store
	Namespace string        // of the client, in front of Prefix
	TTL       time.Duration // 0: as the cookie says
	Strings   bool          // sessions are written as before version 2.0
	Cipher    *Cipher       // nil: sessions are not encrypted

	// NoLongKeys is the client's keyCompression: false. Keys over 250 characters
	// are an error then.
	NoLongKeys bool
}

const day = 24 * time.Hour

// Key returns the key of a session in memcached. The ring is asked for the
// server of [Options.RingKey].
func (o Options) Key(id string) (string, error) {
	return wireKey(o.RingKey(id), o.NoLongKeys)
}

// RingKey returns the key as it is before a long one is hashed.
func (o Options) RingKey(id string) string { return o.Namespace + o.Prefix + id }

// Expires returns until when a session is to be kept: as the cookie or TTL says,
// or for a day where neither does. This is the expiry that connect-memcached
// intends; [Options.Exptime] returns the one that it sends.
func (o Options) Expires(r *express.Record, now time.Time) time.Time {
	if o.TTL != 0 {
		return now.Add(o.TTL)
	}
	left, ends := r.Cookie().MaxAge(now)
	if !ends {
		return now.Add(day)
	}
	const most = float64(math.MaxInt64 / int64(time.Millisecond))
	switch {
	case math.IsNaN(left): // an invalid date
		return now
	case left >= most:
		return now.Add(math.MaxInt64)
	case left <= -most:
		return now.Add(math.MinInt64)
	}
	return now.Add(time.Duration(left * float64(time.Millisecond)))
}

// Exptime returns the expiry that connect-memcached sends. It goes wrong in
// three ways: less than a second is 0, which never expires; more than 30 days
// is a time in 1970, which is over; and from 2^31 seconds on it wraps around.
func (o Options) Exptime(r *express.Record, now time.Time) int32 {
	if o.TTL != 0 {
		return int32(o.TTL / time.Second)
	}
	left, ends := r.Cookie().MaxAge(now)
	if !ends {
		return int32(day / time.Second)
	}
	return toInt32(left / 1000)
}

// toInt32 is JavaScript's n | 0.
func toInt32(n float64) int32 {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return 0
	}
	return int32(uint32(int64(math.Mod(math.Trunc(n), 1<<32))))
}

// Encode returns the flags and the value that a session is stored with. It fails
// where the value is longer than 1 MiB, which memcached takes at most.
func (o Options) Encode(r *express.Record) (flags uint32, value []byte, err error) {
	text := r.Bytes()
	switch {
	case o.Cipher != nil:
		sealed, err := o.Cipher.Seal(text)
		if err != nil {
			return 0, nil, err
		}
		flags, value = FlagString, escape([]byte(sealed))
	case o.Strings:
		flags, value = FlagString, escape(text)
	default:
		flags, value = FlagJSON, escape(text)
	}
	if len(value) > maxValue {
		return 0, nil, fmt.Errorf("connectmemcached: value: %d bytes, more than memcached's %d", len(value), maxValue)
	}
	return flags, value, nil
}

// Decode reads what Encode or connect-memcached has written, with either flags. It
// fails where a value is no session, or not encrypted with the Cipher.
func (o Options) Decode(flags uint32, value []byte, now time.Time) (*express.Record, error) {
	if len(value) > 2*maxValue { // each CR and LF has a backslash
		return nil, fmt.Errorf("connectmemcached: value: %d bytes, more than memcached's %d", len(value), maxValue)
	}
	if flags != FlagString && flags != FlagJSON {
		return nil, fmt.Errorf("connectmemcached: value: flags %d are of no session", flags)
	}
	text := unescape(value)
	if o.Cipher != nil {
		if flags != FlagString {
			return nil, errors.New("connectmemcached: value: not encrypted")
		}
		var err error
		if text, err = o.Cipher.Open(string(text)); err != nil {
			return nil, err
		}
	}
	r, err := express.ParseRecord(text, now)
	if err != nil {
		return nil, fmt.Errorf("connectmemcached: %w", err)
	}
	return r, nil
}
