package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/session/moving"
)

var moveSteps = map[string]moving.Step{"prepare": moving.Prepare, "move": moving.Move, "drain": moving.Drain}

// checkMove is check for the flags of a move from another store.
func (c config) checkMove() error {
	switch {
	case (c.moveFrom == "") != (c.moveStep == ""):
		return errors.New("-move-from and -move-step: one goes with the other")
	case c.moveFrom == "":
		return nil
	case moveSteps[c.moveStep] == 0:
		return fmt.Errorf("-move-step %s: want prepare, move or drain", c.moveStep)
	case c.moveFrom == c.store:
		return errors.New("-move-from: names the store that -store does")
	}
	return nil
}

// openMoving opens the store of -store, and that of -move-from behind it. The Store is nil
// where there is none.
func openMoving(ctx context.Context, c config, log *slog.Logger) (backend, *moving.Store, error) {
	to, err := open(ctx, c.store, log)
	if err != nil || c.moveFrom == "" {
		return to, nil, err
	}
	from, err := open(ctx, c.moveFrom, log)
	if err != nil {
		to.close()
		return backend{}, nil, fmt.Errorf("-move-from: %w", err)
	}
	mover := moving.New(from.store, to.store, moveSteps[c.moveStep], &moving.Options{Idle: c.idle, Lifetime: c.lifetime})
	return backend{
		store:   mover,
		name:    to.name + ", from " + from.name,
		process: to.process,
		close:   func() { from.close(); to.close() },
	}, mover, nil
}

// push moves the sessions that no visitor uses, until ctx ends or none is left. Where the
// old store cannot tell what it holds, the sessions that are used move all the same.
func push(ctx context.Context, mover *moving.Store, log *slog.Logger) {
	if mover == nil || mover.Step() == moving.Prepare {
		return
	}
	for {
		p, err := mover.Push(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errors.ErrUnsupported):
			log.InfoContext(ctx, "the old store cannot tell what it holds: sessions move as they are used")
			return
		case err != nil:
			log.WarnContext(ctx, "not all sessions could be moved", "moved", p.Moved, "left", p.Left, "error", err)
		case p.Left == 0:
			log.InfoContext(ctx, "all sessions have moved", "sessions", p.Moved)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
