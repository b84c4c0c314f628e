package seal

import (
	"errors"
	"fmt"
	"time"
)

// The reasons for which a text is not opened, apart from UnknownKeyError.
// Compare with errors.Is. No error holds a part of the text, of a key or of the
// plaintext.
var (
	// ErrMalformed: not a sealed text, or one that was cut short. Also a
	// content that is authentic and still not as the format wants it, which
	// only a faulty program with the key can have made.
	ErrMalformed = errors.New("seal: malformed")

	// ErrFormat: the first byte names a format that this program does not
	// know. A newer one may have sealed it.
	ErrFormat = errors.New("seal: unknown format")

	// ErrAudience: sealed for another audience, by the text's own account. It
	// is not known whether the key is.
	ErrAudience = errors.New("seal: for another audience")

	// ErrForged: the key is known and did not seal this text, or not for this
	// purpose and audience.
	ErrForged = errors.New("seal: forged")

	// ErrTooLarge: larger than Box.Limit. Seal returns it too.
	ErrTooLarge = errors.New("seal: too large")

	// ErrCompression: authentic, but the content is compressed by a codec that
	// the Box does not have, is corrupt, or grows beyond Box.Limit.
	ErrCompression = errors.New("seal: cannot decompress")
)

// UnknownKeyError is the error for a text that names a key which is not among
// the Keys. In the middle of a rotation that may be an honest text, sealed by
// an instance that is ahead: then SealedAt is recent.
type UnknownKeyError struct {
	// ID is the key that the text names.
	ID KeyID

	// SealedAt is the minute that the text names. It is not authenticated: the
	// sender of the text can write any minute, a future one included.
	SealedAt time.Time
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("seal: unknown key %v, sealed at %s by its own account", e.ID, e.SealedAt.Format("2006-01-02T15:04Z"))
}
