package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session"
)

// expirySaboteurs have another idea of time.
var expirySaboteurs = []saboteur{
	{name: "ends sessions late", breaks: []string{
		"a session ends when its time has come",
		"a shortened session ends",
	}, client: badExpiry(func(left time.Duration) time.Duration { return left + 5*time.Second })},
	{name: "ends sessions early", breaks: []string{
		"a session ends when its time has come",
		"a shortened session ends",
	}, client: badExpiry(func(left time.Duration) time.Duration { return left - 200*time.Millisecond })},
	{name: "rounds to seconds", breaks: []string{
		"a session ends when its time has come",
		"a refreshed session lives on",
		"a shortened session ends",
	}, client: badExpiry(func(left time.Duration) time.Duration { return left.Truncate(time.Second) })},
	{name: "takes over thirty days for a date", breaks: []string{
		"a session of over thirty days is not gone at once",
	}, client: badExpiry(func(left time.Duration) time.Duration {
		if left > 30*day {
			left = -time.Second
		}
		return left
	})},
	{name: "counts milliseconds in 32 bits", breaks: []string{
		"a session of over thirty days is not gone at once",
	}, client: badExpiry(func(left time.Duration) time.Duration {
		return time.Duration(int32(left.Milliseconds())) * time.Millisecond
	})},
	{name: "keeps the first expiry", breaks: []string{
		"a refreshed session lives on",
		"a shortened session ends",
	}, client: keepsExpiry(func(old, _ time.Time) time.Time { return old })},
	{name: "never shortens a session", breaks: []string{
		"a shortened session ends",
	}, client: keepsExpiry(func(old, fresh time.Time) time.Time {
		if old.After(fresh) {
			return old
		}
		return fresh
	})},
	{name: "keeps for ever what is past", breaks: []string{
		"an expiry brings no version back",
		"a save past its expiry leaves nothing, and nothing for ever",
	}, client: badPast(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		r.Expires = time.Now().Add(day)
		return s.Save(ctx, id, r, over)
	})},
	{name: "does not save what is past", breaks: []string{
		"an expiry brings no version back",
		"a save past its expiry leaves nothing, and nothing for ever",
	}, client: badPast(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		old, err := s.Load(ctx, id)
		if err == nil {
			r = old
		}
		return s.Save(ctx, id, r, over)
	})},
	{name: "does not compare what is past", breaks: []string{
		"a save past its expiry ends nobody else's session",
	}, client: badPast(func(s session.Store, ctx context.Context, id session.ID, r session.Record, _ session.Version) (session.Version, error) {
		return s.Save(ctx, id, r, session.Any)
	})},
	{name: "refuses what is past", breaks: []string{
		"an expiry brings no version back",
		"a save past its expiry leaves nothing, and nothing for ever",
		"a save past its expiry ends nobody else's session",
	}, client: badPast(func(session.Store, context.Context, session.ID, session.Record, session.Version) (session.Version, error) {
		return session.Absent, errors.New("ERR invalid expire time in 'set' command")
	})},
	{name: "keeps for ever what has no end", breaks: []string{
		"a session without an end is refused",
	}, client: badRecord(func(r session.Record) session.Record {
		if r.Expires.IsZero() {
			r.Expires = time.Now().Add(1000 * day)
		}
		return r
	})},
	{name: "takes no end for long past", breaks: []string{
		"a session without an end is refused",
	}, client: badRecord(func(r session.Record) session.Record {
		if r.Expires.IsZero() {
			r.Expires = time.Unix(0, 0)
		}
		return r
	})},
}
