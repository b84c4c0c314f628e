package metrics

import (
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
func (t *text) operations(st session.Stats, x *Metrics) {
	t.about("session_store_operations_total", "counter", "Operations that the store has answered.")
	for _, o := range []struct {
		name  string
		count uint64
	}{{"load", st.Loads}, {"save", st.Saves}, {"refresh", st.Refreshes}} {
		t.sample("session_store_operations_total", float64(o.count), label{"operation", o.name})
	}
	t.counter("session_store_conflicts_total", "Saves that another writer came before.", st.Conflicts)
	t.counter("session_store_failures_total", "Operations that the store failed.", st.Failures)
	t.about("session_store_failed_operations_total", "counter", "Operations that the store failed, and records that cannot be read, by operation.")
	for _, o := range []session.Operation{
		session.OperationLoad, session.OperationSave, session.OperationRefresh, session.OperationDeliver, session.OperationAdopt,
	} {
		t.sample("session_store_failed_operations_total", float64(x.failed.get(o)), label{"operation", o.String()})
	}
	perKey(t, &x.badValues, "session_bad_values_total", "key", "Values that did not decode and were passed over, by key.")
	t.about("session_dropped_changes_total", "counter", "Changes that were lost when it was too late to tell their visitor.")
	for _, r := range []reason{ended, lost, tooLarge, unavailable, other} {
		t.sample("session_dropped_changes_total", float64(x.dropped.get(r)), label{"reason", string(r)})
	}
}

// shards adds how the shards of the store are.
func (t *text) shards(st session.Stats, x *Metrics, now time.Time) {
	t.gauge("session_store_failing", "Whether a shard of the store is away or takes no saves.", boolean(st.Failing))
	if len(st.Shards) > 0 {
		t.about("session_shard_state", "gauge", "1 for the state that a shard of the store is in.")
		for _, s := range st.Shards {
			for state := session.Serving; state <= session.ReadsOnly; state++ {
				t.sample("session_shard_state", boolean(s.State == state), label{"shard", s.Name}, label{"state", words(state.String())})
			}
		}
		t.about("session_shard_state_seconds", "gauge", "For how long the shard has been in its state.")
		for _, s := range st.Shards {
			t.sample("session_shard_state_seconds", seconds(s.Since, now), label{"shard", s.Name})
		}
		t.about("session_shard_mode", "gauge", "1 for the mode that the operator wants.")
		for _, s := range st.Shards {
			for mode := session.Auto; mode <= session.BackupOnly; mode++ {
				t.sample("session_shard_mode", boolean(s.Mode == mode), label{"shard", s.Name}, label{"mode", words(mode.String())})
			}
		}
		t.about("session_shard_quarantine_seconds", "gauge", "How long \"nothing\" from the shard still counts as no answer, after it lost its data.")
		for _, s := range st.Shards {
			t.sample("session_shard_quarantine_seconds", s.Quarantine.Seconds(), label{"shard", s.Name})
		}
	}
	perKey(t, &x.outages, "session_outages_total", "shard", "How often a shard was away.")
	perKey(t, &x.forgot, "session_shard_losses_total", "shard", "How often a shard has lost its data.")
}

// backup adds what became of the copies in visitors' cookies.
func (t *text) backup(st session.Stats, x *Metrics) {
	t.counter("session_degraded_loads_total", "Loads that were answered from the backup.", st.Degraded)
	t.counter("session_restores_total", "Sessions put back into a store that lacked them.", st.Restores)
	t.about("session_backup_faults_total", "counter", "Copies that could not be used, or not be made whole.")
	for fault := session.BackupForged; fault <= session.BackupTooLarge; fault++ {
		t.sample("session_backup_faults_total", float64(x.faults.get(fault)), label{"fault", words(fault.String())})
	}
}

// journal adds what the process owes its store.
func (t *text) journal(j session.JournalStats, x *Metrics) {
	t.gauge("session_journal_states", "Sessions that the store lacks a change of.", float64(j.States))
	t.gauge("session_journal_tombstones", "Ended sessions of which the store never had the tombstone.", float64(j.Tombstones))
	t.gauge("session_journal_tombstones_again", "Ended sessions whose tombstone the store had, and lost with its data.", float64(j.Again))
	t.gauge("session_journal_tombstones_known", "Tombstones that this process knows.", float64(j.Known))
	t.gauge("session_journal_bytes", "What the journal takes up, about.", float64(j.Bytes))
	t.counter("session_journal_early_tombstones_total", "Tombstones that this process has forgotten before their time.", uint64(j.Early))
	t.counter("session_journal_delivered_total", "Changes and tombstones that the store has taken from the journal.", j.Delivered)
	t.counter("session_journal_lost_total", "Changes and tombstones that were dropped for good.", j.Lost)
	t.counter("session_journal_overflows_total", "Changes that a full journal has dropped.", x.overflows.get(struct{}{}))
	t.gauge("session_journal_file_bytes", "What the file of the journal takes up.", float64(j.File.Bytes))
	t.gauge("session_journal_file_unwritten", "Sessions of which the file lacks what the store lacks.", float64(j.File.Unwritten))
	t.counter("session_journal_file_failures_total", "Writes to the file that failed.", j.File.Failures)
	t.counter("session_journal_file_late_total", "Requests that went on before their entry was written.", j.File.Late)
	t.counter("session_journal_file_damaged_total", "Lines of files taken over that were lost.", j.File.Damaged)
}

// perKey adds a counter with a sample for each kind that has happened.
func perKey(t *text, c *counts[string], name, labelName, help string) {
	c.mu.Lock()
	of := maps.Clone(c.of)
	c.mu.Unlock()
	if len(of) == 0 {
		return
	}
	t.about(name, "counter", help)
	for _, k := range slices.Sorted(maps.Keys(of)) {
		t.sample(name, float64(of[k]), label{labelName, k})
	}
}

// words is a label's value: words for people, with underscores.
func words(s string) string { return strings.ReplaceAll(s, " ", "_") }
