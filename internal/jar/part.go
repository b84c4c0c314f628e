package jar

import (
	"errors"
	"fmt"
)

// part is the value of one cookie: "name.number.count.piece", where number and
// count are one digit each and number goes from 0 to count-1.
type part struct {
	name          string
	number, count byte
	piece         string
}

const partOverhead = nameLen + len(".0.1.")

func parsePart(value string) (p part, ok bool) {
	if len(value) <= partOverhead {
		return part{}, false
	}
	p = part{name: value[:nameLen], number: value[7] - '0', count: value[9] - '0', piece: value[partOverhead:]}
	ok = isName(p.name) && value[6] == '.' && value[8] == '.' && value[10] == '.' &&
		p.count >= 1 && p.count <= Most && p.number < p.count
	return p, ok
}

// ErrTooLarge is wrapped by the error of Split for a text that does not fit.
var ErrTooLarge = errors.New("jar: too large")

// Value is the value of a cookie, as two pieces of which one is long.
type Value struct{ Head, Text string }

func (v Value) String() string { return v.Head + v.Text }

// Split returns the values of the cookies that hold text, each of at most room
// bytes. It fails with ErrTooLarge where that takes more than Most of them.
func Split(name, text string, room int) ([]Value, error) {
	size := room - partOverhead
	switch {
	case !isName(name):
		return nil, fmt.Errorf("jar: name %q: not %d base64url characters", name, nameLen)
	case text == "":
		return nil, errors.New("jar: no text")
	case size <= 0 || len(text) > Most*size:
		return nil, fmt.Errorf("%w: %d characters in %d cookies of %d", ErrTooLarge, len(text), Most, room)
	}
	count := (len(text) + size - 1) / size
	values := make([]Value, count)
	for i := range values {
		values[i].Text = text[i*size : min((i+1)*size, len(text))]
		values[i].Head = name + "." + string(rune('0'+i)) + "." + string(rune('0'+count)) + "."
	}
	return values, nil
}
