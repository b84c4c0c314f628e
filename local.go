package session

import "time"

// Local is a Store in the memory of this process. It answers for as long as the
// process runs, and an answer is late only because the processor has other work:
// then the request is late as well, and an error would not help. So
// ReadTimeout and SaveTimeout default to 10 s for a Store that is Local.
type Local interface {
	// Local does nothing.
	Local()
}

// defaultTimeouts returns the defaults of ReadTimeout and SaveTimeout.
func defaultTimeouts(store Store) (read, save time.Duration) {
	if _, local := store.(Local); local {
		return 10 * time.Second, 10 * time.Second
	}
	return 50 * time.Millisecond, 100 * time.Millisecond
}
