package contestant

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Content is what a visitor's session holds: the same for every library, in
// types that each of them stores as they are.
type Content struct {
	Name   string // the value that is read
	Email  string
	Visits int
	Cart   []string // the value that is written
	Items  []Item   // what else there is
}

// Item is a value that no route of the application touches.
type Item struct{ Key, Value string }

// Shape is how large a session is: about so many bytes, in so many keys beside
// the four that the application knows.
type Shape struct{ Bytes, Keys int }

// Usual is the session of the articles.
var Usual = Shape{Bytes: 5 << 10, Keys: 6}

// known is about what the four keys of the application take up.
const known = 130

// New returns a session of that shape.
func (s Shape) New() Content {
	c := Content{
		Name: "Ada Lovelace", Email: "ada@analytical.engine", Visits: 1815,
		Cart: []string{"tea", "milk", "rice"},
	}
	const text = "a jar of honey from the hills, two loaves of bread, a pound of butter and a dozen eggs; "
	for i := range s.Keys {
		size := max(1, (s.Bytes-known)/s.Keys-len("item000"))
		c.Items = append(c.Items, Item{fmt.Sprintf("item%03d", i), strings.Repeat(text, size/len(text)+1)[:size]})
	}
	return c
}

// Query is the shape as the login route takes it.
func (s Shape) Query() string { return fmt.Sprintf("bytes=%d&keys=%d", s.Bytes, s.Keys) }

func shapeOf(q url.Values) (s Shape, err error) {
	if s.Bytes, err = strconv.Atoi(q.Get("bytes")); err == nil {
		s.Keys, err = strconv.Atoi(q.Get("keys"))
	}
	if err != nil || s.Bytes < 0 || s.Keys < 0 || s.Bytes > 1<<20 || s.Keys > 1000 {
		return Shape{}, fmt.Errorf("no shape of a session: %q", q.Encode())
	}
	return s, nil
}

// turned is the cart with its first thing last: another value of the same
// size.
func turned(cart []string) []string {
	if len(cart) == 0 {
		return nil
	}
	return append(append(make([]string, 0, len(cart)), cart[1:]...), cart[0])
}
