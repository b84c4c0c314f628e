// Package doublebackup reads the cookies of sites that keep each session twice:
// express-session keeps it in a store, and client-sessions keeps a copy in a
// cookie, under the field sessionBack, for the time when the store is away.
//
// Such a copy has no id and no end of its own. It may be older than the session,
// or than its logout: before a program takes a copy, it should ask whether the
// session was revoked, where it can.
package doublebackup

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/fields"
)

// field is the field of the client session that holds the other one.
const field = "sessionBack"

// ErrNone is the error for a good cookie that holds no session, as after a
// logout.
var ErrNone = errors.New("doublebackup: the cookie holds no session")

// ErrExpired is the error for a cookie that is older than it may be.
var ErrExpired = errors.New("doublebackup: the cookie is over")

// Read returns the session in the value of a cookie, and until when the cookie
// is good. It fails with [clientsessions.ErrInvalid], [ErrExpired], [ErrNone],
// or as [express.ParseRecord] does.
func Read(c *clientsessions.Codec, value string, now time.Time) (*express.Record, time.Time, error) {
	b, err := c.Decode(value)
	if err != nil {
		return nil, time.Time{}, err
	}
	until := b.Created.Add(b.Duration)
	if until.Before(now) {
		return nil, until, ErrExpired
	}
	f, err := fields.Parse(b.Content)
	if err != nil {
		return nil, until, ErrNone
	}
	text, ok := f.Get(field)
	if !ok {
		return nil, until, ErrNone
	}
	r, err := express.ParseRecord(text, now)
	if err != nil {
		return nil, until, fmt.Errorf("doublebackup: %w", err)
	}
	return r, until, nil
}

// Box returns what a cookie of the session holds from now on, for
// [clientsessions.Codec.SetCookie].
func Box(c *clientsessions.Codec, r *express.Record, now time.Time) (clientsessions.Box, error) {
	b := c.New(now)
	f := new(fields.Fields)
	if err := f.Set(field, r.Bytes()); err != nil {
		return clientsessions.Box{}, fmt.Errorf("doublebackup: %w", err)
	}
	b.Content = f.Append(nil)
	return b, nil
}
