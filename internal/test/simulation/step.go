package simulation

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// Step is one thing that the nemesis, a visitor or the attacker does.
type Step struct {
	N  int // its number, and the write's, if it writes
	At time.Duration
	Do Deed

	Browser, Instance, Shard int // Shard -1: all; Instance -1: all

	// A visit, and a replay.
	Route    Route
	Key      int
	User     string        // the user who logs in, or whom Revoke revokes
	Stay     session.Stay  // and for how long; zero: the visitor does not say
	Think    time.Duration // between the load and the commit
	Up, Down time.Duration // how long the request and the answer travel
	Lost     bool          // the answer is
	Abort    time.Duration // the browser gives up so long after it asked; zero: never
	Hangup   time.Duration // the request's context ends so long after it arrived, and its answer is read; zero: never
	Deadline bool          // because its deadline passes

	// A replay.
	Copy   int // which of the jars that were copied so far, modulo their number; -1: the last
	Tamper Tamper

	Fault Fault
	Mode  session.Mode
	Pick  int // which of the records that may be evicted, modulo their number; -1: the last
}

// Deed is what a Step does.
type Deed uint8

// The deeds.
const (
	Visit       Deed = iota
	Break            // sets the fault of links
	Restart          // a shard restarts empty
	Flush            // a shard loses its memory, and does not restart
	Crash            // an instance loses its memory; another takes its place
	Deploy           // an instance is closed; another takes its place
	Copy             // the attacker copies a jar
	Impersonate      // the attacker uses one

	// Of some worlds only.
	StandStill     // a shard hears nothing for as long as Think says
	Snapshot       // a shard is copied
	Rollback       // a shard restarts with its last copy
	Rewind         // a shard has its last copy again, and did not restart
	EvictSession   // a shard evicts a live session
	EvictTombstone // a shard evicts a tombstone
	EvictOther     // a shard evicts what is neither
	Start          // another instance starts
	Crowd          // as many strangers as Pick says begin a session and end it
	Operate        // an operator moves a Switch
	Rekey          // an instance is closed, and another with the keys of stage Pick takes its place
	Revoke         // an administrator revokes a user
	CloseBrowser   // a browser is closed, and opened again
)

// Tamper is what the attacker does to a jar before using it.
type Tamper uint8

// The ways to tamper.
const (
	Genuine     Tamper = iota
	Truncated          // sealed copies are cut
	Flipped            // one bit of each sealed copy is changed
	Swapped            // the sealed copies are those of the attacker before
	Mixed              // those of the attacker before are added under the free names
	Bare               // no sealed copies
	NoTombstone        // no tombstone cookie
	tampers
)

func (t Tamper) String() string {
	return [...]string{"", "truncated", "flipped", "swapped", "mixed", "bare", "without tombstone cookie"}[t]
}

func (s Step) String() string {
	where := func() string {
		i, sh := placeName(s.Instance), fmt.Sprintf("shard %d", s.Shard)
		if s.Shard < 0 {
			sh = "every shard"
		}
		return i + " to " + sh
	}
	switch s.Do {
	case Break:
		return fmt.Sprintf("step %d: the link of %s: %s", s.N, where(), s.Fault)
	case Restart:
		return fmt.Sprintf("step %d: shard %d restarts empty", s.N, s.Shard)
	case Flush:
		return fmt.Sprintf("step %d: shard %d is flushed", s.N, s.Shard)
	case Crash:
		return fmt.Sprintf("step %d: instance %c crashes", s.N, 'A'+s.Instance)
	case Deploy:
		return fmt.Sprintf("step %d: instance %c is deployed anew", s.N, 'A'+s.Instance)
	case Copy:
		return fmt.Sprintf("step %d: the attacker copies the jar of browser %d", s.N, s.Browser)
	case Visit, Impersonate:
		return s.request()
	default:
		return s.rare()
	}
}

func placeName(place int) string {
	if place < 0 {
		return "every instance"
	}
	return fmt.Sprintf("instance %c", 'A'+place)
}

// rare is String for what only some worlds have.
func (s Step) rare() string {
	what := map[Deed]string{
		StandStill: "stands still", Snapshot: "is copied", Rollback: "restarts with its last copy", Rewind: "has its last copy again",
		EvictSession: "evicts a session", EvictTombstone: "evicts a tombstone", EvictOther: "evicts what is no session",
	}[s.Do]
	switch s.Do {
	case Crowd:
		return fmt.Sprintf("step %d: %d strangers begin a session at instance %c, and end it", s.N, s.Pick, 'A'+s.Instance)
	case Operate:
		return fmt.Sprintf("step %d: the switch of %s: %v", s.N, placeName(s.Instance), s.Mode)
	case Rekey:
		return fmt.Sprintf("step %d: instance %c is deployed anew, with the keys of stage %d", s.N, 'A'+s.Instance, s.Pick)
	case Revoke:
		return fmt.Sprintf("step %d: an administrator has instance %c revoke %s", s.N, 'A'+s.Instance, s.User)
	case CloseBrowser:
		return fmt.Sprintf("step %d: browser %d is closed, and opened again", s.N, s.Browser)
	case Start:
		return fmt.Sprintf("step %d: instance %c starts", s.N, 'A'+s.Instance)
	case StandStill:
		what += fmt.Sprintf(" for %v", s.Think.Round(time.Millisecond))
	case EvictSession, EvictTombstone, EvictOther:
		what += fmt.Sprintf(", number %d", s.Pick)
	default:
	}
	return fmt.Sprintf("step %d: shard %d %s", s.N, s.Shard, what)
}

// sender names the browser, or the attacker and the jar that is used.
func (s Step) sender() string {
	switch {
	case s.Do == Visit:
		return fmt.Sprintf("browser %d", s.Browser)
	case s.Tamper != Genuine:
		return fmt.Sprintf("attacker with copy %d (%s)", s.Copy, s.Tamper)
	default:
		return fmt.Sprintf("attacker with copy %d", s.Copy)
	}
}

// request is String for a visit and a replay.
func (s Step) request() string {
	var b strings.Builder
	fmt.Fprintf(&b, "step %d: %s asks %c to %s", s.N, s.sender(), 'A'+s.Instance, s.Route)
	if s.Route == SignIn {
		fmt.Fprintf(&b, " as %s", s.User)
		if s.Stay != (session.Stay{}) {
			fmt.Fprintf(&b, " for %+v", s.Stay)
		}
	}
	changesKey := s.Route == Set || s.Route == Add || s.Route == Delete || s.Route >= Count && s.Route < SignIn
	if changesKey {
		fmt.Fprintf(&b, " %s", keyNames[s.Key])
	}
	if s.Think > 0 {
		fmt.Fprintf(&b, ", thinks %v", s.Think.Round(time.Millisecond))
	}
	if s.Down > 100*time.Millisecond {
		fmt.Fprintf(&b, ", answer travels %v", s.Down.Round(time.Millisecond))
	}
	if s.Lost {
		b.WriteString(", answer is lost")
	}
	if s.Abort > 0 {
		fmt.Fprintf(&b, ", gives up after %v", s.Abort.Round(time.Millisecond))
	}
	if s.Hangup > 0 {
		why := "hangs up"
		if s.Deadline {
			why = "is out of time"
		}
		fmt.Fprintf(&b, ", %s after %v", why, s.Hangup.Round(10*time.Microsecond))
	}
	return b.String()
}
