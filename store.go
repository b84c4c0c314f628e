package session

import (
	"context"
	"iter"
	"time"
)

// ID names a session in its store. It is derived from the visitor's token by a one-way
// function, so it may be logged and shown to operators: a cookie cannot be made of it. With
// Options.Format it is the other system's, and its cookie may carry it.
type ID string

// Store is where sessions live while it answers. Package storetest checks
// every sentence below against an implementation.
//
// Both methods may be called by any number of goroutines at once. Both honor
// ctx: once it is done they return without delay, with an error that wraps
// ctx.Err(). A Save that fails this way may have happened, or not, or happen
// shortly after. A canceled call must not cost a connection: a server that was
// slow for a moment serves within a second, over the connections that it had.
// Neither method retries and neither logs. The error of a store that is away
// wraps neither ErrNotFound nor ErrConflict. A Save may be refused for want of
// room, with an error of the store's own: what stood before still stands.
//
// An ID is 1 to 200 bytes of printable ASCII without spaces. IDs that differ in
// any byte, in case only too, are different sessions.
//
// There is no Delete: a session is ended by saving its tombstone.
type Store interface {
	// Load returns what was last saved under id: the same bytes, and the
	// Version which that Save returned. Where nothing was saved, or what was
	// saved has expired, it returns ErrNotFound. A FreshLoader may return what
	// another process has replaced since, and never what it replaced itself.
	//
	// The caller does not change Data, and the store does not change it once
	// it was returned. Expires may be zero.
	Load(ctx context.Context, id ID) (Record, error)

	// Save puts r under id if what stands there is what over says. Over
	// Absent it creates: where a record stands it returns ErrConflict. Over a
	// Version it replaces the record of exactly that Version: where another
	// record stands, or none, it returns ErrConflict. Over Any it replaces
	// whatever stands, or creates. A Save that returns ErrConflict has changed
	// nothing. Of many Saves over the same Version at once, one succeeds.
	//
	// Save returns the new record's Version, over which the next Save may be
	// made without a Load. A Version is unique to its write: no other Save
	// ever returns it, not of the same bytes, not after the record expired,
	// and not after the store restarted.
	//
	// A record is there until r.Expires, however far ahead that is, and gone
	// at most two seconds later. Where r.Expires has passed already, Save
	// leaves nothing under id, if over allows it. A zero r.Expires is an
	// error. Data may hold any bytes, or none, and may be changed by the
	// caller once Save returned; r.Version is ignored. A record that is larger
	// than the store takes is ErrTooLarge, and what stood before still stands.
	Save(ctx context.Context, id ID, r Record, over Version) (Version, error)
}

// Record is a stored session: bytes that mean nothing to the store.
type Record struct {
	Data    []byte
	Expires time.Time
	Version Version

	// Cached says that Load has not asked the store itself but a cache in front
	// of it: the store may be away.
	Cached bool
}

// Version tells one write of a record from every other. It is opaque to all
// but the store that made it.
type Version [16]byte

// The versions over which Save may write, besides those that Load and Save
// return.
var (
	Absent = Version{}                                      // nothing stands there
	Any    = Version{15: 0xff, 14: 0xff, 13: 0xff, 0: 0xff} // whatever stands there
)

// FreshLoader is a Store with a cache in front of it. LoadFresh is Load past
// that cache: it sees every Save, of any process, that returned before it was
// called. RequireStore and the retry after a conflict use it.
type FreshLoader interface {
	LoadFresh(ctx context.Context, id ID) (Record, error)
}

// Lister is a Store that can tell what it holds. List yields the ID of every record
// that has not expired, in the form that Load takes. The ID of a session that is
// saved while List runs may be missing, and an ID may come twice. An error, including
// ctx's, ends the sequence. List may be slow, and is meant for operators, not for
// requests.
type Lister interface {
	List(ctx context.Context) iter.Seq2[ID, error]
}

// Prober is a Store made of shards, which fail one by one: servers, of which
// each has its part of the sessions. Shard names the one that has id; it does
// not ask it. Probe asks a shard whether it answers, without a visitor's
// request, and returns its incarnation: a string that stays while the shard
// keeps what it holds, and changes when it may have lost it by a restart. It
// honors ctx as Load does. Probe fails for an unknown shard.
type Prober interface {
	Shard(id ID) string
	Probe(ctx context.Context, shard string) (incarnation string, err error)
}

// Pinner is a Prober that also puts records into a shard whatever their IDs. In such
// records the instances tell each other which sessions have ended, and so hear it also
// from an instance that has another list of servers. A wrapper of a Store that is no
// Pinner names no shards.
type Pinner interface {
	Prober

	// Shards names every shard, once each and in order. It asks none of them.
	Shards() []string

	// Pin returns a Store that has all its records in one shard, whatever their IDs. Under
	// an ID that Shard puts there, it has the record that the Pinner itself has. A shard
	// that Shards does not name is an error.
	Pin(shard string) (Store, error)
}
