package journal

import "time"

// Oldest returns when what the store has lacked longest was changed, or ended; zero: it
// lacks nothing that it never had. An entry that takes the place of an earlier one of its
// session keeps that one's place, because the store still lacks what it said.
//
// The dots say the time, because a journal has no clock. They also hold for what another
// process has owed before.
func (j *Journal) Oldest() (oldest time.Time) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if n := j.undeliveredHints.front; n != nil {
		oldest = time.UnixMilli(n.since)
	}
	if n := j.undeliveredTombstones.front; n != nil {
		ended := time.UnixMilli(n.since)
		if oldest.IsZero() || ended.Before(oldest) {
			oldest = ended
		}
	}
	return oldest
}
