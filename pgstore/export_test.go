package pgstore

import "context"

// Direct has statements end with their callers, as a store without package background
// would.
func Direct() Option { return func(o *options) { o.direct = true } }

// Pass is one pass of the clean-up, for a test that waits for none.
func (s *Store) Pass(ctx context.Context) error { return s.pass(ctx) }

// CleanFrom is one statement of it.
func (s *Store) CleanFrom(ctx context.Context, block int64) (blocks int64, err error) {
	return s.cleanFrom(ctx, block)
}

// CleanBlocks is how many blocks one statement of the clean-up reads.
const CleanBlocks = cleanBlocks
