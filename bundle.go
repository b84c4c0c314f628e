package session

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

var errUnsealable = errors.New("not even the names of the values fit")

// packed is a bundle that fits.
type packed struct {
	state.Copy          // without the values that stay behind
	text       string   // sealed
	left       []string // the names of those that do not fit; some always stay on the server
}

// pack seals b within Backup.Copy. What does not fit is left out: from the lowest
// rank, the largest first, and last of all what the store lacks.
func (m *Manager) pack(b state.Copy, now time.Time) (p packed, err error) {
	return m.packInto(b, now, m.backup.Copy)
}

// packInto is pack for a copy that may take up most bytes of cookies.
func (m *Manager) packInto(b state.Copy, now time.Time, most int) (p packed, err error) {
	b.State.Entries = b.State.Entries.Withhold(func(e state.Entry) bool { return e.Flags&state.ServerOnly != 0 })
	p.Copy = b
	if p.text, err = m.seal(b, now, most); err == nil || !errors.Is(err, seal.ErrTooLarge) {
		return p, err
	}
	order := b.State.Entries.Present()
	slices.SortStableFunc(order, func(x, y state.Entry) int {
		switch unsavedX, unsavedY := x.Dot.Clock > b.Saved, y.Dot.Clock > b.Saved; {
		case unsavedX && !unsavedY:
			return 1
		case unsavedY && !unsavedX:
			return -1
		}
		return cmp.Or(cmp.Compare(x.Flags.Rank(), y.Flags.Rank()), cmp.Compare(len(y.Value), len(x.Value)))
	})
	place := make(map[string]int, len(order))
	for i, e := range order {
		place[string(e.Name)] = i
	}
	// The fewest that must stay behind, by bisection: more left out is shorter.
	without := func(n int) (p packed, err error) {
		p.Copy = b
		p.State.Entries = b.State.Entries.Withhold(func(e state.Entry) bool { return place[string(e.Name)] < n })
		p.text, err = m.seal(p.Copy, now, most)
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
		p.left = append(p.left, string(e.Name))
	}
	return p, nil
}

// seal fails with seal.ErrTooLarge where the text takes up more bytes of cookies.
func (m *Manager) seal(b state.Copy, now time.Time, most int) (string, error) {
	plain := b.Encode()
	if m.backup.Codec == nil && m.carrier.size(seal.SealedLen(len(plain))) > most {
		return "", seal.ErrTooLarge
	}
	text, err := m.bundles.Seal(now, plain)
	if err == nil && m.carrier.size(len(text)) > most {
		return "", seal.ErrTooLarge
	}
	return text, err
}
