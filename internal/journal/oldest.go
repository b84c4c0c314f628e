package journal

import "time"

// Oldest returns the time of the oldest change, or end of a session, that the store lacks and
// never had; zero: it lacks none. An entry that replaces an earlier one of its session keeps
// that one's time, because the store still lacks the earlier change.
//
// The time is that of the dot, because a journal has no clock. So it is right as well for an
// entry that was taken over from another process.
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
