package simulation

import (
	"maps"
	"slices"
	"time"
)

// World names a class of events that the plans of a run have besides those that
// every plan has. The plan of a seed has some of the worlds that Config.Worlds
// lists; without any, it is what it was before there were worlds.
type World string

// The worlds.
const (
	Bursts            World = "bursts"             // parallel requests of one session, each of which counts by Update
	SlowStore         World = "slow store"         // saves take 20, 40 or 90 % of SaveTimeout
	Stalls            World = "stalls"             // a shard stands still once, and goes on
	Rollbacks         World = "rollbacks"          // a shard comes back with a snapshot, and no visitor logs out
	LogoutsUndone     World = "logouts undone"     // the same, and what it has forgotten is a logout
	EvictedSessions   World = "evicted sessions"   // a shard evicts a live session
	EvictedTombstones World = "evicted tombstones" // a shard evicts a tombstone
	EvictedOthers     World = "evicted others"     // a shard evicts what a Manager keeps there besides sessions
	HangUps           World = "hang-ups"           // clients hang up or run out of time, and read the answer
	LateSaves         World = "late saves"         // handlers change the session after the header, and save
	Starts            World = "starts"             // another instance starts, and knows nothing
	Strangers         World = "strangers"          // strangers begin and end more sessions than an instance can remember
	BackupOnly        World = "backup only"        // an operator has instances leave the store alone
	StoreOnly         World = "store only"         // an operator has instances trust no copies
	ClientCache       World = "client-side cache"  // instances load from caches of their own
	Withheld          World = "withheld values"    // a list does not fit a copy, and is read by Or and set
	KeyRotations      World = "key rotations"      // instances are deployed anew, with other keys
	ReadsOnly         World = "reads only"         // a store answers loads and refuses saves
	Users             World = "users"              // visitors log in as users, who are revoked, and thieves have their jars

	Remembered World = "remembered" // logins say how long they last, and browsers are closed

	// ByTime adds no events. It judges by time which writes of one key are side
	// by side: only those of two instances, of which the store has not answered
	// one. Without it a stale base excuses itself.
	ByTime World = "by time"
)

// worldSteps are the courses of events that each world puts where a plan has come
// to. Chance goes on around them, other worlds included.
var worldSteps = map[World]func(*planner){
	Bursts: burst, SlowStore: slowStore, Stalls: stall, Rollbacks: rollback, LogoutsUndone: undoLogout,
	EvictedSessions: evictSession, EvictedTombstones: evictTombstone, EvictedOthers: evictOther,
	HangUps: hangUp, LateSaves: lateSaves, Starts: start,
	Strangers: strangers, BackupOnly: backupOnly, StoreOnly: storeOnly, KeyRotations: rotateKeys,
	ClientCache: cacheLoads, Withheld: withhold, ReadsOnly: readsOnly, Users: users, Remembered: remember, ByTime: func(*planner) {},
}

// Worlds returns all that Config.Worlds may name.
func Worlds() []World { return slices.Sorted(maps.Keys(worldSteps)) }

// calmPeople is a mood without logins, logouts and thieves, in which sessions
// live long.
var calmPeople = mood{visit: 70, outage: 20, forget: 5, crash: 2, slow: 20, pause: 10, stays: true}

// enter draws the worlds of a plan of n steps, and before which of the steps
// each begins.
func (d *planner) enter(cfg Config, n int) map[int][]World {
	if len(cfg.Worlds) == 0 {
		return nil
	}
	if d.IntN(2) == 0 && !cfg.Calm {
		d.mood = calmPeople
	}
	d.worlds = map[World]bool{}
	for _, w := range cfg.Worlds {
		if worldSteps[w] == nil {
			panic("simulation: there is no world " + string(w))
		}
		d.worlds[w] = true
	}
	at := map[int][]World{}
	for range 1 + d.IntN(4) {
		w := cfg.Worlds[d.IntN(len(cfg.Worlds))]
		step := 1 + d.IntN(n)
		at[step] = append(at[step], w)
		if w == Rollbacks && !d.worlds[LogoutsUndone] {
			d.mood = calmPeople
		}
	}
	d.people(at)
	return at
}

// room is how many more steps a plan may have that write.
func (d *planner) room() int { return max(0, maxOps-1-d.next-afterwards) }

// afterwards is how many steps of a plan are not those of a burst.
const afterwards = 256

// start has another instance begin, which browsers ask from then on, too.
func start(d *planner) {
	place := len(d.p.Skews)
	for _, s := range d.p.Steps {
		if s.Do == Start {
			place++
		}
	}
	stage := 0
	if d.in(KeyRotations) {
		stage = 1 // it can open what the others seal
	}
	d.after(0, Step{Do: Start, Instance: place, Pick: stage})
	b := d.IntN(d.p.Browsers)
	for range 2 + d.IntN(6) {
		s := Step{Do: Visit, Browser: b, Instance: place}
		d.ask(&s)
		d.after(d.span(1e6, 12*time.Second), s)
	}
}
