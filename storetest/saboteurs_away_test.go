package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
)

// awaySaboteurs do badly without a server, or with two clients.
var awaySaboteurs = []saboteur{
	{name: "has no context", breaks: []string{
		"a call that is canceled before it begins fails",
		"a frozen server holds nobody beyond the deadline",
		"a frozen server holds nobody who leaves",
	}, client: badContext(func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithoutCancel(ctx), func() {}
	})},
	{name: "has deadlines of its own", breaks: []string{
		"a frozen server holds nobody beyond the deadline",
		"a frozen server holds nobody who leaves",
	}, client: badContext(func(ctx context.Context) (context.Context, context.CancelFunc) {
		if ctx.Err() != nil {
			return ctx, func() {}
		}
		return context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	})},
	{name: "looks at deadlines only", breaks: []string{
		"a frozen server holds nobody who leaves",
	}, client: badContext(func(ctx context.Context) (context.Context, context.CancelFunc) {
		deadline, ok := ctx.Deadline()
		if !ok || ctx.Err() != nil {
			return ctx, func() {}
		}
		return context.WithDeadline(context.WithoutCancel(ctx), deadline)
	})},
	{name: "says timeout", breaks: []string{
		"a call that is canceled before it begins fails",
		"a frozen server holds nobody beyond the deadline",
	}, client: badError(func(err error) error {
		if errors.Is(err, context.DeadlineExceeded) {
			return errors.New("i/o timeout")
		}
		return err
	})},
	{name: "saves a half when it is cut off", breaks: []string{
		"a save that the deadline cut off has happened or has not",
	}, client: badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		v, err := s.Save(ctx, id, r, over)
		if err != nil && errors.Is(err, ctx.Err()) && time.Until(r.Expires) > 0 {
			r.Data = r.Data[:len(r.Data)/2]
			go s.Save(context.WithoutCancel(ctx), id, r, over) // once the server thaws
		}
		return v, err
	})},
	{name: "is empty when it is away", breaks: []string{
		"a store that is away is not an empty one",
	}, client: badError(func(err error) error {
		if errors.Is(err, errRefused) {
			return fmt.Errorf("%w: %w", session.ErrNotFound, err)
		}
		return err
	})},
	{name: "has saved when it is away", breaks: []string{
		"a store that is away is not an empty one",
	}, client: badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		v, err := s.Save(ctx, id, r, over)
		if errors.Is(err, errRefused) {
			return session.Version{1}, nil
		}
		return v, err
	})},
	{name: "closes the connection of a caller who leaves", breaks: []string{
		"callers who leave take no connections along",
	}, client: hangsUp(0)},
	{name: "takes long to connect after callers have left", breaks: []string{
		"a server that was slow for a moment serves again",
		"callers who leave take no connections along",
	}, client: hangsUp(37 * time.Millisecond)},
	{name: "never comes back", breaks: []string{
		"a store that is back serves again",
	}, client: neverComesBack},

	{name: "is alone", breaks: []string{
		"a visitor may be served by another instance",
		"instances compare the same versions",
		"a fresh load sees what another instance saved",
	}, client: ownsWhatItSaved},
	{name: "loads fresh from its cache", breaks: []string{
		"a fresh load sees what another instance saved",
	}, client: cache},
}

// pooled is a store that closes the connection of a caller whose context ends,
// and then makes another, one at a time and each for so long.
type pooled struct {
	*flawed
	dials   atomic.Int64
	takes   time.Duration
	dialing chan struct{} // holds one while somebody connects
	broken  atomic.Int64  // connections that are to be made anew
}

func hangsUp(takes time.Duration) flaw {
	return func(s session.Store) session.Store {
		p := &pooled{takes: takes, dialing: make(chan struct{}, 1)}
		p.flawed = &flawed{
			Store: s,
			load: func(ctx context.Context, id session.ID) (session.Record, error) {
				return onConnection(ctx, p, func() (session.Record, error) { return s.Load(ctx, id) })
			},
			save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
				return onConnection(ctx, p, func() (session.Version, error) { return s.Save(ctx, id, r, over) })
			},
		}
		return p
	}
}

func (p *pooled) dialed() int { return int(p.dials.Load()) }

func onConnection[T any](ctx context.Context, p *pooled, call func() (T, error)) (T, error) {
	var zero T
	for p.broken.Load() > 0 {
		select {
		case p.dialing <- struct{}{}:
		case <-ctx.Done():
			return zero, ctx.Err()
		}
		if p.broken.Load() > 0 {
			if left := timeLeft(ctx); left < p.takes {
				time.Sleep(left)
				<-p.dialing
				<-ctx.Done()
				return zero, ctx.Err()
			}
			time.Sleep(p.takes)
			p.broken.Add(-1)
			p.dials.Add(1)
		}
		<-p.dialing
		if err := ctx.Err(); err != nil {
			return zero, err
		}
	}
	sent := ctx.Err() == nil
	v, err := call()
	if sent && err != nil && ctx.Err() != nil {
		p.broken.Add(1)
	}
	return v, err
}

func timeLeft(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Hour
	}
	return max(0, time.Until(deadline))
}
