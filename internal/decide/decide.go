// Package decide holds the decision of a read: a pure function of what the store
// answered, whether the copies vouch, what the operator has ordered, and what this process
// knows. Its rows are in table.go, one for each sentence of the design.
//
// The visitor has a session, has none, or it is unknown. The caller asks the store,
// states the facts, and carries out the decision. Package lookup is that caller: it
// turns what package storage returned, and what is known besides, into facts (ask in
// lookup.go). Whether a copy vouches is a fact and not decided here: CopyVouches of package
// lookup says it, for reads, and for commits that do without the store. Package failover
// decides about the end of a session and about a restore.
package decide

// Facts are what is known when the store was asked. The zero Facts are a live
// record, no copy and nothing known to be dead: a plain read.
type Facts struct {
	Known       Known
	Answer      Answer
	Copy        Copy
	Mode        Mode
	Quarantined bool // the store has just lost its data
	Unwritable  bool // the store has taken no saves for longer than a lease, and lacks what ended since
	Foreign     bool // another system writes the store too, and leaves no tombstones
	NeverStored bool // by the journal, the store has never had the session
	Excused     bool // a copy is sealed with a key that is not known here, not long ago
	Predecessor Predecessor
}

// Known is what this process knows of the session's end. Of several the first
// in the order below that applies counts.
type Known uint8

// What a process may know.
const (
	NotDead             Known = iota
	RotatedLately             // the revocation set has its tombstone, and the store alone knows where that still leads
	Revoked                   // likewise, and it leads nowhere or this process knows where
	RevokedIfStored           // the revocation set has its tombstone, but no visitor was seen to hold the token
	Named                     // the visitor's tombstone cookie names it
	LoginRevoked              // the login to it counts no more: its user is revoked since
	SupersededElsewhere       // another writer has ended the session that it took over from
	knownEnd
)

// Answer is what came of asking the store.
type Answer uint8

// The answers of a store.
const (
	Record      Answer = iota // a live record that has all that the copies have
	Behind                    // a live record that lacks something
	CacheBehind               // likewise, but a cache has answered and the store was not asked
	Tombstone                 // a dead record
	Nothing                   // no record, or one that has expired
	StoreFailed               // the store's own failure, or a breaker that is open
	NoAnswer                  // the request has ended, or the record cannot be read here
	answerEnd
)

// Copy says whether the copies of the visitor and of the journal vouch together.
type Copy uint8

// The worth of a copy.
const (
	NoCopy  Copy = iota
	Vouches      // its lease holds, and the session is neither idle for too long nor at its end
	Stale        // it vouches for nothing any more
	copyEnd
)

// Mode is the operator's.
type Mode uint8

// The modes. With BackupOnly the store is not asked: the answer is StoreFailed.
const (
	Auto Mode = iota
	StoreOnly
	BackupOnly
	modeEnd
)

// Predecessor is what is known of the session that this one took over from.
type Predecessor uint8

// What may be known of a predecessor.
const (
	Settled      Predecessor = iota // there is none, it is durably dead, or it was read and does not forbid this one
	Unread                          // it is not durably dead, and was not read
	EndedByOther                    // another writer has ended it
	OutOfReach                      // the store does not answer for it
	Undecided                       // it was read, and still nothing is known
	predecessorEnd
)

// Verdict is the result of a read.
type Verdict uint8

// The verdicts. The last two are questions: the caller finds out, and calls Read
// again with what it found.
const (
	NoSession       Verdict = iota
	Live                    // as the store has it, joined with the copies
	Serve                   // live, from the copies
	Restore                 // live, from the copies; the commit creates the record
	Dead                    // for good; the cause says whose tombstone it is
	Unknown                 // neither store nor copy can tell
	AskStore                // load past the cache
	ReadPredecessor         // and state what it is
	verdictEnd
)

// Cause says where the tombstone of a Dead verdict comes from, and which error an
// Unknown verdict carries.
type Cause uint8

// The causes. Live verdicts and NoSession have none.
const (
	None              Cause = iota
	BySet                   // dead by the revocation set
	ByCookie                // dead by the tombstone cookie
	ByStore                 // dead by the store's tombstone
	ByLogin                 // dead by the revocation of its user
	ByPredecessor           // dead by a new tombstone, see WriteTombstone
	LoadError               // unknown: the error of the load
	Forgetful               // unknown: the store is in quarantine
	TooLongUnwritable       // unknown: the store has taken no saves for longer than a lease
	UnknownKey              // unknown: a copy does not open here
	LookError               // unknown: the error of reading the predecessor
)

// Effects are what the caller has to do besides returning the session.
type Effects uint8

// The effects.
const (
	WriteTombstone Effects = 1 << iota // the store is owed the tombstone
	Learn                              // the revocation set takes in the store's tombstone
	Repair                             // the commit joins the copies into the record
	Degraded                           // counts as answered from the backup
	ReportStale                        // the hooks learn that a copy was needed and vouches for nothing any more
)

// Decision is a verdict with all that the caller needs to act on it.
type Decision struct {
	Verdict Verdict
	Cause   Cause
	Effects Effects
	Because string // the sentence of docs/ARCHITECTURE.md
}

// Read returns the decision for f. It allocates nothing.
func Read(f Facts) Decision { return read(&f, len(table)) }

// read is Read without the row of that number, for tests.
func read(f *Facts, without int) Decision {
	bits := bitsOf(f)
	for i, admitted := range conditions {
		if bits&^admitted != 0 || i == without {
			continue
		}
		d := table[i].then
		if f.Copy != Stale {
			d.Effects &^= ReportStale
		}
		return d
	}
	return Decision{Verdict: Unknown, Cause: LoadError} // no row is left: only a test takes the last one away
}

// when is the condition of a row. The zero value of a field admits everything.
type when struct {
	known       set[Known]
	answer      set[Answer]
	copy        set[Copy]
	mode        set[Mode]
	predecessor set[Predecessor]
	quarantined set[bit]
	unwritable  set[bit]
	foreign     set[bit]
	neverStored set[bit]
	excused     set[bit]
}

// set is some values of a fact, a bit each; the empty set admits all of them.
type set[T ~uint8] uint32

func of[T ~uint8](values ...T) (s set[T]) {
	for _, v := range values {
		s |= 1 << v
	}
	return s
}

// bit is a fact that is yes or no.
type bit uint8

const (
	no set[bit] = 1 << iota
	yes
)

// Where each fact has its bits, one for each of its values.
const (
	knownAt       = 0
	answerAt      = knownAt + uint8(knownEnd)
	copyAt        = answerAt + uint8(answerEnd)
	modeAt        = copyAt + uint8(copyEnd)
	predecessorAt = modeAt + uint8(modeEnd)
	quarantinedAt = predecessorAt + uint8(predecessorEnd)
	unwritableAt  = quarantinedAt + 2
	foreignAt     = unwritableAt + 2
	neverStoredAt = foreignAt + 2
	excusedAt     = neverStoredAt + 2
	bitsEnd       = excusedAt + 2
)

const _ = 64 - bitsEnd // all bits fit

// conditions are those of the table, so that a row is one comparison.
var conditions = func() (c [len(table)]uint64) {
	for i := range table {
		c[i] = table[i].when.bits()
	}
	return c
}()

// bits has a bit for each value that the condition admits.
func (w when) bits() uint64 {
	return admitted(w.known, knownEnd)<<knownAt | admitted(w.answer, answerEnd)<<answerAt |
		admitted(w.copy, copyEnd)<<copyAt | admitted(w.mode, modeEnd)<<modeAt |
		admitted(w.predecessor, predecessorEnd)<<predecessorAt |
		admitted(w.quarantined, 2)<<quarantinedAt | admitted(w.unwritable, 2)<<unwritableAt | admitted(w.foreign, 2)<<foreignAt |
		admitted(w.neverStored, 2)<<neverStoredAt | admitted(w.excused, 2)<<excusedAt
}

func admitted[T ~uint8](s set[T], end T) uint64 {
	if s == 0 {
		return 1<<end - 1
	}
	return uint64(s)
}

// bitsOf has one bit for each fact.
func bitsOf(f *Facts) uint64 {
	return 1<<knownAt<<f.Known | 1<<answerAt<<f.Answer | 1<<copyAt<<f.Copy | 1<<modeAt<<f.Mode |
		1<<predecessorAt<<f.Predecessor | yesOrNo(f.Quarantined)<<quarantinedAt | yesOrNo(f.Unwritable)<<unwritableAt |
		yesOrNo(f.Foreign)<<foreignAt | yesOrNo(f.NeverStored)<<neverStoredAt | yesOrNo(f.Excused)<<excusedAt
}

func yesOrNo(is bool) uint64 {
	if is {
		return uint64(yes)
	}
	return uint64(no)
}
