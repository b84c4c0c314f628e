package session

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session/seal"
)

var errUnsealable = errors.New("not even the names of the values fit")

// packed is a bundle that fits.
type packed struct {
	bundle          // without the values that stay behind
	text   string   // sealed
	left   []string // the names of those that do not fit; some always stay on the server
}

// pack seals b within Backup.Copy. What does not fit is left out: from the lowest
// rank, the largest first, and last of all what the store lacks.
func (m *Manager) pack(b bundle, now time.Time) (p packed, err error) {
	return m.packInto(b, now, m.backup.Copy)
}

// packInto is pack for a copy that may take up most bytes of cookies.
func (m *Manager) packInto(b bundle, now time.Time, most int) (p packed, err error) {
	b.state.entries = b.state.entries.withhold(func(e entry) bool { return e.flags&serverOnly != 0 })
	p.bundle = b
	if p.text, err = m.seal(b, now, most); err == nil || !errors.Is(err, seal.ErrTooLarge) {
		return p, err
	}
	order := b.state.entries.present()
	slices.SortStableFunc(order, func(x, y entry) int {
		switch unsavedX, unsavedY := x.dot.clock > b.saved, y.dot.clock > b.saved; {
		case unsavedX && !unsavedY:
			return 1
		case unsavedY && !unsavedX:
			return -1
		}
		return cmp.Or(cmp.Compare(x.flags.rank(), y.flags.rank()), cmp.Compare(len(y.value), len(x.value)))
	})
	place := make(map[string]int, len(order))
	for i, e := range order {
		place[string(e.name)] = i
	}
	// The fewest that must stay behind, by bisection: more left out is shorter.
	without := func(n int) (p packed, err error) {
		p.bundle = b
		p.state.entries = b.state.entries.withhold(func(e entry) bool { return place[string(e.name)] < n })
		p.text, err = m.seal(p.bundle, now, most)
		return p, err
	}
	low, high := 1, len(order)
	if p, err = without(high); err != nil {
		return packed{}, errUnsealable
	}
	for low < high {
		middle := (low + high) / 2
		if q, err := without(middle); err == nil {
			p, high = q, middle
		} else {
			low = middle + 1
		}
	}
	for _, e := range order[:high] {
		p.left = append(p.left, string(e.name))
	}
	return p, nil
}

// seal fails with seal.ErrTooLarge where the text takes up more bytes of cookies.
func (m *Manager) seal(b bundle, now time.Time, most int) (string, error) {
	plain := b.encode()
	if m.backup.Codec == nil && m.carrier.size(seal.SealedLen(len(plain))) > most {
		return "", seal.ErrTooLarge
	}
	text, err := m.bundles.Seal(now, plain)
	if err == nil && m.carrier.size(len(text)) > most {
		return "", seal.ErrTooLarge
	}
	return text, err
}

