// Package keyring takes a file of keys of sealed cookies through the steps of a rotation: a
// key is added, seals, and is removed, and each step waits for the one before it to have
// reached every instance and every visitor.
//
// The file is one for seal.WatchFile. A comment above each key has the times that the waits
// need, so that the file alone says how far a rotation is:
//
//	# holdfast: key 0223f8e0, added 2026-03-04T12:00:00Z, seals since 2026-03-04T12:05:00Z
//
// All else in the file stays as it is. ring.go reads and writes it, steps.go has the
// rotation, and replace.go replaces a file by a changed one.
package keyring

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/seal"
)

// Most is how many bytes a file may have: seal.WatchFile reads no more.
const Most = 64 << 10

// Ring is a file of keys. It prints no secret, but for Text.
type Ring struct {
	Keys []*Key // in the order of the file

	lines []line
	end   string // of a line, without its line feed
	bom   string
}

// Key is a key of the file. Its times are zero where the file does not say them.
type Key struct {
	ID          string
	Added       time.Time
	SealsSince  time.Time
	SealedUntil time.Time
	DecryptOnly bool

	secret string
	line   int
	part   int // of those that commas separate in the line
	note   int // the line that has its times, or -1
}

type line struct {
	text   string
	before []string // lines that come in front of it
	gone   bool
}

const (
	byteOrderMark = "\ufeff"
	notePrefix    = "# holdfast: "
	decryptOnly   = "decrypt-only"
)

// Parse reads a file. The error names each line that is wrong, and nothing that stands in it.
func Parse(text string) (*Ring, error) {
	if len(text) > Most {
		return nil, fmt.Errorf("has %d bytes, and may have %d", len(text), Most)
	}
	if _, err := seal.ParseKeys(text); err != nil {
		return nil, err
	}
	r := new(Ring)
	if rest, ok := strings.CutPrefix(text, byteOrderMark); ok {
		text, r.bom = rest, byteOrderMark
	}
	if strings.Contains(text, "\r\n") {
		r.end = "\r"
	}
	notes := map[string]Key{}
	for n, text := range strings.Split(text, "\n") {
		r.lines = append(r.lines, line{text: text})
		if note, ok := strings.CutPrefix(strings.TrimSpace(text), notePrefix); ok {
			k, err := parseNote(note)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			if earlier, twice := notes[k.ID]; twice {
				return nil, fmt.Errorf("line %d: tells of the key %s, as line %d does; remove one of the two", n+1, k.ID, earlier.note+1)
			}
			k.note = n
			notes[k.ID] = k
			continue
		}
		code, _, _ := strings.Cut(text, "#")
		for i, part := range strings.Split(code, ",") {
			if strings.TrimSpace(part) == "" {
				continue
			}
			key, err := seal.ParseKey(part)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			words := strings.Fields(part)
			r.Keys = append(r.Keys, &Key{
				ID: key.ID().String(), DecryptOnly: len(words) > 1,
				secret: words[0], line: n, part: i, note: -1,
			})
		}
	}
	return r, r.take(notes)
}

// take gives the keys their times.
func (r *Ring) take(notes map[string]Key) error {
	seen := map[string]int{}
	for _, k := range r.Keys {
		if first, twice := seen[k.ID]; twice {
			return fmt.Errorf("line %d: the key has the ID %s, as that of line %d has: remove one of the two", k.line+1, k.ID, first+1)
		}
		seen[k.ID] = k.line
		if n, ok := notes[k.ID]; ok {
			k.Added = n.Added
			k.SealsSince = n.SealsSince
			k.SealedUntil = n.SealedUntil
			k.note = n.note
		}
	}
	return nil
}

// times are what a comment says of a key, in the order in which it does.
func (k *Key) times() []struct {
	label string
	at    *time.Time
} {
	return []struct {
		label string
		at    *time.Time
	}{{"added", &k.Added}, {"seals since", &k.SealsSince}, {"sealed until", &k.SealedUntil}}
}

// parseNote reads a comment of this package, from "key" on.
func parseNote(note string) (Key, error) {
	parts := strings.Split(note, ", ")
	id, ok := strings.CutPrefix(parts[0], "key ")
	raw, err := hex.DecodeString(id)
	isID := ok && err == nil && len(raw) == 4 && strings.ToLower(id) == id
	if !isID {
		return Key{}, fmt.Errorf("%skey must be followed by the ID of a key, as keys ls shows it", notePrefix)
	}
	k := Key{ID: id}
	for _, part := range parts[1:] {
		at := (*time.Time)(nil)
		for _, t := range k.times() {
			rest, ok := strings.CutPrefix(part, t.label+" ")
			if ok && t.at.IsZero() {
				at, part = t.at, rest
			}
		}
		if at == nil {
			return Key{}, fmt.Errorf("of the key %s it may say added, seals since and sealed until, each once", id)
		}
		var err error
		if *at, err = time.Parse(time.RFC3339, part); err != nil {
			return Key{}, fmt.Errorf("a time of the key %s is not written as 2006-01-02T15:04:05Z", id)
		}
	}
	return k, nil
}

// noteText returns the comment that has the times of k.
func (k *Key) noteText() string {
	parts := []string{notePrefix + "key " + k.ID}
	for _, t := range k.times() {
		if !t.at.IsZero() {
			parts = append(parts, t.label+" "+t.at.UTC().Format(time.RFC3339))
		}
	}
	return strings.Join(parts, ", ")
}

// Text returns the file, with the secrets in it.
func (r *Ring) Text() string {
	var lines []string
	for _, l := range r.lines {
		lines = append(lines, l.before...)
		if !l.gone {
			lines = append(lines, l.text)
		}
	}
	return r.bom + strings.Join(lines, "\n")
}

// find returns the key with that ID.
func (r *Ring) find(id string) (*Key, error) {
	i := slices.IndexFunc(r.Keys, func(k *Key) bool { return k.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("has no key %s; keys ls shows which it has", id)
	}
	return r.Keys[i], nil
}

// sealing returns the key that seals. There is one.
func (r *Ring) sealing() *Key {
	return r.Keys[slices.IndexFunc(r.Keys, func(k *Key) bool { return !k.DecryptOnly })]
}

// note writes the times of k down, above its line where they stood nowhere.
func (r *Ring) note(k *Key) {
	if k.note >= 0 {
		r.lines[k.note].text = k.noteText() + r.end
		return
	}
	l := &r.lines[k.line]
	l.before = append(l.before, k.noteText()+r.end)
}

// append adds a line at the end of the file.
func (r *Ring) append(text string) {
	last := len(r.lines) - 1
	if r.lines[last].text == "" { // behind the last line feed
		r.lines[last].before = append(r.lines[last].before, text+r.end)
		return
	}
	r.lines[last].text = strings.TrimSuffix(r.lines[last].text, r.end) + r.end
	r.lines = append(r.lines, line{text: text + r.end}, line{})
}

// first puts lines in front of the first key, and of the comment that has its times.
func (r *Ring) first(lines ...string) {
	at := r.Keys[0].line
	if note := r.Keys[0].note; note >= 0 && note == at-1 {
		at = note
	}
	for i := range lines {
		lines[i] += r.end
	}
	r.lines[at].before = append(lines, r.lines[at].before...)
}

// change puts text into the place of what stands for k in its line. Without a text the line
// goes too, if nothing else is in it.
func (r *Ring) change(k *Key, text string) {
	l := &r.lines[k.line]
	code, comment, commented := strings.Cut(strings.TrimSuffix(l.text, r.end), "#")
	parts := strings.Split(code, ",")
	if text != "" {
		blanks := len(parts[k.part]) - len(strings.TrimRight(parts[k.part], " \t"))
		text += parts[k.part][len(parts[k.part])-blanks:]
	}
	parts[k.part] = text
	if text == "" && strings.TrimSpace(strings.Join(parts, "")) == "" {
		l.text, l.gone = "#"+comment+r.end, !commented
		return
	}
	l.text = strings.Join(parts, ",") // with an empty part, by which the places of the others stay
	if commented {
		l.text += "#" + comment
	}
	l.text += r.end
}
