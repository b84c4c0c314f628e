package simulation

// exemption is a reason why an answer breaks no promise though it looks as if it did. The
// condition stands where an exemption is granted; the counts of a run say how often it was.
type exemption int

const (
	noFreeCookie exemption = iota
	revokedMeanwhile
	endedMeanwhile
	displacedOtherSession
	displacedOtherInstance
	displacedOneSlot
	displacedNoneFree
	displacedThenLost
	countedForgotten
	countedLostMemory
	countedUnseen
	countedBeside
	cachedBefore
	cannotKnowEnd
	renewedBefore
	renewedByAnother
	nothingToEnd
	tombstoneEvicted
	tombstoneUndone
	listsBeside
	cartsBeside
	endedBeforeLate
	loginAtOnce
	loginUnordered
	looksStrange
	nothingVouches
	cannotVouch
	requiresStore
	withheld503
	serverOnly503
	hungUp503
	crowded503
	strangers503
	conflict503
	withheldUnavailable
	withheldLost
)

// exemptions are all there are: what a run's counts call them, and the sentence of the design
// that they rest on.
var exemptions = [...]struct{ name, sentence string }{
	noFreeCookie:           {"no cookie was free of a copy that nobody reads", "decision 50: where none is free no copy is sent, and the store alone has the write"},
	revokedMeanwhile:       {"the user was revoked while the answer was made", "section 3: the revocation set is asked before any answer is used"},
	endedMeanwhile:         {"the session was ended while the answer was made", "section 5: what has ended gets no copy, and an instance that does not know reads the last one"},
	displacedOtherSession:  {"a copy displaced another session's", "section 6: the slots are kept apart among the requests of one session"},
	displacedOtherInstance: {"a copy displaced another instance's", "section 6: across instances an answer may displace another from the jar"},
	displacedOneSlot:       {"a copy displaced another in the only slot", "section 6: with one slot an answer may displace another from the jar"},
	displacedNoneFree:      {"a copy displaced another, none was free", "section 6: none free, it overwrites a carried one"},
	displacedThenLost:      {"displaced from the jar, then lost with store or journal", "section 4: the journal creates a record only while the lease holds, and dies with its process"},
	countedForgotten:       {"counted without what was displaced, which the instance has forgotten", "section 2: until a request has carried it back, or for 30 s"},
	countedLostMemory:      {"counted in a store that has lost its memory", "section 6: only store or journal has what an answer displaced from the jar"},
	countedUnseen:          {"counted for a visitor who never had the answer, and forgotten before an outage", "section 2: until a request has carried it back, or for 30 s"},
	countedBeside:          {"counted side by side, and the store had not answered", "section 11: where an update is not answered, two instances keep the later"},
	cachedBefore:           {"loaded from a cache that was not told yet", "section 5: an instance honors it within two intervals"},
	cannotKnowEnd:          {"an ended session is served, by an instance that cannot know", "section 5: an instance that reaches the store honors it at once, and one that does not after the lease"},
	renewedBefore:          {"renewed in the store before the logout got there", "section 5: Renew had ended the old ID, and its successor was no part of the logout"},
	renewedByAnother:       {"displaced from the jar, and the session was renewed by another than the instance that knows it", "section 2: what a commit has saved stays known until a request of that session has carried it back"},
	nothingToEnd:           {"the store had nothing to end, and no copy came along", "section 5: then the end makes no key in the store"},
	tombstoneEvicted:       {"a tombstone was evicted, and nobody came", "section 5: single tombstones are written again whenever one is met"},
	tombstoneUndone:        {"a tombstone was undone that the logs have, and nobody came", "section 5: the same, where the logs have the end"},
	listsBeside:            {"two writes of one list side by side, and the store had not answered", "section 2: writes that truly happened side by side are decided by the dot"},
	cartsBeside:            {"two writes of one cart side by side", "section 2: the same"},
	endedBeforeLate:        {"the session ended before a write after the header", "section 3: dead or no session, and the visitor gets an empty one"},
	loginAtOnce:            {"a login and a revocation at once", "section 5: a login that begins afterwards counts"},
	loginUnordered:         {"a login and a revocation that an instance cut off cannot order", "section 5: the same, and clocks differ"},
	looksStrange:           {"a logout of a session that looks like a stranger's", "section 4: what goes first when the journal is full"},
	nothingVouches:         {"logged out, the store has nothing and nothing vouches", "section 5: an empty store logs out whoever was not seen for a lease"},
	cannotVouch:            {"503, nobody can vouch", "section 3: else unknown"},
	requiresStore:          {"503, the route requires the store", "section 10: not on a backup"},
	withheld503:            {"503, a key that did not travel", "section 4: what may not degrade, because it is too large, gets 503"},
	serverOnly503:          {"503, a ServerOnly key", "section 4: setting a ServerOnly key while degraded is ErrUnavailable"},
	hungUp503:              {"503, the client had gone", "section 3: a request that was canceled gets unknown"},
	crowded503:             {"503, others of its session came before", "section 2: what cannot be saved although the store answers gets 503"},
	strangers503:           {"503, strangers filled the journal", "section 4: copies kept only for reading go first, and without them an Update knows no base"},
	conflict503:            {"503, conflict", "section 4: it never degrades on conflict"},
	withheldUnavailable:    {"a key that does not travel is unavailable", "section 4: reading a withheld key in an outage is ErrUnavailable"},
	withheldLost:           {"a key that does not travel is lost", "section 4: after a restore from a copy it is ErrLost until set again"},
}

func (o *oracle) exempt(e exemption) { o.count("oracle: exempt: " + exemptions[e].name) }
