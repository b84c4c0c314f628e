package backup

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// ErrTooLarge is the error of Pack for a copy of which not even the names of the
// values fit.
var ErrTooLarge = errors.New("not even the names of the values fit")

// Packed is a copy that fits.
type Packed struct {
	state.Copy          // without the values that are withheld
	Text       string   // the copy, sealed
	Withheld   []string // the names of the values that do not fit; ServerOnly ones are not among them

	generation uint64 // of the keys that sealed it
}

// WithheldError names the keys whose values a copy lacks.
type WithheldError struct{ Names []string }

func (e *WithheldError) Error() string {
	return "session: the backup has no room for " + strings.Join(e.Names, ", ")
}

// Pack seals b so that it takes up no more than most bytes of cookies. It
// withholds values that do not fit: from the lowest rank, the largest first, and last of all
// those that the store lacks. What fits beside the values that must be withheld stays. It
// fails with ErrTooLarge.
func (c *Cookies) Pack(b state.Copy, now time.Time, most int) (Packed, error) {
	b.State.Entries = b.State.Entries.Withhold(func(e state.Entry) bool { return e.Flags&state.ServerOnly != 0 })
	p := packing{c: c, whole: b, now: now, most: most, generation: c.Copies.Keys.Generation()}
	packed, err := p.without(0)
	if errors.Is(err, seal.ErrTooLarge) {
		p.arrange()
		packed, err = p.bisect()
	}
	if err == nil && packed.Text == "" {
		packed.Text, err = c.Copies.Seal(now, packed.Encode())
	}
	if err != nil {
		return Packed{}, err
	}
	return packed, nil
}

// CheckRoom returns nil where Pack would withhold no value that the store lacks,
// and otherwise a WithheldError with all that it would withhold, or ErrTooLarge.
// It seals nothing, unless only compressing tells: a caller that asks before it
// accepts a write, and packs the copy later, seals it once.
func (c *Cookies) CheckRoom(b state.Copy, now time.Time, most int) error {
	least := b
	least.State.Entries = b.State.Entries.Withhold(func(e state.Entry) bool {
		return e.Flags&state.ServerOnly != 0 || e.Dot.Clock <= b.Saved
	})
	if c.Size(seal.SealedLen(len(least.Encode()))) <= most {
		return nil // Pack tries this one, too, before it withholds more
	}
	p, err := c.Pack(b, now, most)
	if err != nil {
		return err
	}
	for _, name := range p.Withheld {
		if e, ok := b.State.Entries.Find(name); ok && e.Dot.Clock > b.Saved {
			return &WithheldError{p.Withheld}
		}
	}
	return nil
}

// Remember keeps a packed copy, so that a request which carries it need not be
// opened. The caller remembers the copies that it sends.
func (c *Cookies) Remember(p Packed) { c.opened.put(sumOf(p.Text), p.generation, p.Copy) }

// packing is one call of Pack.
type packing struct {
	c          *Cookies
	whole      state.Copy
	now        time.Time
	most       int
	generation uint64

	order []state.Entry  // the values in the order in which they are withheld
	place map[string]int // their places in it, by name
	gone  []bool         // by place: those that must be withheld, whatever else is
}

// arrange decides in which order values are withheld.
func (p *packing) arrange() {
	p.order = p.whole.State.Entries.Present()
	slices.SortStableFunc(p.order, func(x, y state.Entry) int {
		unsavedX, unsavedY := x.Dot.Clock > p.whole.Saved, y.Dot.Clock > p.whole.Saved
		if unsavedX != unsavedY {
			if unsavedX {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(x.Flags.Rank(), y.Flags.Rank()), cmp.Compare(len(y.Value), len(x.Value)))
	})
	p.gone = make([]bool, len(p.order))
	p.place = make(map[string]int, len(p.order))
	for i, e := range p.order {
		p.place[string(e.Name)] = i
	}
}

// bisect finds the fewest values that must be withheld: a copy with fewer values
// is shorter.
func (p *packing) bisect() (Packed, error) {
	low, high := 1, len(p.order)
	best, err := p.without(high)
	if err != nil {
		return Packed{}, ErrTooLarge
	}
	// First all that the store has: whether more must go does not depend on what
	// the shares in between compress to.
	saved := slices.IndexFunc(p.order, func(e state.Entry) bool { return e.Dot.Clock > p.whole.Saved })
	if saved > 0 {
		if shorter, err := p.without(saved); err == nil {
			best, high = shorter, saved
		} else {
			low = saved + 1
		}
	}
	best, high = p.fewest(best, low, high)
	// The last of these does not fit, and others stood before it in the order: a
	// value that is too large must not take all small ones along.
	for range mostSpared {
		if high == 0 {
			break
		}
		p.gone[high-1] = true
		best, high = p.fewest(best, 0, high-1)
	}
	for i, e := range p.order {
		if i < high || p.gone[i] {
			best.Withheld = append(best.Withheld, string(e.Name))
		}
	}
	return best, nil
}

// mostSpared is how many values that must be withheld are looked for.
const mostSpared = 4

// fewest returns the copy with as few of the first values withheld as possible, low at
// least, and how many these are. best is the copy without the first high ones.
func (p *packing) fewest(best Packed, low, high int) (Packed, int) {
	for low < high {
		middle := (low + high) / 2
		if shorter, err := p.without(middle); err == nil {
			best, high = shorter, middle
		} else {
			low = middle + 1
		}
	}
	return best, high
}

// without returns the copy without the first n values of the order, and those that are
// gone. It fails with
// seal.ErrTooLarge where the text takes up more than most bytes of cookies. The
// text stays empty where its length is known without sealing.
func (p *packing) without(n int) (packed Packed, err error) {
	packed = Packed{Copy: p.whole, generation: p.generation}
	if p.order != nil {
		packed.State.Entries = p.whole.State.Entries.Withhold(func(e state.Entry) bool {
			place := p.place[string(e.Name)]
			return place < n || p.gone[place]
		})
	}
	plain := packed.Encode()
	if p.c.Size(seal.SealedLen(len(plain))) <= p.most {
		return packed, nil // compressed it is no longer
	}
	if p.c.Copies.Codec == nil {
		return Packed{}, seal.ErrTooLarge
	}
	packed.Text, err = p.c.Copies.Seal(p.now, plain)
	if err == nil && p.c.Size(len(packed.Text)) > p.most {
		return Packed{}, seal.ErrTooLarge
	}
	return packed, err
}
