package mirrorstore

import (
	"context"
	"time"
)

// A Manager's contexts end later than they say where the process is short of processor. An
// operation of the mirror is several calls in a row, so the later ones may begin after that
// moment, and a client that looks at the clock would refuse them unsent, and a healthy store
// would count as unreachable. So each call gets all of the operation's time as its deadline,
// and is canceled when the operation ends.

// shortest is the time of an operation that begins when its time should have been over.
const shortest = 50 * time.Millisecond

// wholeKey is the key of the time that an operation was given.
type wholeKey struct{}

// lasting notes in the context of an operation how much time it was given.
func lasting(ctx context.Context) context.Context {
	end, ok := ctx.Deadline()
	if !ok || ctx.Value(wholeKey{}) != nil {
		return ctx
	}
	return context.WithValue(ctx, wholeKey{}, max(time.Until(end), shortest))
}

// half is half of an operation's time: how long it waits for one store before the other's
// answer does. Without a deadline that is half a second.
func half(ctx context.Context) time.Duration {
	if whole, ok := ctx.Value(wholeKey{}).(time.Duration); ok {
		return whole / 2
	}
	return time.Second / 2
}

// oneCall is the context of one call.
type oneCall struct {
	context.Context
	end time.Time
}

func callOf(ctx context.Context) context.Context {
	end, ok := ctx.Deadline()
	whole, isLasting := ctx.Value(wholeKey{}).(time.Duration)
	if !ok || !isLasting {
		return ctx
	}
	if later := time.Now().Add(whole); later.After(end) {
		end = later
	}
	return oneCall{ctx, end}
}

// Deadline returns when the call should have ended.
func (c oneCall) Deadline() (time.Time, bool) { return c.end, true }
