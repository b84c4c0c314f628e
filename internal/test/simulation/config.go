package simulation

import (
	"context"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
)

// Config is what the worlds of a run have in common.
type Config struct {
	// New starts an instance of the program.
	New func(Spec) (Instance, error)

	// WithoutBackup says that the instances keep no backup, so that promises which
	// only a backup can keep are not judged.
	WithoutBackup bool

	Calm     bool // nothing fails, and there is no thief
	OneClock bool // New cannot set the clock of an instance

	// Steps of each world; default 20 to 60, as the seed says.
	Steps int

	// Story names what each world must have: one of Stories. Empty, half of the
	// worlds have any.
	Story string

	// Worlds are the classes of events that plans have in addition to the usual ones.
	Worlds []World

	// Copy is how many bytes of cookies a copy may take up; 0: as many as all may.
	Copy int

	// Cookie is the name of the token's cookie; default __Host-session.
	Cookie string

	Off Switches
}

// Switches turn off what the world, and not the program, does for sessions, so that
// a run shows which promises need it.
type Switches struct {
	CAS             bool // a Save over a Version is one over Any
	Tombstones      bool // the store keeps no tombstones
	Slots           bool // browsers send only the copy that was set last
	TombstoneCookie bool // browsers do not send it
	Incarnation     bool // a restart changes neither the incarnation nor the records that are no sessions
	Backup          bool // browsers send no copies
	Update          bool // the application reads a list and sets it, in place of Update
	Tracking        bool // caches are not told what others have replaced
	Patience        bool // only the store knows of a client that has left, and does not answer
}

// Timing is how a world's sessions are configured. Worlds are short, so these
// are too.
type Timing struct {
	Idle, Lifetime, Refresh  time.Duration
	Lease, MaxLease          time.Duration
	ReadTimeout, SaveTimeout time.Duration
	Budget                   int           // of bytes, for all copies
	Copy                     int           // of bytes, for one
	Settle                   time.Duration // after which a link that is well must serve
}

// Spec says which instance is to be made.
type Spec struct {
	Timing
	Instance   int // its place, from 0
	Generation int // 0, then 1 more with each crash or deployment of that place
	Store      session.Store
	Skew       time.Duration     // how far its clock is ahead of the world's
	Count      func(what string) // counts an event, for hooks
	Journal    int               // how many bytes it may owe the store; 0: as many as usual
	Switch     session.Switch

	// Keys is the stage of a rotation: 0 seals with the first key, 1 can also
	// open the second's, and 2 seals with the second.
	Keys int
}

// Instance is one running program.
type Instance struct {
	Handler http.Handler
	Close   func(context.Context) error
}
