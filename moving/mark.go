package moving

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/holdfast-go/session"
)

// mark is what stands in the old store in the place of a session that was moved. It has
// the record inside for as long as the new store may lack it.
type mark struct {
	whole   bool
	data    []byte
	expires time.Time
}

// No session's record begins like this: those of the library begin with the number of
// their format, those of other systems with a bracket or a letter.
var magic = []byte("\xffholdfast moved\x01")

// record returns the mark as a record of the old store.
func (m mark) record(expires time.Time) session.Record {
	data := bytes.Clone(magic)
	if m.whole {
		data = binary.BigEndian.AppendUint64(data, uint64(m.expires.UnixMilli()))
		data = append(data, m.data...)
	}
	return session.Record{Data: data, Expires: expires}
}

// parseMark returns the mark that a record is, or reports that it is none. A mark that
// was cut short counts as an empty one.
func parseMark(data []byte) (m mark, ok bool) {
	rest, ok := bytes.CutPrefix(data, magic)
	if !ok || len(rest) < 8 {
		return mark{}, ok
	}
	return mark{whole: true, expires: time.UnixMilli(int64(binary.BigEndian.Uint64(rest))), data: rest[8:]}, true
}
