package journal

import (
	"github.com/holdfast-go/session/internal/state"
)

func death(clock uint64, instance uint32, r state.Reason) state.Death {
	return state.Death{Dot: state.Dot{Clock: clock, Instance: instance}, Reason: r}
}
func nothing()                         {}
func loses(state.Copy, Tombstone) bool { return false }
