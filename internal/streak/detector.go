// Package streak decides when failures in a row are reported: a shard of the store is
// down, still is, or is back; an operation keeps failing. The caller passes the time.
package streak

import "time"

// few is how many operations have to fail in a row before that is news: a single
// slow answer is no outage.
const few = 3

// Reminder is how often a streak that lasts is news again. Failures that lie
// further apart are not in a row.
const Reminder = time.Minute

// Work is a kind of operation. A store that does one of them may be unable to do
// another: a replica loads and does not save, and a memcached without CAS, or a
// Redis user without EVALSHA, creates sessions and changes none. Each kind that
// failed recovers when it works. A shard whose loads failed too is back when a load
// works, except for the saves that it refused while its loads worked: these recover
// only by such a save.
type Work uint8

// The kinds of work. They are bits, and None is the work of an operation that was
// answered and proves no more than that: a conflict, for instance.
const (
	Load Work = 1 << iota
	Put       // a save over whatever the store has, or nothing
	Swap      // a save over a version

	None Work = 0
)

// News is what a failure adds to the earlier reports. The zero News is none.
type News uint8

const (
	Began News = iota + 1 // the shard is down, and was not before
	Lasts                 // it still is, for another Reminder
)

// Detector notices when a shard fails and when it recovers. The zero Detector
// knows no failure. It is not for concurrent use.
type Detector struct {
	shards map[string]*ailment
}

// ailment is the record of one shard: each kind of work that failed last, and how
// often in a row.
type ailment struct {
	works  Work
	alone  Work // those of works that failed while loads were answered
	row    int
	latest time.Time // failure
	since  time.Time // when it was reported
	told   time.Time // when it was reported last
}

// Failing returns how many shards have failed and not recovered, be it news or
// not.
func (d *Detector) Failing() int { return len(d.shards) }

// Fail notes a failure. It returns what is news, and since when the shard is down;
// since is zero where it is not.
func (d *Detector) Fail(shard string, w Work, now time.Time) (since time.Time, news News) {
	a := d.shards[shard]
	if a == nil {
		a = &ailment{}
		if d.shards == nil {
			d.shards = make(map[string]*ailment)
		}
		d.shards[shard] = a
	}
	if a.row < few && now.Sub(a.latest) > Reminder {
		*a = ailment{}
	}
	a.works |= w
	a.latest = now
	a.row++
	switch {
	case a.row == few:
		a.since = now
		a.told = now
		return now, Began
	case a.row > few && now.Sub(a.told) >= Reminder:
		a.told = now
		return a.since, Lasts
	}
	return a.since, 0
}

// Recover notes that an operation worked. It reports whether the shard, which was
// down since then, is back by it.
func (d *Detector) Recover(shard string, w Work) (since time.Time, back bool) {
	a := d.shards[shard]
	switch {
	case a == nil:
		return time.Time{}, false
	case a.works&w == 0:
		if w == Load {
			a.alone = a.works // the loads were answered meanwhile
		}
		return time.Time{}, false // it still does not do what failed
	case w == Load:
		a.works = a.alone // what failed beside the loads may work again too
	default:
		a.works &^= w
		a.alone &^= w
	}
	if a.works != 0 {
		return time.Time{}, false
	}
	delete(d.shards, shard)
	if a.row < few {
		return time.Time{}, false
	}
	return a.since, true
}
