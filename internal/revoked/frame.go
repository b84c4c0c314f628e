package revoked

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// The errors of decoding.
var (
	// ErrMalformed says that bytes are no segment, or no members record: they are damaged,
	// and count as missing.
	ErrMalformed = errors.New("session: malformed record of a revocation log")

	// ErrFormat says that a later program has written the bytes. They must not be
	// replaced.
	ErrFormat = errors.New("session: record of a revocation log in an unknown format")
)

// A record begins with a magic of three bytes and the number of its format, and ends with a
// checksum of all before it. Every later format keeps this frame, so that a program can tell
// a record that it does not understand from one that is damaged.
const (
	frameHead = 3 + 1
	frameSize = frameHead + crc32.Size
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksummed appends to b the checksum of what it has from a position on.
func checksummed(b []byte, from int) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// unframe returns the content of a record, and fails if that is shorter than least.
func unframe(b []byte, magic string, format byte, least int) ([]byte, error) {
	if len(b) < frameSize || string(b[:len(magic)]) != magic {
		return nil, ErrMalformed
	}
	end := len(b) - crc32.Size
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return nil, ErrMalformed
	}
	content := b[frameHead:end]
	switch {
	case b[len(magic)] != format:
		return nil, ErrFormat
	case len(content) < least:
		return nil, ErrMalformed
	}
	return content, nil
}
