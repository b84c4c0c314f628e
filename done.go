package session

import (
	"context"

	"github.com/holdfast-go/session/internal/lookup"
)

// closed is what Done returns where there is nothing to wait for.
var closed = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done returns a channel that is closed when the session has ended, or ctx ends: for an event
// stream or a websocket, which would go on for a visitor who was logged out. Call it once,
// before the loop that sends. The channel is closed at once where there is no session, or none
// that is saved, or where that is not known.
//
// With a Backup the session ends here as it does for requests, within two seconds, whichever
// instance ends it: by Destroy, Revoke, RevokeUser, RevokeOthers or RevokeBefore. Without one
// only this process's own ends are heard at once, and those of others when the session would
// have expired.
//
// The channel is closed as well when the session expires. An open stream does not count as use
// of the session, which ends Idle after its last request. Before that, Done asks the store
// once, because another instance may have seen a request; where the store does not answer, the
// channel is closed.
//
// With a Backup the channel is also closed when the Manager is closed, and when this instance
// has heard of no ends for Backup.Lease (at least 20 s), because the store is away or takes no
// saves. The client then connects again, or to another instance.
//
// Done follows a Rotate. It does not follow a Renew, which makes the token that opened the
// stream worthless: the client connects again, with the new one.
func (s *Session) Done(ctx context.Context) <-chan struct{} {
	_ = s.load(ctx)
	s.mu.Lock()
	l := s.loaded
	s.mu.Unlock()
	if l.Phase != lookup.Live || l.Unsaved() {
		return closed
	}
	return s.m.reader.Done(ctx, l.Copy)
}
