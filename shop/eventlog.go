package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/chain"
)

// eventLog is what happened, in plain sentences, the latest first. Any number of
// goroutines may write to it.
type eventLog struct {
	backup bool // there is one
	opened time.Time
	wrote  func() // called after each new sentence, without a lock

	mu      sync.Mutex
	notes   []note
	outages map[string]*outage // by shard: the one that goes on, or the last
	account *account           // of what came of them, until it is told
	told    map[session.BackupFault]time.Time
	latest  session.Stats // that was seen
}

// note is one sentence. It never changes.
type note struct {
	At   time.Time
	Text string
}

const maxNotes = 6

// outage is what is known of one.
type outage struct {
	forgot bool
	ended  bool
}

// account follows the changes and sessions that an outage left behind, over all parts
// of the store, as the counters do.
type account struct {
	before counts    // when the first part went away
	last   counts    // that was seen
	moved  time.Time // when they were seen to move
	ended  time.Time // when the last part was back; zero: one is away
}

// counts only grow.
type counts struct{ restored, delivered, lost uint64 }

func countsOf(st session.Stats) counts {
	return counts{st.Restores, st.Journal.Delivered, st.Journal.Lost}
}

// An account is closed when nothing waits and nothing has moved for so long, or
// so long after the outage.
const (
	stillness = 3 * time.Second
	aftermath = 20 * time.Second
)

func newEventLog(backup bool, wrote func()) *eventLog {
	return &eventLog{
		backup: backup, opened: time.Now(), wrote: wrote,
		outages: map[string]*outage{}, told: map[session.BackupFault]time.Time{},
	}
}

func (l *eventLog) write(text string) { l.change(func() { l.addLocked(text) }) }

// change calls f with the lock held.
func (l *eventLog) change(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
	l.wrote()
}

func (l *eventLog) addLocked(text string) {
	n := note{time.Now().UTC(), text}
	l.notes = append([]note{n}, l.notes[:min(len(l.notes), maxNotes-1)]...)
}

func (l *eventLog) read() []note {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.notes)
}

// hooks returns h with the event log listening too.
func (l *eventLog) hooks(h session.Hooks) session.Hooks {
	return chain.Hooks(h, session.Hooks{
		Down:      func(_ context.Context, shard string, _ error) { l.down(shard) },
		StillDown: func(_ context.Context, o session.Outage) { l.stillDown(o) },
		Up:        func(_ context.Context, o session.Outage) { l.up(o.Shard) },
		Forgot:    func(_ context.Context, shard string) { l.forgot(shard) },
		Evicted: func(_ context.Context, shard string, _ uint64) {
			l.change(func() {
				l.addLocked(l.subjectLocked(shard) + " is full, and has dropped what was used least.")
			})
		},
		Early: func(context.Context, int) {
			l.write("More customers have logged out than the shop remembers. The store alone knows of some.")
		},
		Backup: func(_ context.Context, _ session.ID, fault session.BackupFault, _ error) { l.fault(fault) },
		Overflow: func(context.Context, session.ID) {
			l.write("More changes wait than the shop keeps. A visitor’s own cookies have the only copy of some.")
		},
		Dropped: func(context.Context, session.ID, error) {
			l.write("A change that waited could not be delivered: its session has ended, or it waited for longer than the lease.")
		},
	})
}

// isNew reports whether the shop has just opened, and the store is empty because
// it is new.
func (l *eventLog) isNew() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.outages) == 0 && time.Since(l.opened) < 8*time.Second
}

func (l *eventLog) down(shard string) {
	rest := "visitors who have a session are asked to come back later."
	if l.backup {
		rest = "visitors are served from their own cookies."
	}
	l.change(func() {
		l.outages[shard] = &outage{}
		l.beginLocked().ended = time.Time{}
		l.addLocked(l.subjectLocked(shard) + " does not answer; " + rest)
	})
}

// stillDown writes once a minute since when a part is away, and what waits for it.
func (l *eventLog) stillDown(o session.Outage) {
	text := " has been away since " + o.Since.UTC().Format(time.TimeOnly)
	if l.backup {
		text += "; " + counted(o.States, "change") + " and " + counted(o.Tombstones, "ended session") + " wait for it"
	}
	l.change(func() { l.addLocked(l.subjectLocked(o.Shard) + text + ".") })
}

// beginLocked returns the account that is open.
func (l *eventLog) beginLocked() *account {
	if l.account == nil {
		now := countsOf(l.latest)
		l.account = &account{before: now, last: now}
	}
	return l.account
}

func (l *eventLog) forgot(shard string) {
	l.change(func() {
		if o := l.outages[shard]; o != nil && !o.ended {
			o.forgot = true // which is told when it is back
			return
		}
		l.outages[shard] = &outage{forgot: true, ended: true}
		if a := l.beginLocked(); !l.awayLocked() {
			a.ended = time.Now()
		}
		l.addLocked(l.subjectLocked(shard) + " was emptied; what visitors carry is put back as they come.")
	})
}

func (l *eventLog) up(shard string) {
	l.change(func() {
		o := l.outages[shard]
		if o == nil || o.ended {
			return
		}
		o.ended = true
		if a := l.account; a != nil && !l.awayLocked() {
			a.ended = time.Now()
		}
		switch {
		case !l.backup:
			l.addLocked(l.subjectLocked(shard) + " is back.")
		case o.forgot:
			l.addLocked(l.subjectLocked(shard) + " is back, empty.")
		default:
			l.addLocked(l.subjectLocked(shard) + " is back, with all that it held.")
		}
	})
}

// awayLocked reports whether a part of the store is.
func (l *eventLog) awayLocked() bool {
	for _, o := range l.outages {
		if !o.ended {
			return true
		}
	}
	return false
}

// watch follows the counters, and tells once what came of an outage. It is
// called a few times a second.
func (l *eventLog) watch(st session.Stats) {
	text := ""
	l.mu.Lock()
	l.latest = st
	if a := l.account; a != nil {
		now := countsOf(st)
		if now != a.last || a.moved.IsZero() {
			a.last, a.moved = now, time.Now()
		}
		waits := st.Journal.States+st.Journal.Tombstones > 0
		still := !waits && time.Since(a.moved) >= stillness && time.Since(a.ended) >= stillness
		if !a.ended.IsZero() && (still || time.Since(a.ended) >= aftermath) {
			text, l.account = a.sentence(), nil
		}
	}
	l.mu.Unlock()
	if text != "" && l.backup {
		l.write(text)
	}
}

// sentence says what came of an outage. It is empty where nothing did.
func (a *account) sentence() string {
	var parts []string
	for _, p := range []struct {
		n     uint64
		thing string
		what  string
	}{
		{a.last.delivered - a.before.delivered, "change", " that waited reached the store"},
		{a.last.restored - a.before.restored, "session", " came back from visitors’ cookies"},
		{a.last.lost - a.before.lost, "change", " could not be delivered"},
	} {
		if p.n > 0 {
			parts = append(parts, counted(int(p.n), p.thing)+p.what)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "; ") + "."
}

// fault tells of a backup that cannot be used, once a minute for each kind.
func (l *eventLog) fault(f session.BackupFault) {
	text := map[session.BackupFault]string{
		session.BackupForged:     "A copy was tampered with, and not believed.",
		session.BackupMalformed:  "A copy made no sense, and was not believed.",
		session.BackupUnknownKey: "A copy is sealed with a key that the shop does not have.",
		session.BackupForeign:    "A copy of another session was not believed.",
		session.BackupAudience:   "A copy of another application or environment was not believed.",
		session.BackupStale:      "A copy was older than the lease, and did not vouch any more.",
		session.BackupIncomplete: "A copy came with a part missing.",
		session.BackupPartial:    "A cart is too large for its visitor’s cookies; it is in the store only.",
		session.BackupTooLarge:   "A session is too large for its visitor’s cookies; it is in the store only.",
	}[f]
	l.mu.Lock()
	fresh := time.Since(l.told[f]) > time.Minute
	if fresh {
		l.told[f] = time.Now()
	}
	l.mu.Unlock()
	if fresh && text != "" {
		l.write(text)
	}
}

// subjectLocked names a part of the store, where the store has parts.
func (l *eventLog) subjectLocked(shard string) string {
	if len(l.latest.Shards) < 2 {
		return "The store"
	}
	return "The part " + shard + " of the store"
}
