// Package mechanism names the parts of the backup's protocol that the simulation
// can take away, to show what is lost without each.
package mechanism

// Set says which parts are taken away. The zero Set takes none.
type Set uint16

// The parts of the protocol.
const (
	Hints           Set = 1 << iota // tombstones that the store lacks are delivered
	Revocations                     // tombstones are remembered, and published to a shard that forgot
	PendingStates                   // states that the store lacks are delivered
	EarlyStamp                      // a lease runs from before the store was asked
	Quarantine                      // "nothing" from a shard that lost its data counts as no answer
	Superseded                      // a session names those that it took the place of
	RestoreByCreate                 // a restore never overwrites
	Overlaps                        // overlapping requests share no cookie
	Logs                            // instances tell each other of ended sessions
	Users                           // logins count no more that were before their user's revocation
	UserLogs                        // instances tell each other of the revocations of users
	EveryShard                      // and do so by the logs of all shards
	LoginCopies                     // copies carry the login
	LoginLoads                      // a login asks the store which revocation it comes after
	Ahead                           // a revocation is ahead of the clocks of other instances
	StayCopies                      // copies carry how long the session lasts
)

// Lacks reports whether a part is taken away.
func (s Set) Lacks(part Set) bool { return s&part != 0 }
