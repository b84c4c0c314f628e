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

// defaultTimeouts returns the defaults of ReadTimeout and SaveTimeout. Without a backup
// they are longer, because the alternative to an answer is an error.
func defaultTimeouts(store Store, backup bool) (read, save time.Duration) {
	if _, local := store.(Local); local {
		return 10 * time.Second, 10 * time.Second
	}
	if backup {
		return 50 * time.Millisecond, 100 * time.Millisecond
	}
	return 250 * time.Millisecond, 500 * time.Millisecond
}
