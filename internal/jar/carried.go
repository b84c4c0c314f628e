package jar

import "strings"

// Carried is what the cookies for copies of one request held. The zero Carried is
// of a request that had none. It is for one goroutine at a time.
type Carried struct {
	there    Mask
	stranger bool // a value was no part, or one too many
	n        int
	first    [2]piece // without an allocation: most jars have a copy in one cookie, or are given another
	more     []piece
}

type piece struct {
	part
	cookies Mask // one, unless they hold the same
}

// mostValues bounds the values that are kept. More than Most arrive only where
// another site plants them.
const mostValues = 16

// Add takes the value of a cookie of the request. A sibling domain can plant cookies
// with our names beside ours, and they cannot be told apart before they are opened,
// so Add keeps all of them, up to 16.
func (c *Carried) Add(cookie int, value string) {
	if cookie < 0 || cookie >= Most {
		return
	}
	c.there |= 1 << cookie
	p, ok := parsePart(value)
	if !ok {
		c.stranger = true
		return
	}
	for i := range c.n {
		if have := c.at(i); have.part == p {
			have.cookies |= 1 << cookie
			return
		}
	}
	switch {
	case c.n == mostValues:
		c.stranger = true
		return
	case c.n < len(c.first):
		c.first[c.n] = piece{p, 1 << cookie}
	default:
		c.more = append(c.more, piece{p, 1 << cookie})
	}
	c.n++
}

func (c *Carried) at(i int) *piece {
	if i < len(c.first) {
		return &c.first[i]
	}
	return &c.more[i-len(c.first)]
}

// Note notes that the request had a cookie whose value is not worth keeping.
func (c *Carried) Note(cookie int) {
	if cookie >= 0 && cookie < Most {
		c.there |= 1 << cookie
	}
}

// Cookies returns which cookies the request had, whatever they held.
func (c *Carried) Cookies() Mask { return c.there }

// Copy is a whole sealed copy, as text, and the cookies in which it lay.
type Copy struct {
	Name    string
	Cookies Mask
	pieces  [Most]string
	n       int
}

// Pieces returns what the text is put together from.
func (b *Copy) Pieces() []string { return b.pieces[:b.n] }

// Len is the length of the whole text.
func (b *Copy) Len() (n int) {
	for _, piece := range b.Pieces() {
		n += len(piece)
	}
	return n
}

// Text returns the whole text.
func (b *Copy) Text() string { return strings.Join(b.Pieces(), "") }

// mostCopies bounds what planted parts can make a request try to open.
const mostCopies = 16

// Copies yields the copies of which all parts are there, in whatever
// cookies. Where a part is there twice and differs, it yields every text that
// the parts can make, up to 16: at most one of them opens.
func (c *Carried) Copies(yield func(Copy) bool) {
	left := mostCopies
	for i := range c.n {
		if c.at(i).number == 0 && !c.complete([Most]int{i}, 1, &left, yield) {
			return
		}
	}
}

// complete tries all ways to go on from the first n parts, and reports whether
// to go on after that.
func (c *Carried) complete(parts [Most]int, n byte, left *int, yield func(Copy) bool) bool {
	first := c.at(parts[0])
	if n == first.count {
		*left--
		return yield(c.join(parts[:n])) && *left > 0
	}
	for i := range c.n {
		if !c.at(i).follows(first, n) {
			continue
		}
		parts[n] = i
		if !c.complete(parts, n+1, left, yield) {
			return false
		}
	}
	return true
}

// follows reports whether p is the part of first's copy with that number.
func (p *piece) follows(first *piece, number byte) bool {
	return p.number == number && p.count == first.count && p.name == first.name
}

func (c *Carried) join(parts []int) Copy {
	b := Copy{Name: c.at(parts[0]).name, n: len(parts)}
	for i, at := range parts {
		p := c.at(at)
		b.pieces[i] = p.piece
		b.Cookies |= p.cookies
	}
	return b
}

// Incomplete reports whether there was a value that belongs to no whole copy:
// no part at all, or one whose others are missing.
func (c *Carried) Incomplete() bool {
	if c.stranger {
		return true
	}
	for i := range c.n {
		p := c.at(i)
		var numbers Mask
		for k := range c.n {
			if q := c.at(k); q.follows(p, q.number) {
				numbers |= 1 << q.number
			}
		}
		if numbers.Len() != int(p.count) {
			return true
		}
	}
	return false
}
