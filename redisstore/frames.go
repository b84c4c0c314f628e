package redisstore

import (
	"bytes"
	"errors"
)

const (
	// maxString is the longest string that a connection carries. Redis has 512 MB.
	maxString = 1 << 30

	// maxElements is how many elements one message has.
	maxElements = 1 << 24
)

var errLength = errors.New("a length that makes no sense")

// frames follows the messages of the protocol in one direction of a connection, in
// pieces of any size. It keeps nothing of them but their first word.
type frames struct {
	message func(kind byte, word []byte) error // called where one ends
	began   func()                             // called where one begins; may be nil

	kind     byte // of the message
	open     int  // elements that are missing of it; 0 between two messages
	elements int  // that it has

	header   bool // the line of an element is being read
	inside   bool // the element is one of another
	typ      byte // of the element
	number   int64
	negative bool
	rest     int64 // bytes that are missing of a string, with its CRLF

	word     [16]byte // the first string in the message, as much as fits
	length   int      // of word
	hasWord  bool
	inString bool // the bytes of rest are those of word
}

// take follows the next bytes. Once it has failed it always fails: the rest of the
// connection has no meaning.
func (f *frames) take(b []byte) error {
	for len(b) > 0 {
		var err error
		switch {
		case f.rest > 0:
			n := min(f.rest, int64(len(b)))
			if f.inString {
				f.spell(b[:min(n, max(f.rest-2, 0))])
			}
			f.rest -= n
			b = b[n:]
			if f.rest == 0 {
				err = f.endElement()
			}
		case !f.header:
			f.begin(b[0])
			b = b[1:]
		default:
			line, after, whole := bytes.Cut(b, []byte{'\n'})
			f.line(line)
			b = after
			if whole {
				err = f.endLine()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// begin takes the type of an element.
func (f *frames) begin(typ byte) {
	f.inside = f.open > 0
	if !f.inside {
		f.kind = typ
		f.open = 1
		f.elements = 1
		f.length, f.hasWord = 0, false
		if f.began != nil {
			f.began()
		}
	}
	f.header = true
	f.typ = typ
	f.number = 0
	f.negative = false
}

// line takes a part of the line behind the type.
func (f *frames) line(part []byte) {
	switch f.typ {
	case '$', '=', '!', '*', '~', '>', '%', '|':
		for _, c := range part {
			switch {
			case c == '-':
				f.negative = true
			case c != '\r' && f.number <= maxString: // what is no digit the client refuses
				f.number = f.number*10 + int64(c-'0')
			}
		}
	case '+':
		if !f.hasWord {
			f.spell(bytes.TrimSuffix(part, []byte{'\r'}))
		}
	}
}

func (f *frames) spell(part []byte) { f.length += copy(f.word[f.length:], part) }

// endLine takes in a complete line.
func (f *frames) endLine() error {
	f.header = false
	n, most := f.number, int64(maxElements)
	isString := f.typ == '$' || f.typ == '=' || f.typ == '!'
	if isString {
		most = maxString
	}
	switch {
	case f.negative && n > 1 || n > most:
		return errLength
	case f.negative && n == 1: // null
		return f.endElement()
	}
	switch f.typ {
	case '$', '=', '!':
		f.rest, f.inString = n+2, !f.hasWord
		return nil
	case '*', '~':
		return f.add(int(n))
	case '>':
		return f.addPush(int(n))
	case '%':
		return f.add(int(2 * n))
	case '|': // it stands in front of the element
		return f.add(int(2*n) + 1)
	case '+':
		f.hasWord = true
	}
	return f.endElement()
}

// addPush takes a message that the server sends of its own accord. Redis 6 may send one within
// an answer, whose elements it is none of (redis issue 8935).
func (f *frames) addPush(n int) error {
	if f.inside {
		n++
	}
	return f.add(n)
}

// add takes an element that has more of them.
func (f *frames) add(n int) error {
	f.open += n
	f.elements += n
	if f.elements > maxElements {
		return errLength
	}
	return f.endElement()
}

func (f *frames) endElement() error {
	if f.inString {
		f.hasWord, f.inString = true, false
	}
	f.open--
	if f.open > 0 {
		return nil
	}
	return f.message(f.kind, f.word[:f.length])
}
