package session

// Local is a Store in the memory of this process. It answers for as long as the
// process runs, and an answer is late only because the processor has other work:
// then the request is late as well, and an error would not help. So
// ReadTimeout and SaveTimeout default to 10 s for a Store that is Local.
type Local interface {
	// Local does nothing.
	Local()
}
