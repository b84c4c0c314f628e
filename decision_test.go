package session

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/decide"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// situation is what a read may find. The zero value of a field is the usual case.
type situation struct {
	store       string // what it answers; see (*reading).answer
	copy        string // see (*reading).carry
	known       string // what this process knows; see (*reading).know
	predecessor string // what the store has of a session that this one took over from
	mode        Mode

	quarantined, foreign, neverStored, excused bool
	alone                                      bool // there is no backup
	cacheOnly                                  bool // the store cannot be asked past its cache
}

// The reading decision, row by row. want is the phase, where a live session comes
// from and what is to be done; because is a sentence of docs/ARCHITECTURE.md.
var readings = []struct {
	situation
	want    string
	because string
}{
	// Known to be dead.
	{situation{store: "record", known: "dead"}, "dead, tombstone owed", knownDead},
	{situation{store: "nothing", known: "dead"}, "dead, tombstone owed", writtenAgain},
	{situation{store: "expired", known: "dead"}, "dead, tombstone owed", writtenAgain},
	{situation{store: "tombstone", known: "dead"}, "dead", knownDead},
	{situation{store: "failed", known: "dead"}, "dead", knownDead},
	{situation{store: "breaker open", known: "dead"}, "dead", knownDead},
	{situation{store: "request over", known: "dead"}, "dead", knownDead},
	{situation{store: "unreadable", known: "dead"}, "dead", knownDead},
	{situation{store: "cached", known: "dead"}, "dead, tombstone owed", writtenAgain},
	{situation{store: "failed", copy: "vouches", known: "dead"}, "dead", knownDead},
	{situation{store: "nothing", copy: "vouches", known: "dead"}, "dead, tombstone owed", writtenAgain},
	{situation{store: "nothing", copy: "vouches", known: "dead", quarantined: true}, "dead, tombstone owed", knownDead},
	{situation{store: "nothing", known: "dead", excused: true}, "dead, tombstone owed", knownDead},
	{situation{store: "record", known: "dead", mode: StoreOnly}, "dead, tombstone owed", knownDead},
	{situation{store: "record", copy: "vouches", known: "dead", mode: BackupOnly}, "dead", knownDead},
	{situation{store: "record", known: "dead", foreign: true}, "dead, tombstone owed", knownDead},
	{situation{store: "failed", copy: "vouches", known: "dead, pending"}, "dead, tombstone owed", knownDead},
	{situation{store: "nothing", known: "dead, if stored"}, "dead", unseenToken},
	{situation{store: "record", known: "dead, if stored"}, "dead, tombstone owed", writtenAgain},
	{situation{store: "record", known: "rotated"}, "dead, tombstone owed", writtenAgain},
	{situation{store: "nothing", known: "rotated"}, "dead, tombstone owed", writtenAgain},
	{situation{store: "tombstone", known: "rotated"}, "dead", knownDead},
	{situation{store: "failed", known: "rotated"}, "unknown: store failed", rotatedUnknown},
	{situation{store: "failed", copy: "vouches", known: "rotated"}, "unknown: store failed", rotatedUnknown},
	{situation{store: "breaker open", copy: "vouches", known: "rotated"}, "unknown: not asked", rotatedUnknown},
	{situation{store: "record", copy: "vouches", known: "rotated", mode: BackupOnly}, "unknown: not asked", rotatedUnknown},
	{situation{store: "request over", known: "rotated"}, "unknown: request over", rotatedUnknown},
	{situation{store: "failed", copy: "vouches", known: "named"}, "dead", namedByCookie},
	{situation{store: "record", copy: "vouches", known: "named"}, "dead", namedByCookie},
	{situation{store: "nothing", copy: "vouches", known: "named"}, "dead", namedByCookie},
	{situation{store: "request over", copy: "vouches", known: "named"}, "dead", namedByCookie},

	// A tombstone in the store.
	{situation{store: "tombstone"}, "dead, tombstone learned", storeTombstone},
	{situation{store: "tombstone", copy: "vouches"}, "dead, tombstone learned", storeTombstone},
	{situation{store: "tombstone", copy: "vouches", quarantined: true}, "dead, tombstone learned", storeTombstone},
	{situation{store: "tombstone", mode: StoreOnly}, "dead, tombstone learned", storeTombstone},
	{situation{store: "tombstone", foreign: true}, "dead, tombstone learned", storeTombstone},
	{situation{store: "tombstone", copy: "vouches", known: "superseded elsewhere, by the visitor"}, "dead, tombstone learned", storeTombstone},

	// A predecessor that another writer has ended.
	{situation{store: "record", copy: "vouches", known: "superseded elsewhere, by the visitor"}, "dead, tombstone owed", supersededToo},
	{situation{store: "nothing", copy: "vouches", known: "superseded elsewhere, by the visitor"}, "dead, tombstone owed", supersededToo},
	{situation{store: "failed", copy: "vouches", known: "superseded elsewhere, by the visitor"}, "dead, tombstone owed", supersededToo},
	{situation{store: "record", copy: "vouches", known: "superseded elsewhere"}, "live from store", liveRecord},
	{situation{store: "nothing", copy: "vouches", known: "superseded elsewhere"}, "dead, tombstone owed", supersededToo},
	{situation{store: "failed", copy: "vouches", known: "superseded elsewhere"}, "dead, tombstone owed", supersededToo},
	{situation{store: "request over", copy: "vouches", known: "superseded elsewhere"}, "dead, tombstone owed", supersededToo},

	// A live record.
	{situation{store: "record"}, "live from store", liveRecord},
	{situation{store: "record", copy: "vouches"}, "live from store", liveRecord},
	{situation{store: "record", copy: "lease over"}, "live from store", liveRecord},
	{situation{store: "record", copy: "idle over"}, "live from store", liveRecord},
	{situation{store: "record", copy: "vouches", quarantined: true}, "live from store", liveRecord},
	{situation{store: "record", copy: "vouches", excused: true}, "live from store", liveRecord},
	{situation{store: "record", foreign: true}, "live from store", liveRecord},
	{situation{store: "record that lacks something", copy: "vouches"}, "live from store, repair", repaired},
	{situation{store: "record that lacks something", copy: "lease over"}, "live from store, repair", repaired},
	{situation{store: "record that lacks something", copy: "stamped ahead"}, "live from store, repair", repaired},
	{situation{store: "record that lacks something", known: "a pending state"}, "live from store, repair", repaired},
	{situation{store: "record that lacks something", known: "a pending state", mode: StoreOnly}, "live from store, repair", repaired},
	{situation{store: "record that lacks something", copy: "vouches", mode: StoreOnly}, "live from store", storeOnlyMode},
	{situation{store: "record", copy: "vouches", predecessor: "tombstone by another"}, "live from store", liveRecord},
	{situation{store: "cached", copy: "vouches"}, "live from store, confirms nothing", confirmsNothing},
	{situation{store: "cached that lacks something", copy: "vouches"}, "live from store, asked past the cache", askedPastCache},
	{situation{store: "cached that lacks something", copy: "vouches", cacheOnly: true}, "live from store, repair, confirms nothing", repaired},

	// No answer of the store.
	{situation{store: "failed"}, "unknown: store failed", neverNoSession},
	{situation{store: "failed", foreign: true}, "unknown: store failed", neverNoSession},
	{situation{store: "failed", excused: true}, "unknown: store failed", neverNoSession},
	{situation{store: "breaker open"}, "unknown: not asked", neverNoSession},
	{situation{store: "failed", copy: "lease over"}, "unknown: store failed, reported stale", neverNoSession},
	{situation{store: "failed", copy: "idle over"}, "unknown: store failed, reported stale", vouchesUntil},
	{situation{store: "failed", copy: "ended"}, "unknown: store failed, reported stale", vouchesUntil},
	{situation{store: "failed", copy: "stamped ahead"}, "unknown: store failed, reported stale", stampedAhead},
	{situation{store: "failed", copy: "vouches"}, "live from backup, degraded", servedFromCopy},
	{situation{store: "breaker open", copy: "vouches"}, "live from backup, degraded", servedFromCopy},
	{situation{store: "failed", copy: "vouches", foreign: true}, "live from backup, degraded", servedFromCopy},
	{situation{store: "failed", copy: "vouches", quarantined: true}, "live from backup, degraded", servedFromCopy},
	{situation{store: "failed", copy: "vouches", predecessor: "tombstone by another"}, "live from backup, degraded", servedFromCopy},
	{situation{store: "failed", known: "a pending state"}, "live from backup, degraded", servedFromCopy},
	{situation{store: "failed", copy: "vouches", mode: StoreOnly}, "unknown: store failed", storeOnlyMode},
	{situation{store: "failed", known: "a pending state", mode: StoreOnly}, "unknown: store failed", storeOnlyMode},
	{situation{store: "record", copy: "vouches", mode: BackupOnly}, "live from backup, degraded", backupOnlyMode},
	{situation{store: "record", mode: BackupOnly}, "unknown: not asked", backupOnlyMode},
	{situation{store: "request over"}, "unknown: request over", requestEnded},
	{situation{store: "request over", copy: "vouches"}, "unknown: request over", requestEnded},
	{situation{store: "request over", copy: "vouches", quarantined: true}, "unknown: request over", requestEnded},
	{situation{store: "unreadable"}, "unknown: unreadable", cannotRead},
	{situation{store: "unreadable", copy: "vouches"}, "unknown: unreadable", cannotRead},

	// Nothing in the store.
	{situation{store: "nothing"}, "nobody", noSession},
	{situation{store: "expired"}, "nobody", noSession},
	{situation{store: "nothing", copy: "lease over"}, "nobody, reported stale", noSession},
	{situation{store: "nothing", copy: "idle over"}, "nobody, reported stale", vouchesUntil},
	{situation{store: "nothing", copy: "ended"}, "nobody, reported stale", vouchesUntil},
	{situation{store: "nothing", copy: "stamped ahead"}, "nobody, reported stale", stampedAhead},
	{situation{store: "nothing", copy: "vouches", mode: StoreOnly}, "nobody", storeOnlyMode},
	{situation{store: "nothing", known: "a pending state", mode: StoreOnly}, "nobody", storeOnlyMode},
	{situation{store: "nothing", copy: "vouches"}, "live from backup, restore", restored},
	{situation{store: "expired", copy: "vouches"}, "live from backup, restore", restored},
	{situation{store: "nothing", copy: "vouches", excused: true}, "live from backup, restore", restored},
	{situation{store: "nothing", known: "a pending state"}, "live from backup, restore", restored},
	{situation{store: "nothing", quarantined: true}, "unknown: quarantine", inQuarantine},
	{situation{store: "nothing", copy: "lease over", quarantined: true}, "unknown: quarantine, reported stale", inQuarantine},
	{situation{store: "nothing", excused: true, quarantined: true}, "unknown: quarantine", inQuarantine},
	{situation{store: "nothing", copy: "vouches", quarantined: true}, "live from backup, degraded", inQuarantine},
	{situation{store: "nothing", excused: true}, "unknown: excused", youngKey},
	{situation{store: "nothing", copy: "lease over", excused: true}, "unknown: excused, reported stale", youngKey},
	{situation{store: "nothing", foreign: true, excused: true}, "unknown: excused", youngKey},
	{situation{store: "nothing", foreign: true}, "nobody", foreignEnded},
	{situation{store: "nothing", copy: "vouches", foreign: true}, "nobody", foreignEnded},
	{situation{store: "nothing", copy: "vouches", foreign: true, quarantined: true}, "nobody", foreignEnded},
	{situation{store: "nothing", copy: "vouches", foreign: true, neverStored: true}, "live from backup, restore", foreignEnded},
	{situation{store: "nothing", copy: "lease over", foreign: true, neverStored: true}, "nobody, reported stale", noSession},

	// A predecessor that is not durably dead.
	{situation{store: "nothing", copy: "vouches", predecessor: "record"}, "live from backup, restore", readFirst},
	{situation{store: "nothing", copy: "vouches", predecessor: "nothing"}, "live from backup, restore", readFirst},
	{situation{store: "nothing", copy: "vouches", predecessor: "tombstone by another"}, "dead, tombstone owed", predecessorEnded},
	{situation{store: "nothing", copy: "vouches", predecessor: "failed"}, "live from backup, degraded", predecessorAway},
	{situation{store: "nothing", copy: "vouches", predecessor: "unreadable"}, "unknown: unreadable", predecessorUnknown},
	{situation{store: "nothing", copy: "vouches", predecessor: "failed", quarantined: true}, "live from backup, degraded", inQuarantine},

	// Without a backup.
	{situation{store: "record", alone: true}, "live from store", liveRecord},
	{situation{store: "tombstone", alone: true}, "dead", storeTombstone},
	{situation{store: "nothing", alone: true}, "nobody", noSession},
	{situation{store: "expired", alone: true}, "nobody", noSession},
	{situation{store: "failed", alone: true}, "unknown: store failed", neverNoSession},
	{situation{store: "request over", alone: true}, "unknown: request over", requestEnded},
	{situation{store: "unreadable", alone: true}, "unknown: unreadable", cannotRead},
	{situation{store: "record", alone: true, foreign: true}, "live from store", liveRecord},
	{situation{store: "nothing", alone: true, foreign: true}, "nobody", foreignEnded},
}

// The sentences, as docs/ARCHITECTURE.md has them.
const (
	knownDead          = "A session that this process knows to be dead is dead, whatever the store answers."
	writtenAgain       = "Its tombstone is written again where the store answers a record or nothing."
	rotatedUnknown     = "without its answer the session is unknown"
	unseenToken        = "is not written where the store has nothing"
	namedByCookie      = "A session that the visitor's tombstone cookie names is dead."
	storeTombstone     = "A tombstone in the store means dead, and the revocation set learns it."
	supersededToo      = "A session whose predecessor another writer has ended is dead too"
	askedPastCache     = "Where a cached record lacks something that a copy has, the store itself is asked."
	liveRecord         = "A live record is joined with what the copies know."
	repaired           = "If they know more, the commit repairs the store."
	confirmsNothing    = "A cached record confirms no lease."
	servedFromCopy     = "Where the store does not answer and a copy vouches, the session is served from the copy."
	backupOnlyMode     = "With the mode *backup only* the store is not asked, which counts as no answer."
	inQuarantine       = "For a store in quarantine, nothing counts as no answer."
	foreignEnded       = "With a foreign format nothing always means ended, unless the store has never had the session."
	restored           = "Where the store has nothing and a copy vouches, the session is restored."
	readFirst          = "is restored only after the predecessor was read"
	predecessorEnded   = "if another writer has ended the predecessor, the session ends"
	predecessorAway    = "if the store does not answer, the session is served from the copy"
	predecessorUnknown = "if it cannot be told, the session is unknown"
	youngKey           = "A copy sealed lately with a key that is not known here makes the answer unknown"
	noSession          = "Where the store has nothing and no copy vouches, there is no session."
	neverNoSession     = "Where the store does not answer and no copy vouches, the session is unknown"
	requestEnded       = "A request that has ended learns nothing about the store and is not served from a copy."
	cannotRead         = "may be a newer program's tombstone, and no copy takes its place"
	vouchesUntil       = "A copy vouches until the earliest of the end of its lease, the session's absolute end and its idle timeout"
	stampedAhead       = "A lease stamped more than a minute ahead vouches for nothing."
	storeOnlyMode      = "The mode *store only* trusts no copy."
)

func TestWhatAReadComesTo(t *testing.T) {
	page, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	sentences := strings.Join(strings.Fields(string(page)), " ")
	for _, row := range readings {
		if !strings.Contains(sentences, row.because) {
			t.Errorf("docs/ARCHITECTURE.md does not say %q", row.because)
		}
		t.Run(row.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := newReading(t, row.situation).read(); got != row.want {
					t.Errorf("got %q, want %q: %s", got, row.want, row.because)
				}
			})
		})
	}
}

func (s situation) String() string {
	var words []string
	for name, word := range map[string]string{"store": s.store, "copy": s.copy, "known": s.known, "predecessor": s.predecessor} {
		if word != "" {
			words = append(words, name+"="+word)
		}
	}
	for name, is := range map[string]bool{
		"quarantined": s.quarantined, "foreign": s.foreign, "never stored": s.neverStored, "excused": s.excused, "alone": s.alone,
		"cache only": s.cacheOnly,
	} {
		if is {
			words = append(words, name)
		}
	}
	slices.Sort(words)
	return strings.Join(append(words, s.mode.String()), " ")
}

// Package decide decides the same rows.
func TestTheTableDecidesLikeARead(t *testing.T) {
	for _, row := range readings {
		if row.known == "dead, pending" {
			continue // the tombstone was owed before, too
		}
		want := strings.TrimSuffix(row.want, ", confirms nothing") // which is no part of the decision
		if phase, reason, ok := strings.Cut(want, ": "); ok {
			_, stale, _ := strings.Cut(reason, ", ")
			want = strings.TrimSuffix(phase+", "+stale, ", ")
		}
		if got := row.decided(); got != want {
			t.Errorf("%v: got %q, want %q", row.situation, got, want)
		}
	}
}

// decided is the verdict and the effects in the words of a row.
func (s situation) decided() string {
	d := decide.Read(s.facts())
	got := map[decide.Verdict]string{
		decide.NoSession: "nobody", decide.Live: "live from store", decide.Serve: "live from backup",
		decide.Restore: "live from backup, restore", decide.Dead: "dead", decide.Unknown: "unknown",
		decide.AskStore: "live from store, asked past the cache", decide.ReadPredecessor: "a predecessor to read",
	}[d.Verdict]
	for _, e := range []struct {
		effect decide.Effects
		word   string
	}{
		{decide.Repair, "repair"}, {decide.Degraded, "degraded"}, {decide.WriteTombstone, "tombstone owed"},
		{decide.Learn, "tombstone learned"}, {decide.ReportStale, "reported stale"},
	} {
		if d.Effects&e.effect != 0 && (e.effect != decide.Learn || !s.alone) {
			got += ", " + e.word
		}
	}
	return got
}

func (s situation) facts() decide.Facts {
	f := decide.Facts{
		Answer: map[string]decide.Answer{
			"record": decide.Record, "cached": decide.Record, "record that lacks something": decide.Behind,
			"cached that lacks something": decide.CacheBehind, "tombstone": decide.Tombstone,
			"nothing": decide.Nothing, "expired": decide.Nothing, "failed": decide.StoreFailed,
			"breaker open": decide.StoreFailed, "request over": decide.NoAnswer, "unreadable": decide.NoAnswer,
		}[s.store],
		Known: map[string]decide.Known{
			"dead": decide.Revoked, "rotated": decide.RotatedLately, "dead, if stored": decide.RevokedIfStored, "named": decide.Named,
			"superseded elsewhere, by the visitor": decide.SupersededElsewhere,
		}[s.known],
		Predecessor: map[string]decide.Predecessor{
			"tombstone by another": decide.EndedByOther, "failed": decide.OutOfReach, "unreadable": decide.Undecided,
		}[s.predecessor],
		Mode: decide.Mode(s.mode), Quarantined: s.quarantined, Foreign: s.foreign, NeverStored: s.neverStored,
		Excused: s.excused && s.mode != StoreOnly,
	}
	if s.known == "superseded elsewhere" && s.store != "record" {
		f.Known = decide.SupersededElsewhere // where the store has it, it has outlived that
	}
	switch {
	case s.known == "a pending state":
		f.Copy = decide.Vouches
	case s.mode == StoreOnly && s.copy != "": // the cookies are not looked at
		if f.Answer == decide.Behind {
			f.Answer = decide.Record
		}
	case s.copy == "vouches":
		f.Copy = decide.Vouches
	case s.copy != "":
		f.Copy = decide.Stale
	}
	if s.cacheOnly && f.Answer == decide.CacheBehind {
		f.Answer = decide.Behind // it was asked again, in vain
	}
	if s.mode == BackupOnly {
		f.Answer = decide.StoreFailed
	}
	return f
}

// reading is one read of the session subject.
type reading struct {
	situation
	*testing.T
	m       *Manager
	store   *scriptedStore
	brought lookup.Known
	state   state.State // what the copy has
	stale   bool        // a hook was told so
}

const (
	subject ID = "11111111111111111111111111111111"
	older   ID = "22222222222222222222222222222222"
)

func newReading(t *testing.T, s situation) *reading {
	r := &reading{situation: s, T: t, store: &scriptedStore{answers: map[ID]func(bool) (Record, error){}, records: map[ID]Record{}}}
	o := &Options{Hooks: Hooks{Backup: func(_ context.Context, _ ID, f BackupFault, _ error) { r.stale = r.stale || f == BackupStale }}}
	if !s.alone {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		o.Backup, o.Switch = &Backup{Keys: keys, Audience: "shop-test"}, fixedMode(s.mode)
	}
	if s.foreign {
		o.Format = plainFormat{}
	}
	store := Store(r.store)
	if s.cacheOnly {
		store = struct{ Store }{store} // not a FreshLoader
	}
	m, err := New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	r.m = m
	t.Cleanup(func() { _ = m.Close(t.Context()) })
	time.Sleep(10 * time.Second) // a new store is in quarantine
	synctest.Wait()
	return r
}

// read makes the situation, reads and puts what came of it in words.
func (r *reading) read() string {
	m := r.m
	r.state = m.writer.Begin()
	if r.copy == "idle over" {
		r.state.LastSeen -= (2 * time.Hour).Milliseconds()
	}
	r.state = r.state.Write(state.Changes{{Name: "color", Value: []byte(`"red"`)}}, m.clock.Dot(r.state))
	less := r.state
	r.state = r.state.Write(state.Changes{{Name: "food", Value: []byte(`"tofu"`)}}, m.clock.Dot(r.state))
	ctx := r.answer(less)
	if !r.alone {
		r.carry()
		r.know(ctx)
		if r.quarantined {
			m.shards.Of(string(subject)).Breaker().Forgot(m.now())
		}
	}
	before, known := r.tombstone()
	degraded := m.Stats().Degraded

	l := m.reader.Fetch(context.WithValue(ctx, read{}, true), string(subject), r.brought, false)

	var got string
	switch l.Phase {
	case lookup.Nobody:
		got = "nobody"
	case lookup.Live:
		got = "live from " + Source(l.Source).String()
	case lookup.Dead:
		got = "dead"
	case lookup.Unknown:
		got = "unknown: " + reasonOf(l.Err)
	default:
		r.Fatalf("phase %d", l.Phase)
	}
	add := func(is bool, what string) {
		if is {
			got += ", " + what
		}
	}
	add(l.Placement == lookup.Behind, "repair")
	add(l.Placement == lookup.Missing && !l.Away(), "restore")
	add(l.Away() && m.Stats().Degraded == degraded+1, "degraded")
	add(l.Phase == lookup.Live && l.Source == lookup.FromStore && r.brought.Found && l.Confirmed == r.brought.Copy().Confirmed, "confirms nothing")
	add(r.store.fresh > 0, "asked past the cache")
	after, knows := r.tombstone()
	add(after.Pending, "tombstone owed")
	add(knows && !known && !after.Pending, "tombstone learned")
	add(r.stale, "reported stale")
	if known && before.Death != after.Death {
		r.Errorf("the tombstone became %v, was %v", after.Death, before.Death)
	}
	if l.Phase == lookup.Dead && !l.State.Dead() && l.State.Death.Reason == 0 {
		r.Error("a dead session without a tombstone")
	}
	return got
}

func (r *reading) tombstone() (journal.Tombstone, bool) {
	if r.alone {
		return journal.Tombstone{}, false
	}
	return r.m.shards.Of(string(subject)).Tombstone(string(subject))
}

var errScripted = errors.New("connection refused")

// answer makes the store answer what the situation says.
func (r *reading) answer(less state.State) (ctx context.Context) {
	ctx = r.Context()
	record := func(st state.State, cached bool) func(bool) (Record, error) {
		data, expires, err := r.m.storage.Encode(ctx, st)
		if err != nil {
			r.Fatal(err)
		}
		return func(fresh bool) (Record, error) {
			return Record{Data: data, Expires: expires, Version: Version{1}, Cached: cached && !fresh}, nil
		}
	}
	expired := r.state
	expired.End = time.Now().Add(-time.Hour).UnixMilli() // idle is what the store does not have any more
	for id, what := range map[ID]string{subject: r.situation.store, older: r.predecessor} {
		var a func(bool) (Record, error)
		switch what {
		case "record":
			a = record(r.seenNow(r.state), false)
		case "record that lacks something":
			a = record(r.seenNow(less), false)
		case "cached":
			a = record(r.seenNow(r.state), true)
		case "cached that lacks something":
			complete, behind := record(r.seenNow(r.state), false), record(r.seenNow(less), true)
			a = func(fresh bool) (Record, error) {
				if fresh {
					return complete(true)
				}
				return behind(false)
			}
		case "expired":
			a = record(expired, false)
		case "tombstone", "tombstone by another":
			a = record(state.State{Death: r.m.clock.Death(state.Destroyed)}, false)
		case "unreadable":
			a = func(bool) (Record, error) { return Record{Data: []byte{255, 255}, Version: Version{1}}, nil }
		case "failed":
			a = func(bool) (Record, error) { return Record{}, errScripted }
		default:
			a = func(bool) (Record, error) { return Record{}, ErrNotFound }
		}
		r.store.set(id, a)
	}
	switch r.situation.store {
	case "breaker open":
		r.m.shards.Of(string(subject)).Breaker().Trip(r.m.now(), circuit.SavesFailed)
	case "request over":
		over, cancel := context.WithCancel(ctx)
		cancel()
		return over
	}
	return ctx
}

// seenNow is what a store has of a session that is in use.
func (r *reading) seenNow(st state.State) state.State { return st.Seen(r.m.now()) }

// carry gives the visitor the copy of the situation.
func (r *reading) carry() {
	now := r.m.now()
	b := state.Copy{ID: string(subject), State: r.state, Confirmed: now.Add(-time.Minute).UnixMilli(), Born: r.neverStored, NeverStored: r.neverStored}
	if r.predecessor != "" || strings.HasPrefix(r.known, "superseded elsewhere") {
		b.Supersedes = []state.Superseded{{ID: string(older), Dot: r.m.clock.Dot(state.State{}), Predecessor: true}}
	}
	r.brought.Excused = r.excused
	switch r.copy {
	case "":
		return
	case "lease over":
		b.Confirmed = now.Add(-2 * time.Hour).UnixMilli()
	case "ended":
		b.State.End = now.Add(-time.Second).UnixMilli()
	case "stamped ahead":
		b.Confirmed = now.Add(2 * time.Minute).UnixMilli()
	}
	r.brought.Add(&b, now)
}

// know makes this process know what the situation says.
func (r *reading) know(ctx context.Context) {
	s := r.m.shards.Of(string(subject))
	death := r.m.clock.Death(state.Destroyed)
	switch r.known {
	case "dead":
		_ = s.AddTombstone(ctx, journal.Stored(string(subject), death))
	case "dead, pending":
		_ = s.AddTombstone(ctx, journal.Owed(string(subject), death))
	case "dead, if stored":
		_ = s.AddTombstone(ctx, journal.Tombstone{ID: string(subject), Death: death, Unverified: true, IfStored: true})
	case "rotated": // by a log, a file or one rotation too many, which say no more
		_ = s.AddTombstone(ctx, journal.Stored(string(subject), r.m.clock.Death(state.Rotated)))
	case "named":
		r.brought.Ended = []state.Superseded{{ID: string(subject), Dot: death.Dot}}
	case "superseded elsewhere, by the visitor":
		r.brought.Ended = []state.Superseded{{ID: string(older), Dot: death.Dot}}
	case "superseded elsewhere":
		_ = r.m.shards.Of(string(older)).AddTombstone(ctx, journal.Stored(string(older), death))
	case "a pending state":
		s.AddHint(ctx, state.Copy{ID: string(subject), State: r.state, Confirmed: r.m.now().UnixMilli()})
	}
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, failure.ErrForgetful):
		return "quarantine"
	case errors.Is(err, lookup.ErrExcused):
		return "excused"
	case errors.Is(err, failure.ErrNotAsked):
		return "not asked"
	case errors.Is(err, context.Canceled):
		return "request over"
	case errors.Is(err, errScripted):
		return "store failed"
	case errors.Is(err, ErrUnavailable):
		return "unreadable"
	}
	return err.Error()
}

// scriptedStore answers as the test says for some IDs, and refuses to save the
// subject, so that what is owed stays owed. It keeps all other records.
type scriptedStore struct {
	mu      sync.Mutex
	answers map[ID]func(fresh bool) (Record, error)
	records map[ID]Record
	saves   byte
	fresh   int // loads of the subject past the cache
}

func (s *scriptedStore) set(id ID, a func(bool) (Record, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[id] = a
}

func (s *scriptedStore) Load(_ context.Context, id ID) (Record, error) { return s.load(id, false) }

func (s *scriptedStore) LoadFresh(ctx context.Context, id ID) (Record, error) {
	r, err := s.load(id, true)
	if _, asked := ctx.Value(read{}).(bool); asked && id == subject && err == nil && r.Version != Absent {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fresh++
	}
	return r, err
}

// read marks the context of the read that is tested: what is delivered in the
// background asks past the cache too.
type read struct{}

func (s *scriptedStore) load(id ID, fresh bool) (Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if answer := s.answers[id]; answer != nil {
		return answer(fresh)
	}
	r, ok := s.records[id]
	if !ok {
		return Record{}, ErrNotFound
	}
	return r, nil
}

func (s *scriptedStore) Save(_ context.Context, id ID, r Record, over Version) (Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == subject {
		return Absent, errScripted
	}
	if was, ok := s.records[id]; s.answers[id] == nil && over != Any && ok != (over != Absent) || ok && over != Any && was.Version != over {
		return Absent, ErrConflict
	}
	s.saves++
	r.Version = Version{2, s.saves}
	s.records[id] = r
	delete(s.answers, id) // else a writer that tries again would meet with a conflict for ever
	return r.Version, nil
}

type fixedMode Mode

func (m fixedMode) Override() Override { return Override{Mode: Mode(m)} }

// plainFormat is a foreign format without cookies.
type plainFormat struct{}

func (plainFormat) String() string                              { return "plain" }
func (plainFormat) NewToken(context.Context) (value, id string) { return "token", string(subject) }
func (plainFormat) ParseToken(string) (id string, ok bool)      { return string(subject), true }
func (plainFormat) Decode(b []byte, _ time.Time) (state.State, error) {
	return state.Decode(b)
}

func (plainFormat) SetCookie(context.Context, string, state.State, foreign.Why, time.Time) string {
	return ""
}

func (plainFormat) Encode(_ context.Context, s state.State, _ time.Time) ([]byte, time.Time, error) {
	return s.Encode(), time.Time{}, nil
}
