package session

// mechanism is a part of the protocol of the backup that the simulation can
// take away, to show what is lost without it. All are there otherwise.
type mechanism uint16

const (
	hints           mechanism = 1 << iota // tombstones that the store lacks are delivered
	ring                                  // tombstones are remembered, and published to a shard that forgot
	pendingStates                         // states that the store lacks are delivered
	earlyStamp                            // a lease runs from before the store was asked
	quarantine                            // a shard that forgot is not believed at once
	killLists                             // a session names those that it took the place of
	restoreByCreate                       // a restore never overwrites
	overlaps                              // overlapping requests share no cookie
)
