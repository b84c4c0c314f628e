package main

// storeProcess is a store that the shop runs itself, and so can stop. Its methods
// return when it is done, do nothing where it is so already, and may be called
// by any number of goroutines.
type storeProcess interface {
	kill() error    // it is gone, and what it held too
	freeze() error  // it takes what is sent, and answers nothing
	restart() error // killed, and started again, empty
	back() error    // it runs: thawed with all that it held, or started empty
	condition() condition
	close()
}

// condition is what was done to a storeProcess. Whether its clients noticed is
// another question.
type condition string

const (
	running condition = "running"
	frozen  condition = "frozen"
	dead    condition = "dead"
)
