// Package mirrorstore keeps sessions in two stores at once, and reads from the first that
// answers: memcached in front of a database, or two Redis in two places. While one of the two
// is away the other serves, without a backup too.
//
// # What is promised
//
// The two hold plain records, as either would alone. A site may begin with a mirror of a store
// that it has, and may leave one again.
//
// A change that is acknowledged stands in both stores, or in one while the other is out. A store
// is out for a process when it left three calls in a row unanswered in a second, or refused them
// for 0.3 s, while the other answered. Until then a Save that one store alone has taken is an error, and its caller looks
// whether it happened.
//
// One of the two decides: each Save is a compare-and-set there before it is one in the other
// store, so that of many Saves over one Version one succeeds. The second store decides, and from
// the moment in which it goes out the first, until that goes out. Which of them it is stands in both,
// and each process reads it twice a second.
//
// Of two records of one session that differ, neither is chosen: they are joined, name by
// name, and an ended session stays ended. The joined record is written into the store
// that lacks it when the session is next loaded from both, saved, or repaired.
//
//	both answer            the contract of a store
//	the store that does    loads, after half of their time at most, and after 0.3 to 1 s saves
//	not decide is away     too are served by the other. The process keeps the ID, and repairs the
//	                       store when it answers again: tombstones first
//	the store that         the same for loads. Saves are refused for 1.8 to 2.5 s, until every
//	decides is away        process knows that the other store decides. A tombstone is not
//	one has lost a record  it gets the record from the other: the first store by the next
//	                       Load, the second by the next Save
//	one comes back older   after an outage, each process that saw it fail reads both stores for
//	                       ten seconds more, and longer what it has saved meanwhile itself.
//	                       Another may read what is older, and cannot save over it. After a
//	                       restart, which its incarnation tells, both are read for Options.Idle
//	instances see          each side goes on by itself. Afterwards the sides are joined: of one
//	different stores       value that both have changed, the later change stays, so an Update
//	                       of one side may be lost. A logout on one side does not hold on the
//	                       other until then, and holds on both afterwards
//	the process that saved that save is missing from the store that was away until the session is
//	to one store dies      saved again, or is loaded from both
//	first one is away,     what only the store that is away has taken is not seen while it is
//	then the other         away; the process that saved it returns an error instead
//
// Where one store has no record and the other does not answer, a Load returns an error and
// not [session.ErrNotFound]: the record may be in the other.
//
// # What is joined
//
// The join needs to read the records: sessions, revocations and lists of users, and what
// instances tell each other of logouts. Of other records that differ, that of the store which
// decides counts, and they are repaired only where a store tells when they expire. Sessions in
// another system's format are such records, and the other system would write to one of the
// stores only, so package node/express refuses a mirror.
//
// # What it costs
//
// A Load that the first store answers is one call, and one that finds nothing there is two. A
// Save is three calls one after the other: a load from both stores at once, to see that neither has
// gone on alone, and a save to each. So the first store should be the nearer one, and
// SaveTimeout has to have room for three calls. A record that is too large for the store that does
// not decide stands in the other alone. One that is too large for the store that decides is
// [session.ErrTooLarge]: put the store that takes less in front.
//
// On a machine that has no processor to spare, an instance takes longer to come back after an outage
// than with one store: each of the calls in a row waits for its turn.
//
// A Store has no Close. It repairs, and notices what store has to decide, when a Manager probes it,
// which happens each second; repairs go on for about a second after that. A call to a store that
// does not answer may end after the Load that did not wait for it, at the end of that Load's time.
package mirrorstore
