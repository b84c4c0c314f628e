package session

import (
	"time"

	"github.com/holdfast-go/session/internal/words"
)

// Override is an operator's order to a Manager. The zero Override changes nothing.
type Override struct {
	// Mode says whether the store or the backup is used.
	Mode Mode

	// Shard, unless it is empty, is the only shard of the store that Mode is about, by
	// its ShardStats.Name: for work on one server of several. The others are as in Auto.
	// It goes with BackupOnly; a StoreOnly for one shard changes nothing.
	Shard string

	// Lease prolongs Backup.Lease for a declared incident, up to
	// Backup.MaxLease. It never shortens it.
	Lease time.Duration
}

// Switch is where an Override comes from: a value in the program, a file, an
// HTTP call, etcd (package override), ZooKeeper (module override/zookeeper). Override is
// called for each operation, by many goroutines, and must return at once. A Switch
// that cannot reach its own source returns the last order that it read.
type Switch interface {
	Override() Override
}

// EndingSwitch is a Switch whose orders may end by themselves. Until returns when the
// present one does; zero: it stands until it is taken back. It is for Stats, and returns
// at once.
type EndingSwitch interface {
	Switch
	Until() time.Time
}

// of returns the mode of a shard; for the empty name, the mode of all shards.
func (o Override) of(shard string) Mode {
	if o.Shard == "" || o.Shard == shard {
		return o.Mode
	}
	return Auto
}

// Mode says where sessions are read and written.
type Mode uint8

// The modes.
const (
	// Auto asks the store while it answers, and the backup while it does not.
	Auto Mode = iota

	// StoreOnly trusts no backup: a session that the store does not answer for
	// is ErrUnavailable. Backups are still made, and those that hold what the
	// session lacks stay with the visitor until another mode.
	StoreOnly

	// BackupOnly leaves the store alone. Writes are delivered when the mode has
	// ended.
	BackupOnly
)

var modes = words.Of[Mode]{Type: "Mode", Noun: "mode", Words: []string{Auto: "auto", StoreOnly: "store only", BackupOnly: "backup only"}}

func (m Mode) String() string { return modes.String(m) }

// MarshalText returns the words that String has: "auto", "store only" or "backup only".
func (m Mode) MarshalText() ([]byte, error) { return modes.Marshal(m) }

// UnmarshalText takes a word that MarshalText returns, and no other.
func (m *Mode) UnmarshalText(word []byte) error { return modes.Unmarshal(word, m) }
