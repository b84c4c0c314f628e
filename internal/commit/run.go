package commit

import (
	"context"
	"errors"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
)

// Prepare decides what there is to do, and reports whether there is anything. It fails with
// failure.ErrTooLate if what there is to save needs a cookie, and it is too late for one.
func (c *Commit) Prepare() (busy bool, err error) {
	c.todo = c.plan()
	if c.todo == cannotSave {
		return false, failure.ErrTooLate
	}
	return c.todo != nothingToSave, nil
}

// Run saves what there is to save. Afterwards, with or without an error, Loaded is the
// session as it is then, and the caller goes on from that.
func (c *Commit) Run(ctx context.Context) error {
	c.madeOn = c.State
	switch c.todo {
	case saveChanges:
		return c.save(ctx)
	case onlyMend:
		c.repair(ctx)
	case nothingToSave, sameAsLoaded, cannotSave: // edits that change nothing are done
	}
	return nil
}

// plan decides what there is to do.
func (c *Commit) plan() plan {
	if c.changed() {
		if !c.CanSend && c.needsCookie() {
			return cannotSave
		}
		return saveChanges
	}
	if c.Phase != lookup.Live {
		return nothingToSave
	}
	if c.Unsaved() {
		if c.ReadOnly || !c.CanSend {
			return nothingToSave // a later answer can send its token
		}
		return saveChanges
	}
	switch {
	case c.Renewal != KeepID && !c.CanSend:
		return cannotSave
	case c.Renewal != KeepID:
		return saveChanges
	case c.worthMending():
		return onlyMend
	case len(c.Edits) > 0:
		return sameAsLoaded
	}
	return nothingToSave
}

// GiveUpEdits marks all edits as done, because they are saved or cannot be.
func (c *Commit) GiveUpEdits() {
	for _, e := range c.Edits {
		e.Done = true
	}
	c.Doubts = nil
}

// Outcome returns how far the write has come and the error, for the application.
func (c *Commit) Outcome(err error) (failover.Durability, error) {
	switch {
	case err != nil:
		return 0, told(err)
	case c.Pending && !c.CanSend:
		return failover.Pending, failure.ErrPending
	case c.Pending:
		return failover.Pending, nil
	}
	return failover.Durable, nil
}

// told returns the error that the caller gets for err.
func told(err error) error {
	var again *againError
	if errors.As(err, &again) {
		return again.err
	}
	return err
}
