package decide

// table is the reading decision. The first row whose condition holds decides.
var table = [...]struct {
	when when
	then Decision
}{
	// Death comes first, whatever else is known, but for where a rotation still leads.
	{
		when{known: of(RotatedLately), answer: of(CacheBehind)},
		Decision{AskStore, None, 0, "behind a cached record the store itself is asked"},
	},
	{
		when{known: of(RotatedLately), answer: of(StoreFailed, NoAnswer)},
		Decision{Unknown, LoadError, 0, "without its answer the session is unknown"},
	},
	{
		when{known: of(RotatedLately, Revoked), answer: of(Nothing, Record, Behind, CacheBehind)},
		Decision{Dead, BySet, WriteTombstone, "Its tombstone is written again where the store answers a record or nothing."},
	},
	{
		when{known: of(RevokedIfStored), answer: of(Record, Behind, CacheBehind)},
		Decision{Dead, BySet, WriteTombstone, "Its tombstone is written again where the store answers a record or nothing."},
	},
	{
		when{known: of(RotatedLately, Revoked, RevokedIfStored)},
		Decision{Dead, BySet, 0, "A session that this process knows to be dead is dead, whatever the store answers."},
	},
	{
		when{known: of(Named)},
		Decision{Dead, ByCookie, 0, "A session that the visitor's tombstone cookie names is dead."},
	},
	{
		when{answer: of(Tombstone)},
		Decision{Dead, ByStore, Learn, "A tombstone in the store means dead, and the revocation set learns it."},
	},
	{
		when{known: of(LoginRevoked)},
		Decision{Dead, ByLogin, 0, "A session whose login was before the revocation of its user is dead, whatever the store answers."},
	},
	{
		when{known: of(SupersededElsewhere)},
		Decision{Dead, ByPredecessor, WriteTombstone, "A session whose predecessor another writer has ended is dead too"},
	},

	// A live record.
	{
		when{answer: of(Record, Behind, CacheBehind), copy: of(NoCopy, Stale), mode: of(Auto), unwritable: yes},
		Decision{Unknown, TooLongUnwritable, ReportStale, "Of a store that has taken no saves for longer than a lease, a record counts only beside a copy that vouches."},
	},
	{
		when{answer: of(Record)},
		Decision{Live, None, 0, "A live record is joined with what the copies know."},
	},
	{
		when{answer: of(Behind)},
		Decision{Live, None, Repair, "If they know more, the commit repairs the store."},
	},
	{
		when{answer: of(CacheBehind)},
		Decision{AskStore, None, 0, "Where a cached record lacks something that a copy has, the store itself is asked."},
	},

	// The failure is not the store's: no copy takes its place.
	{
		when{answer: of(NoAnswer)},
		Decision{Unknown, LoadError, ReportStale, "A request that has ended learns nothing about the store and is not served from a copy."},
	},

	// No answer of the store.
	{
		when{answer: of(StoreFailed), copy: of(Vouches), mode: of(Auto, BackupOnly)},
		Decision{Serve, None, Degraded, "Where the store does not answer and a copy vouches, the session is served from the copy."},
	},
	{
		when{answer: of(StoreFailed)},
		Decision{Unknown, LoadError, ReportStale, "Where the store does not answer and no copy vouches, the session is unknown"},
	},
	{
		when{copy: of(Vouches), mode: of(Auto, BackupOnly), quarantined: yes, foreign: no},
		Decision{Serve, None, Degraded, "For a store in quarantine, nothing counts as no answer."},
	},
	{
		when{quarantined: yes, foreign: no},
		Decision{Unknown, Forgetful, ReportStale, "For a store in quarantine, nothing counts as no answer."},
	},

	// Nothing in the store, and it is believed.
	{
		when{foreign: yes, neverStored: no, excused: no},
		Decision{NoSession, None, ReportStale, "With a foreign format nothing always means ended, unless the store has never had the session."},
	},
	{
		when{foreign: yes, neverStored: no},
		Decision{Unknown, UnknownKey, ReportStale, "A copy sealed lately with a key that is not known here makes the answer unknown"},
	},
	{
		when{copy: of(Vouches), mode: of(Auto, BackupOnly), predecessor: of(Settled)},
		Decision{Restore, None, 0, "Where the store has nothing and a copy vouches, the session is restored."},
	},
	{
		when{copy: of(Vouches), mode: of(Auto, BackupOnly), predecessor: of(Unread)},
		Decision{ReadPredecessor, None, 0, "is restored only after the predecessor was read"},
	},
	{
		when{copy: of(Vouches), mode: of(Auto, BackupOnly), predecessor: of(EndedByOther)},
		Decision{Dead, ByPredecessor, WriteTombstone, "if another writer has ended the predecessor, the session ends"},
	},
	{
		when{copy: of(Vouches), mode: of(Auto, BackupOnly), predecessor: of(OutOfReach)},
		Decision{Serve, None, Degraded, "if the store does not answer, the session is served from the copy"},
	},
	{
		when{copy: of(Vouches), mode: of(Auto, BackupOnly)},
		Decision{Unknown, LookError, 0, "if it cannot be told, the session is unknown"},
	},
	{
		when{excused: yes},
		Decision{Unknown, UnknownKey, ReportStale, "A copy sealed lately with a key that is not known here makes the answer unknown"},
	},
	{
		when{},
		Decision{NoSession, None, ReportStale, "Where the store has nothing and no copy vouches, there is no session."},
	},
}
