package admin

import (
	"encoding/json"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

// Status is what GET api/status answers: every instance that is known, the one that has
// answered first.
type Status struct {
	By        string     `json:"by"`     // the operator who asks, as the application calls them
	MayAct    bool       `json:"mayAct"` // the operator may end sessions, and give orders, here
	Events    bool       `json:"events"` // there is a stream of events
	Orders    bool       `json:"orders"` // orders can be given here, by those who may act
	Now       time.Time  `json:"now"`    // by the clock of the instance that has answered
	Instances []Instance `json:"instances"`

	// Read is when the other instances were last read from the store, and Problem why they
	// could not be read since, or why this instance's own record could not be written. Read
	// is zero where Options.Store is not set, and before the first read.
	Read    time.Time `json:"read,omitzero"`
	Problem string    `json:"problem,omitempty"`
}

// Instance is a process of the application, as it says itself.
type Instance struct {
	Name    string        `json:"name"`
	ID      uint32        `json:"id"` // drawn at each start
	Self    bool          `json:"self,omitempty"`
	Started time.Time     `json:"started"`
	Written time.Time     `json:"written"` // when it said all this, by its own clock
	Every   time.Duration `json:"every"`   // how often it does, in nanoseconds
	Stats   session.Stats `json:"stats"`
	Order   *Order        `json:"order,omitempty"` // nil: it does not say

	// Gone reports that the instance had not written for three intervals when it was last
	// read: it was killed, or does not reach the store.
	Gone bool `json:"gone,omitempty"`
}

// Order is the operator's override as it is in force in an instance.
type Order struct {
	Mode  string        `json:"mode"` // auto, store-only or backup-only
	Shard string        `json:"shard,omitempty"`
	Lease time.Duration `json:"lease,omitempty"` // in nanoseconds
	Until time.Time     `json:"until,omitzero"`  // when it ends by itself; zero: never
	By    string        `json:"by,omitempty"`
}

func newOrder(o override.Order) *Order {
	modes := [...]string{session.Auto: "auto", session.StoreOnly: "store-only", session.BackupOnly: "backup-only"}
	mode := o.Mode.String()
	if int(o.Mode) < len(modes) {
		mode = modes[o.Mode]
	}
	return &Order{Mode: mode, Shard: o.Shard, Lease: o.Lease, Until: o.Until, By: o.By}
}

// Session is a session as GET api/session and api/sessions show it, without its token.
type Session struct {
	ID       session.ID `json:"id"`
	User     string     `json:"user,omitempty"`
	LoggedIn time.Time  `json:"loggedIn,omitzero"`
	Began    time.Time  `json:"began"`
	Renewed  time.Time  `json:"renewed"`
	Seen     time.Time  `json:"seen"`
	Expires  time.Time  `json:"expires"`

	// Incomplete says that the session itself was not read: the dates are as the user's list
	// has them, and the names are missing.
	Incomplete bool `json:"incomplete,omitempty"`

	Names  []string                   `json:"names"`            // of the values that it has
	Values map[string]json.RawMessage `json:"values,omitempty"` // those that Options.Values names
}

// Sessions is what GET api/sessions answers.
type Sessions struct {
	Sessions []Session `json:"sessions"`

	// Problem says why the sessions may not be all.
	Problem string `json:"problem,omitempty"`
}

// Ended is the answer to an act.
type Ended struct {
	// Outcome is "durable" where the store has it, and "pending" where it waits for the store.
	Outcome string `json:"outcome"`

	// Missing says that no session had the ID that was to end: it was mistyped, or the session
	// had ended or been renewed before. It is ended all the same: a copy of the session that is
	// left somewhere is worth nothing, and what Rotate had made of it is over.
	Missing bool `json:"missing,omitempty"`
}

// failure is the answer where something did not work.
type failure struct {
	Error string `json:"error"`
}
