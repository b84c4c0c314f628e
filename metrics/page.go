package metrics

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// reason is why a change was dropped, as a label.
type reason string

const (
	ended       reason = "ended"
	lost        reason = "lost"
	tooLarge    reason = "too_large"
	unavailable reason = "unavailable"
	other       reason = "other"
)

func reasonOf(err error) reason {
	switch {
	case errors.Is(err, session.ErrEnded):
		return ended
	case errors.Is(err, session.ErrLost):
		return lost
	case errors.Is(err, session.ErrTooLarge):
		return tooLarge
	case errors.Is(err, session.ErrUnavailable):
		return unavailable
	}
	return other
}

// operations adds what was asked of the store.
func (l *list) operations(st session.Stats, x *Metrics) {
	l.add(Counter, "session_store_operations_total", "Operations that the store has answered.",
		sample(float64(st.Loads), "operation", "load"),
		sample(float64(st.Saves), "operation", "save"),
		sample(float64(st.Refreshes), "operation", "refresh"))
	l.counter("session_store_conflicts_total", "Saves that another writer came before.", st.Conflicts)
	l.counter("session_store_failures_total", "Operations that the store failed.", st.Failures)
	var failed, dropped, revoked []Sample
	for _, o := range []session.Operation{
		session.OperationLoad, session.OperationSave, session.OperationRefresh, session.OperationDeliver, session.OperationAdopt,
	} {
		failed = append(failed, sample(float64(x.failed.get(o)), "operation", o.String()))
	}
	l.add(Counter, "session_store_failed_operations_total", "Operations that the store failed, and records that cannot be read, by operation.", failed...)
	l.add(Counter, "session_bad_values_total", "Values that did not decode and were passed over, by key.", perName(&x.badValues, "key")...)
	for _, r := range []reason{ended, lost, tooLarge, unavailable, other} {
		dropped = append(dropped, sample(float64(x.dropped.get(r)), "reason", string(r)))
	}
	l.add(Counter, "session_dropped_changes_total", "Changes that were lost when it was too late to tell their visitor.", dropped...)
	l.counter("session_logins_total", "Logins of users.", x.logins.get(struct{}{}))
	for _, d := range []session.Durability{session.Durable, session.Pending} {
		revoked = append(revoked, sample(float64(x.revoked.get(d)), "durability", d.String()))
	}
	l.add(Counter, "session_revocations_total", "Revocations of a user's logins, or of everybody's, by this process.", revoked...)
	l.counter("session_plain_http_total", "1 where a Secure cookie went to a visitor over plain http, and was lost.", x.plainHTTP.get(struct{}{}))
}

// shards adds how the shards of the store are.
func (l *list) shards(st session.Stats, x *Metrics) {
	now := time.Now()
	l.gauge("session_store_failing", "Whether a shard of the store is away or takes no saves.", boolean(st.Failing))
	var states, modes, names []Sample
	for _, s := range st.Shards {
		for state := session.Serving; state <= session.ReadsOnly; state++ {
			states = append(states, sample(boolean(s.State == state), "shard", s.Name, "state", words(state.String())))
		}
		for mode := session.Auto; mode <= session.BackupOnly; mode++ {
			modes = append(modes, sample(boolean(s.Mode == mode), "shard", s.Name, "mode", words(mode.String())))
		}
		names = append(names, sample(0, "shard", s.Name))
	}
	// each adds a figure with a value for each shard.
	each := func(kind Kind, name, help string, value func(session.ShardStats) float64) {
		samples := slices.Clone(names)
		for i, s := range st.Shards {
			samples[i].Value = value(s)
		}
		l.add(kind, name, help, samples...)
	}
	l.add(Gauge, "session_shard_state", "1 for the state that a shard of the store is in.", states...)
	each(Gauge, "session_shard_state_seconds", "For how long the shard has been in its state.", func(s session.ShardStats) float64 { return seconds(s.Since, now) })
	l.add(Gauge, "session_shard_mode", "1 for the mode that the operator wants.", modes...)
	each(Gauge, "session_shard_quarantine_seconds", "How long \"nothing\" from the shard still counts as no answer, after it lost its data.",
		func(s session.ShardStats) float64 { return s.Quarantine.Seconds() })
	// A time that is zero counts as the time of the shard's state.
	each(Gauge, "session_shard_heard_seconds", "How long ago this process last began to read what others have ended, and read all of it.",
		func(s session.ShardStats) float64 { return seconds(cmp.Or(s.Heard, s.Since), now) })
	each(Gauge, "session_shard_told_seconds", "How long ago the shard last had all that this process has ended.",
		func(s session.ShardStats) float64 { return seconds(cmp.Or(s.Told, s.Since), now) })
	each(Gauge, "session_shard_members", "Instances that tell each other in this shard which sessions have ended, this one included.",
		func(s session.ShardStats) float64 { return float64(s.Members) })
	each(Counter, "session_shard_evictions_total", "Records that the shard's server has dropped before their time, for want of memory.",
		func(s session.ShardStats) float64 { return float64(s.Evictions) })
	// A counter that appears with its first event would hide that event from increase().
	met := make([]string, len(st.Shards))
	for i, s := range st.Shards {
		met[i] = s.Name
	}
	l.add(Counter, "session_outages_total", "How often a shard was away.", perName(&x.outages, "shard", met...)...)
	l.add(Counter, "session_shard_losses_total", "How often a shard has lost its data.", perName(&x.forgot, "shard", met...)...)
}

// order adds what the operator wants.
func (l *list) order(o session.OrderStats) {
	var modes, end []Sample
	wanted := o.Override
	for mode := session.Auto; mode <= session.BackupOnly; mode++ {
		modes = append(modes, sample(boolean(wanted.Mode == mode), "mode", words(mode.String())))
	}
	if !o.Until.IsZero() {
		end = []Sample{{Value: max(0, time.Until(o.Until).Seconds())}}
	}
	l.add(Gauge, "session_override_mode", "1 for the mode of the operator's order, for one shard or all of them.", modes...)
	l.gauge("session_override_lease_seconds", "The lease that the operator wants; 0: as configured.", wanted.Lease.Seconds())
	l.add(Gauge, "session_override_end_seconds", "How long until the operator's order ends; missing where none is given, or it has no end.", end...)
}

// backup adds what became of the copies in visitors' cookies.
func (l *list) backup(st session.Stats, x *Metrics) {
	l.counter("session_degraded_loads_total", "Loads that were answered from the backup.", st.Degraded)
	l.counter("session_restores_total", "Sessions put back into a store that lacked them.", st.Restores)
	var faults []Sample
	for fault := session.BackupForged; fault <= session.BackupTooLarge; fault++ {
		faults = append(faults, sample(float64(x.faults.get(fault)), "fault", words(fault.String())))
	}
	l.add(Counter, "session_backup_faults_total", "Copies that could not be used, or not be made whole.", faults...)
	l.counter("session_copies_total", "Sealed copies that answers took along.", st.Copies.Built)
	l.counter("session_copy_bytes_total", "Bytes of cookies that these copies take up in requests.", st.Copies.Bytes)
	l.gauge("session_backup_keys", "Keys that open copies. More than one is a rotation under way.", float64(st.Copies.Keys))
}

// journal adds what the process owes its store.
func (l *list) journal(j session.JournalStats, x *Metrics) {
	l.gauge("session_journal_states", "Sessions that the store lacks a change of.", float64(j.States))
	l.gauge("session_journal_tombstones", "Ended sessions of which the store never had the tombstone.", float64(j.Tombstones))
	l.gauge("session_journal_tombstones_again", "Ended sessions whose tombstone the store had, and lost with its data.", float64(j.Again))
	l.gauge("session_journal_tombstones_refused", "Those among them that the store refuses.", float64(j.Refused))
	l.gauge("session_journal_tombstones_known", "Tombstones that this process knows.", float64(j.Known))
	l.gauge("session_journal_oldest_seconds", "How long the change or the logout has waited that has waited longest for the store; 0: none waits.", seconds(j.Oldest, time.Now()))
	l.gauge("session_journal_bytes", "What the journal takes up, about.", float64(j.Bytes))
	l.gauge("session_journal_bound_bytes", "What the journal may take up.", float64(j.Most))
	l.counter("session_journal_early_tombstones_total", "Tombstones that this process has forgotten before their time.", uint64(j.Early))
	l.counter("session_journal_delivered_total", "Changes and tombstones that the store has taken from the journal.", j.Delivered)
	l.counter("session_journal_lost_total", "Changes and tombstones that were dropped for good.", j.Lost)
	l.counter("session_journal_overflows_total", "Changes that a full journal has dropped.", x.overflows.get(struct{}{}))
	l.gauge("session_journal_file_bytes", "What the file of the journal takes up.", float64(j.File.Bytes))
	l.gauge("session_journal_file_unwritten", "Sessions of which the file lacks what the store lacks.", float64(j.File.Unwritten))
	l.counter("session_journal_file_failures_total", "Writes to the file that failed.", j.File.Failures)
	l.counter("session_journal_file_late_total", "Requests that went on before their entry was written.", j.File.Late)
	l.counter("session_journal_file_damaged_total", "Lines of files taken over that were lost.", j.File.Damaged)
}

// perName returns a sample for each name that was counted, and for each of the names given.
func perName(c *counts[string], label string, names ...string) (samples []Sample) {
	c.mu.Lock()
	of := maps.Clone(c.of)
	c.mu.Unlock()
	if of == nil {
		of = make(map[string]uint64)
	}
	for _, name := range names {
		of[name] += 0
	}
	for _, k := range slices.Sorted(maps.Keys(of)) {
		samples = append(samples, sample(float64(of[k]), label, k))
	}
	return samples
}

// words is a label's value: words for people, with underscores.
func words(s string) string { return strings.ReplaceAll(s, " ", "_") }
