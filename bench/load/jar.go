package load

import (
	"bytes"
	"slices"
	"strconv"
)

// Jar is what one visitor's browser keeps of the server: cookies, whatever
// their domain, path and expiry. It is for one goroutine at a time. The zero
// Jar is a visitor who was never here.
type Jar struct {
	cookies []cookie
	version int // counts changes
}

type cookie struct{ name, value string }

// Clone returns another visitor with the same cookies.
func (j *Jar) Clone() *Jar { return &Jar{slices.Clone(j.cookies), j.version} }

// append adds the Cookie line.
func (j *Jar) append(b []byte) []byte {
	for i, c := range j.cookies {
		if i == 0 {
			b = append(b, "Cookie: "...)
		} else {
			b = append(b, "; "...)
		}
		b = append(append(append(b, c.name...), '='), c.value...)
	}
	if len(j.cookies) > 0 {
		b = append(b, lineEnd...)
	}
	return b
}

// size is how many bytes append adds.
func (j *Jar) size() int {
	n := 0
	for _, c := range j.cookies {
		n += len("; ") + len(c.name) + len("=") + len(c.value)
	}
	if n > 0 {
		n += len("Cookie: ") - len("; ") + len(lineEnd)
	}
	return n
}

var setCookie = []byte("\r\nSet-Cookie: ")

// take keeps the cookies of an answer, and returns how many bytes they took.
func (j *Jar) take(head []byte) (size int) {
	for {
		_, rest, ok := bytes.Cut(head, setCookie)
		if !ok {
			return size
		}
		line, _, _ := bytes.Cut(rest, lineEnd)
		size += len(setCookie) + len(line)
		pair, attributes, _ := bytes.Cut(line, []byte(";"))
		if name, value, ok := bytes.Cut(pair, []byte("=")); ok {
			j.set(name, value, ends(attributes))
		}
		head = rest
	}
}

func (j *Jar) set(name, value []byte, gone bool) {
	at := slices.IndexFunc(j.cookies, func(c cookie) bool { return c.name == string(name) })
	switch {
	case at < 0 && gone:
		return
	case at < 0:
		j.cookies = append(j.cookies, cookie{string(name), string(value)})
	case gone:
		j.cookies = slices.Delete(j.cookies, at, at+1)
	case j.cookies[at].value == string(value):
		return
	default:
		j.cookies[at].value = string(value)
	}
	j.version++
}

// ends reports whether the attributes delete the cookie.
func ends(attributes []byte) bool {
	for attribute := range bytes.SplitSeq(attributes, []byte(";")) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(attribute), []byte("="))
		if bytes.EqualFold(name, []byte("max-age")) {
			n, err := strconv.Atoi(string(value))
			return err == nil && n <= 0
		}
	}
	return false
}
