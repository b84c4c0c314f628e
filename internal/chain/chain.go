// Package chain combines two sets of a Manager's hooks into one that calls both in order, for
// packages whose hooks run beside the application's own.
package chain

import (
	"context"

	"github.com/holdfast-go/session"
)

// Hooks returns hooks that call those of first and then those of next, with the same context
// and arguments. A hook that only one of them has is that one. A hook that neither has is nil,
// so that it costs a Manager nothing. If a hook of first panics, that of next is not called.
func Hooks(first, next session.Hooks) session.Hooks {
	return session.Hooks{
		Down:            two(first.Down, next.Down),
		StillDown:       one(first.StillDown, next.StillDown),
		Up:              one(first.Up, next.Up),
		Settled:         one(first.Settled, next.Settled),
		Forgot:          one(first.Forgot, next.Forgot),
		Evicted:         two(first.Evicted, next.Evicted),
		Early:           one(first.Early, next.Early),
		Backup:          three(first.Backup, next.Backup),
		Overflow:        one(first.Overflow, next.Overflow),
		JournalFile:     two(first.JournalFile, next.JournalFile),
		Failed:          three(first.Failed, next.Failed),
		Conflict:        two(first.Conflict, next.Conflict),
		BadValue:        two(first.BadValue, next.BadValue),
		PlainHTTP:       one(first.PlainHTTP, next.PlainHTTP),
		InsecureOverTLS: one(first.InsecureOverTLS, next.InsecureOverTLS),
		Login:           three(first.Login, next.Login),
		Renewed:         three(first.Renewed, next.Renewed),
		Rotated:         three(first.Rotated, next.Rotated),
		Began:           three(first.Began, next.Began),
		Refused:         two(first.Refused, next.Refused),
		Ended:           one(first.Ended, next.Ended),
		Revoked:         two(first.Revoked, next.Revoked),
		Dropped:         two(first.Dropped, next.Dropped),
	}
}

func one[A any](first, next func(context.Context, A)) func(context.Context, A) {
	switch {
	case first == nil:
		return next
	case next == nil:
		return first
	}
	return func(ctx context.Context, a A) {
		first(ctx, a)
		next(ctx, a)
	}
}

func two[A, B any](first, next func(context.Context, A, B)) func(context.Context, A, B) {
	switch {
	case first == nil:
		return next
	case next == nil:
		return first
	}
	return func(ctx context.Context, a A, b B) {
		first(ctx, a, b)
		next(ctx, a, b)
	}
}

func three[A, B, C any](first, next func(context.Context, A, B, C)) func(context.Context, A, B, C) {
	switch {
	case first == nil:
		return next
	case next == nil:
		return first
	}
	return func(ctx context.Context, a A, b B, c C) {
		first(ctx, a, b, c)
		next(ctx, a, b, c)
	}
}
