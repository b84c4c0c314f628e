package storetest

// The sentences of the contract, as store.go has them. A test keeps them equal, and
// makes sure that each has a case or a reason to have none.
const (
	// Of Store.
	saysGoroutines = "Both methods may be called by any number of goroutines at once."
	saysContext    = "Both honor ctx: once it is done they return without delay, with an error that wraps ctx.Err()."
	saysCutOff     = "A Save that fails this way may have happened, or not, or happen shortly after."
	saysLeaves     = "A canceled call must not cost a connection: a server that was slow for a moment serves within a second, over the connections that it had."
	saysAway       = "The error of a store that is away wraps neither ErrNotFound nor ErrConflict."
	saysIDs        = "IDs that differ in any byte, in case only too, are different sessions."

	// Of Load.
	saysLoad     = "Load returns what was last saved under id: the same bytes, and the Version which that Save returned."
	saysNotFound = "Where nothing was saved, or what was saved has expired, it returns ErrNotFound."
	saysLoaded   = "The caller does not change Data, and the store does not change it once it was returned."

	// Of Save.
	saysOver     = "Save puts r under id if what stands there is what over says."
	saysAbsent   = "Over Absent it creates: where a record stands it returns ErrConflict."
	saysVersion  = "Over a Version it replaces the record of exactly that Version: where another record stands, or none, it returns ErrConflict."
	saysAny      = "Over Any it replaces whatever stands, or creates."
	saysConflict = "A Save that returns ErrConflict has changed nothing."
	saysOne      = "Of many Saves over the same Version at once, one succeeds."
	saysNext     = "Save returns the new record's Version, over which the next Save may be made without a Load."
	saysUnique   = "A Version is unique to its write: no other Save ever returns it, not of the same bytes, not after the record expired, and not after the store restarted."
	saysExpires  = "A record is there until r.Expires, however far ahead that is, and gone at most two seconds later."
	saysPast     = "Where r.Expires has passed already, Save leaves nothing under id, if over allows it."
	saysZero     = "A zero r.Expires is an error."
	saysData     = "Data may hold any bytes, or none, and may be changed by the caller once Save returned; r.Version is ignored."
	saysTooLarge = "A record that is larger than the store takes is ErrTooLarge, and what stood before still stands."

	// Of FreshLoader, Lister and Prober.
	saysFresh        = "LoadFresh is Load past that cache: it sees every Save, of any process, that returned before it was called."
	saysList         = "List yields the ID of every record that has not expired, in the form that Load takes."
	saysBreak        = "An error, including ctx's, ends the sequence."
	saysShard        = "Shard names the one that has id; it does not ask it."
	saysProbe        = "Probe asks a shard whether it answers, without a visitor's request, and returns its incarnation: a string that stays while the shard keeps what it holds, and changes when it may have lost it by a restart."
	saysProbeContext = "It honors ctx as Load does."
	saysNoShard      = "Probe fails for an unknown shard."

	// Of Pinner.
	saysShards     = "Shards names every shard, once each and in order."
	saysShardsAsks = "It asks none of them."
	saysPin        = "Pin returns a Store that has all its records in one shard, whatever their IDs."
	saysPinSame    = "Under an ID that Shard puts there, it has the record that the Pinner itself has."
	saysPinNone    = "A shard that Shards does not name is an error."
)
