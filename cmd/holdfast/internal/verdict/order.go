package verdict

import (
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

// By is the Order.By of the orders that monitors give. Every other order is an
// operator's.
const By = "holdfast monitor"

// Action is what a monitor does with the order that stands.
type Action uint8

// The actions.
const (
	Leave Action = iota
	Put          // the order that Write returns
	Remove
)

// Act returns what s makes of the order that stands, which is nil for none. readable is
// false where the text that stands is no order. The monitor leaves that alone, because
// somebody else may have written it.
func (r Rules) Act(s State, stands *override.Order, readable bool, now time.Time) Action {
	ended := stands != nil && !stands.Until.IsZero() && !now.Before(stands.Until)
	switch {
	case !readable:
		return Leave
	case stands != nil && stands.By != By && !ended:
		return Leave // an operator's always wins
	case s.Down && (stands == nil || ended || stands.Until.Sub(now) < r.Order/2):
		return Put
	case !s.Down && stands != nil && stands.By == By:
		return Remove
	}
	return Leave
}

// Write returns the order of a store that is down. It ends by itself, so that monitors
// that die leave auto behind.
func (r Rules) Write(now time.Time) override.Order {
	return override.Order{
		Override: session.Override{Mode: session.BackupOnly},
		Until:    now.Add(r.Order).UTC().Truncate(time.Millisecond),
		By:       By,
	}
}
