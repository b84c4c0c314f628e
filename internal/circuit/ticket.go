package circuit

import "time"

// Ticket is returned by Allow and Probe and taken by Report. The zero Ticket says
// No.
type Ticket struct {
	Answer  Answer
	changes uint32 // of the breaker, until then
	began   time.Duration
}

// Answer says whether a request is sent to the shard.
type Answer uint8

// No counts as a shard that does not answer. A Destroy, and what the journal
// delivers, may be sent nevertheless; Report ignores them.
const (
	No          Answer = iota
	Serve              // as always
	PassThrough        // the shard is not back, but this session has no other place

	probing
)

// Outcome is the result of an operation.
type Outcome uint8

// Every answer speaks for the shard, even a refusal. Only the caller can tell an
// operation that its visitor canceled from one that ran out of its budget.
const (
	Answered Outcome = iota // a record, nothing, a conflict, "too large"
	Canceled                // by the visitor: says nothing about the shard
	Failed                  // an error, or no answer within the budget
)

// Mode is an operator's override of what Allow answers.
type Mode uint8

// In every mode probes are due and operations count.
const (
	Auto       Mode = iota
	StoreOnly       // always Serve
	BackupOnly      // always No
)

func (m Mode) String() string { return [...]string{"auto", "store only", "backup only"}[m] }

func (a Answer) String() string { return [...]string{"no", "serve", "pass through", "probe"}[a] }
