package session

import (
	"time"

	"github.com/holdfast-go/session/seal"
)

// Backup keeps a second copy of each session, sealed, in its visitor's own
// cookies. While the store is away visitors are served from the copy, and their
// writes wait in the copy and in this process until the store is back. Each process
// keeps the copies that it has sealed or opened lately, in up to 16 MB, to open each
// only once.
type Backup struct {
	// Keys seal the copies. Required, the same on all instances, and never in the store.
	Keys *seal.Keys

	// Audience names the application and its environment, as in
	// "shop-production", in 1 to 64 printable ASCII characters. Required, and the same on
	// all instances. A copy opens only for the audience that it was sealed for: without an
	// Audience of its own, an application would accept copies of any other with the same
	// keys, and production those of staging. A change of it drops all copies that visitors
	// have. It is no secret.
	Audience string

	// Lease is how long a copy may vouch for a session since the store last confirmed
	// it: a second or more; default an hour. An instance that does not reach the store
	// does not hear of a logout, and honors it one Lease later at most.
	Lease time.Duration

	// MaxLease is the most that a Switch may prolong Lease to: from Lease, the default,
	// to a hundred years. Tombstones stay in the store for MaxLease and five minutes.
	MaxLease time.Duration

	// Copy is how many bytes of cookies one copy may take up, names and separators
	// included; default 2048, or Budget where that is less; from 1024 up to Budget.
	// Values of 256 bytes and more are compressed, each alone; what does not fit is
	// left out, see Rank. Every request carries the copy, so a larger one costs each
	// page, and it needs a larger ProxyBuffer.
	Copy int

	// Budget is how many bytes of cookies a session's copies may take up together in a
	// visitor's browser, names and separators included; default 6144, from 1024 to 6656.
	// The bound holds in whatever order answers arrive. With the most that is allowed
	// there is room in a Cookie line of 8 KB, which is what nginx and Apache take, for
	// the token, the list of ended sessions and 850 bytes of other cookies.
	//
	// Answers that overlap leave a copy each: there is room for four that are
	// no larger than a quarter of the Budget, and for two up to a half of it.
	Budget int

	// ProxyBuffer is how many bytes of an answer's header the proxies in front of
	// the application take; default 4096, which is nginx's proxy_buffer_size, and at
	// least 2048 more than Copy. nginx answers 502 in the place of an answer with a
	// larger header. Where a handler's own fields leave a copy less room, more values
	// are left out, but nothing that waits for the store. A copy without values still
	// vouches for its session. docs/PROXIES.md has the directives.
	ProxyBuffer int

	// Restores is how many sessions a second are put back into a store that lost them, at
	// most; default 1000. Bursts of up to this many are allowed. The others are served from
	// their copies meanwhile.
	Restores int

	// Journal bounds the bytes of writes that this process keeps for the store until it
	// answers; default 64 MiB. Beyond the bound the process first drops tombstones of
	// sessions that no visitor is known to have had, then the oldest sessions, whose
	// changes their visitors' cookies still carry. A logout that finds no room fails.
	Journal int

	// Dir names a directory that keeps these writes, and the logouts among them, in a file
	// too, so that they outlive the process: a crash, a deployment, the OOM killer. It must
	// exist, on a disk of this machine, and instances on one machine share it: each has a
	// file of its own in it, and takes over the file of an instance that has ended, when it
	// starts and once a minute. A request waits until its entry is written, 50 ms at most.
	// Where the disk is full, slow or broken, requests go on, and only what it did not take
	// can be lost with the process, see Hooks.JournalFile. A file takes up at most twice
	// Journal, and as much again for a moment while it is written anew. The lines are sealed
	// with Keys. Empty, the default, means no file. Dir needs a system with flock, as Linux,
	// macOS and the BSDs have: New fails elsewhere.
	Dir string

	// Sync makes each write to the file go through to the disk before the request goes
	// on. Without it the system has the write, and what a process wrote is lost only
	// with the whole machine.
	Sync bool
}
