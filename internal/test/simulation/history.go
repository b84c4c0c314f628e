package simulation

import (
	"time"

	"github.com/holdfast-go/session"
)

// History is everything that happened in a world, as it was seen from outside.
type History struct {
	Timing
	Skews         []time.Duration // how far each instance's clock is ahead of the store's
	WithoutBackup bool            // none is expected
	ByTime        bool            // carts, too, are judged by time
	Shards        int             // of the store
	Events        []Event         // in the order in which they happened
}

// Event is one thing that happened.
type Event struct {
	At   time.Duration // since the world began
	Kind Kind

	Request *Request // whose; nil: of something in the background

	Instance int
	Birth    int // the generation of the instance, counted over all

	// Of the store.
	Sent    time.Duration // when the call left the instance
	Session session.ID
	Shard   int
	Save    int           // the record's: the number of the save that made it; 0: nothing there
	Prev    int           // of Stored: the record that it replaced by comparison
	Marks   ops           // of Stored: what stands in the record
	Dead    bool          // of Stored: it is a tombstone
	Until   time.Duration // of Stored: when the record expires
	Gone    bool          // of Stored: nothing stands there now. Of Closed: the token is not in the jar any more
	Cached  bool          // of Loaded: the instance had it, since Sent

	Unseen   bool         // of Forgot: the members record is the one from before
	Healthy  bool         // of Linked
	Mode     session.Mode // of Overridden
	InBudget bool         // of Linked: all calls are answered in time
	Clean    bool         // of Died: closed, and nothing left to deliver
}

// Kind is what an Event is.
type Kind uint8

// The kinds of events.
const (
	Sent       Kind = iota // a request left the browser
	Began                  // it arrived at an instance
	Loaded                 // the store's answer arrived at the instance
	Stored                 // a shard has done a save
	Acked                  // and the instance knows
	Conflicted             // the instance knows that a save was not done
	Ended                  // the answer left the instance
	Delivered              // it arrived at the browser
	Linked                 // a link became healthy, or not
	Forgot                 // a shard lost its memory
	Born                   // an instance began
	Died                   // an instance ended
	Healed                 // nothing goes wrong from here on
	Settled                // and that has been so for a while
	Restored               // a shard has a record again that it had before
	Evicted                // a shard has lost one
	Overridden             // an operator has moved the Switch of an instance
	Crowded                // the last of a crowd of strangers has ended its session
	Shaken                 // a shard stands still, or goes on, or has lost what is no session
	Closed                 // a browser that held the token of Session was closed, and opened again
)

// Request is one request and what became of it.
type Request struct {
	N        int
	Browser  int // -1: the attacker; -2: an administrator, who has no session
	Copy     int // the attacker's: which jar, from 1
	Tampered bool
	Route    Route
	Key      int
	Op       int
	User     string       // the user who logs in, or is revoked
	Stay     session.Stay // for how long the login is to last; zero: it does not say
	Instance int
	Birth    int
	Final    bool // sent when the world had settled

	Token   session.ID // of the token it carried
	Shard   int        // where that session is
	Carried []string   // the values of the copy cookies it carried
	Used    []string   // and their names
	Endings string     // the value of the tombstone cookie it carried

	Sent, Began, Ended, Delivered time.Duration // zero: not
	Left                          time.Duration // when its client hung up, or its deadline passed, if it had no answer yet; zero: never

	Status   int // zero: no answer left the instance
	Answer   Answer
	NewToken session.ID // of the token that the answer sets
	Cleared  bool       // the answer clears the token
	Ending   string     // the value of the tombstone cookie that it sets
	Sealed   []string   // the values of the copy cookies that it sets
	Given    []string   // and their names
	Size     int        // of those
	Slots    string     // what it carries, sets and deletes, for the trace

	JarToken session.ID // what the browser holds after the answer
	Jar      []string   // the values of the copy cookies in it
}

// ok reports whether the visitor was told that it worked.
func (r *Request) ok() bool { return r.Status >= 200 && r.Status < 300 }

// shows reports whether the answer showed the visitor's session.
func (r *Request) shows() bool { return r.ok() && r.Answer.Session != "" }

// arrived reports whether the visitor saw the answer.
func (r *Request) arrived() bool { return r.Delivered > 0 }
