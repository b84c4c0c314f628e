package session

import (
	"errors"
	"fmt"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/lookup"
)

// Rotation exchanges an ageing token for a new one. No rights are gained, so
// requests that are under way with the old token need not fail: the new token
// can be made from the old one and the tombstone, by any instance. Decision 38.

// Rotate gives the session a new token and ID when it is saved, and changes
// nothing else: for middleware that exchanges a token which Issued says is old,
// so that a token that was stolen is of use for a while only. Where a visitor
// gains rights, call Renew instead.
//
// Requests that still carry the old token go on for ten seconds, on any instance, and
// their answers carry the new one; of requests that rotate at the same time one
// succeeds, and the others answer with its token. After that the old token opens
// nothing, though Destroy with it still ends the session.
//
// A rotation can always wait. Rotate does nothing where the store does not answer,
// where the request ends before the save, so that no answer can carry the new
// token, or where there is no session. Where the store answers the save of the new
// session and then stops answering, the new token is sent without an error, because
// every change is saved under it. It is unknown then whether the old token still
// opens the session as it was before; with a Backup it ends when the store is back,
// without one at the latest when it is idle or its Lifetime ends.
//
// The commit answers ErrTooLate once the response header is written, ErrReadOnly,
// and an error that wraps errors.ErrUnsupported with an Options.Format, whose
// tokens cannot be exchanged in this way; Err returns them.
func (s *Session) Rotate() {
	s.lockLoaded()
	defer s.mu.Unlock()
	switch {
	case s.readOnly:
		_ = s.failLocked(ErrReadOnly)
		return
	case s.m.foreign():
		_ = s.failLocked(errNoRotation)
		return
	case s.loaded.Phase == lookup.Unknown:
		return // a rotation can wait; Err returns why the session is unknown
	case s.sealed:
		_ = s.failLocked(ErrTooLate)
		return
	case s.loaded.Phase != lookup.Live:
		return
	}
	s.renewal = max(s.renewal, commit.RotateID)
	s.watchLocked()
}

var errNoRotation = fmt.Errorf("session: Rotate: tokens of Options.Format cannot be made from one another, use Renew: %w", errors.ErrUnsupported)
