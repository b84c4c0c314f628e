package override

import (
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
)

// Value is a [session.Switch] that a program sets. The zero Value is auto. It
// may be used concurrently, and must not be copied.
type Value struct{ order atomic.Pointer[Order] }

// Set puts o in force until it is set again.
func (v *Value) Set(o session.Override) { v.SetUntil(o, time.Time{}) }

// SetUntil puts o in force until a time, after which the Value is auto by itself: no
// order stays in force because an operator forgot it. A zero until means no end.
func (v *Value) SetUntil(o session.Override, until time.Time) {
	v.set(Order{Override: o, Until: until})
}

func (v *Value) set(o Order) { v.order.Store(&o) }

// Override implements [session.Switch].
func (v *Value) Override() session.Override { return v.Order().Override }

// Until implements [session.EndingSwitch].
func (v *Value) Until() time.Time { return v.Order().Until }

// Order returns the order that is in force, with its end; the zero Order where none is,
// or no longer.
func (v *Value) Order() Order {
	o := v.order.Load()
	if o == nil || !o.Until.IsZero() && !time.Now().Before(o.Until) {
		return Order{}
	}
	return *o
}
