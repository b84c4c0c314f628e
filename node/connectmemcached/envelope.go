package connectmemcached

import (
	"encoding/json"
	"fmt"

	"github.com/holdfast-go/session/node/internal/js"
)

// envelope is a sealed session: text, mac and aad are encoded, and only gcm has
// a tag and an aad.
type envelope struct {
	text, mac string
	iv, salt  []byte
	tag       []byte
	aad       string
}

// signed is what the MAC is of. The salt and the iv go through a JavaScript
// string, which takes most of them away.
func (e envelope) signed() []byte {
	b := append([]byte(e.text), js.UTF8(e.salt)...)
	return append(b, js.UTF8(e.iv)...)
}

// The tags of DER.
const (
	octetString = 0x04
	sequence    = 0x30
)

func (e envelope) der(aead bool) []byte {
	parts := [][]byte{[]byte(e.text), []byte(e.mac), e.iv, e.salt}
	if aead {
		parts = append(parts, e.tag, []byte(e.aad))
	}
	var body []byte
	for _, part := range parts {
		body = append(appendLength(append(body, octetString), len(part)), part...)
	}
	return append(appendLength([]byte{sequence}, len(body)), body...)
}

func appendLength(b []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, byte(n))
	case n < 1<<8:
		return append(b, 0x81, byte(n))
	case n < 1<<16:
		return append(b, 0x82, byte(n>>8), byte(n))
	}
	return append(b, 0x83, byte(n>>16), byte(n>>8), byte(n)) // a session is below 16 MB
}

// parseDER reads what der wrote. It is stricter than asn1.js: lengths have
// their shortest form, and nothing may follow.
func parseDER(b []byte, aead bool) (e envelope, ok bool) {
	body, rest, ok := element(b, sequence)
	if !ok || len(rest) > 0 {
		return e, false
	}
	n := 4
	if aead {
		n = 6
	}
	parts := make([][]byte, n)
	for i := range parts {
		if parts[i], body, ok = element(body, octetString); !ok {
			return e, false
		}
	}
	e = envelope{text: string(parts[0]), mac: string(parts[1]), iv: parts[2], salt: parts[3]}
	if aead {
		e.tag, e.aad = parts[4], string(parts[5])
	}
	return e, len(body) == 0
}

// element splits the first element, which must have this tag, off b.
func element(b []byte, tag byte) (body, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != tag {
		return nil, nil, false
	}
	n, b := int(b[1]), b[2:]
	if n >= 0x80 {
		size := n - 0x80
		if size < 1 || size > 3 || len(b) < size || b[0] == 0 {
			return nil, nil, false
		}
		n = 0
		for _, c := range b[:size] {
			n = n<<8 | int(c)
		}
		if b = b[size:]; n < 0x80 {
			return nil, nil, false
		}
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// buffer is a Buffer as JSON.stringify writes it.
type buffer struct {
	Type string `json:"type"`
	Data octets `json:"data"`
}

type octets []byte

// MarshalJSON writes an array of numbers.
func (o octets) MarshalJSON() ([]byte, error) {
	numbers := make([]int, len(o))
	for i, b := range o {
		numbers[i] = int(b)
	}
	return json.Marshal(numbers)
}

// UnmarshalJSON reads an array of numbers from 0 to 255.
func (o *octets) UnmarshalJSON(b []byte) error {
	var numbers []int
	if err := json.Unmarshal(b, &numbers); err != nil {
		return err
	}
	*o = make(octets, len(numbers))
	for i, n := range numbers {
		if n < 0 || n > 255 {
			return fmt.Errorf("%d is no byte", n)
		}
		(*o)[i] = byte(n)
	}
	return nil
}

type jsonEnvelope struct {
	MAC  string  `json:"hmac"`
	Text string  `json:"ct"`
	IV   buffer  `json:"iv"`
	Salt buffer  `json:"salt"`
	AAD  string  `json:"aad,omitempty"`
	Tag  *buffer `json:"at,omitempty"`
}

func (e envelope) json(aead bool) []byte {
	j := jsonEnvelope{MAC: e.mac, Text: e.text, IV: buffer{"Buffer", e.iv}, Salt: buffer{"Buffer", e.salt}}
	if aead {
		j.AAD, j.Tag = e.aad, &buffer{"Buffer", e.tag}
	}
	b, _ := json.Marshal(j) // strings and numbers
	return b
}

func parseJSON(b []byte, aead bool) (envelope, bool) {
	var j jsonEnvelope
	if json.Unmarshal(b, &j) != nil || j.IV.Type != "Buffer" || j.Salt.Type != "Buffer" || aead != (j.Tag != nil) {
		return envelope{}, false
	}
	e := envelope{text: j.Text, mac: j.MAC, iv: j.IV.Data, salt: j.Salt.Data, aad: j.AAD}
	if aead {
		e.tag = j.Tag.Data
	}
	return e, true
}
