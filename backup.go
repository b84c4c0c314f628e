package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/addressee"
	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/transport"
	"github.com/holdfast-go/session/seal"
)

// Backup keeps a second copy of each session, sealed, in its visitor's own
// cookies. While the store is away visitors are served from the copy, and their
// writes wait in the copy and in this process until the store is back. Each process
// keeps the copies that it has sealed or opened lately, in up to 16 MB, to open each
// only once.
type Backup struct {
	// Keys seal the copies. They are needed, the same on all instances, and
	// never in the store.
	Keys *seal.Keys

	// Audience names the application and its environment, as in
	// "shop-production", in 1 to 64 printable ASCII characters. It is needed, and
	// the same on all instances. A copy opens only for the audience that it was
	// sealed for: without a name of its own an application would restore the
	// sessions of any other that has the same keys, and production those of
	// staging. A change of it drops all copies that visitors have. It is no
	// secret.
	Audience string

	// Lease is how long a copy may vouch for a session since the store last confirmed
	// it: a second or more; default an hour. An instance that does not reach the store,
	// and so cannot know of a logout, honors it one Lease later at most.
	Lease time.Duration

	// MaxLease is the most that a Switch may prolong Lease to: from Lease, the default,
	// to a hundred years. Tombstones stay in the store for MaxLease and five minutes.
	MaxLease time.Duration

	// Copy is how many bytes of cookies one copy may take up, names and separators
	// included; default 2048, or Budget where that is less; from 1024 up to Budget.
	// Values of 256 bytes and more are compressed, each alone; what does not fit is
	// left out, see Rank. Every request carries the copy, so a larger one costs each
	// page, and it needs a larger ProxyBuffer.
	Copy int

	// Budget is how many bytes of cookies a session's copies may take up together in a
	// visitor's browser, names and separators included; default 6144, from 1024 to 6656.
	// The bound holds in whatever order answers arrive. With the most that is allowed
	// there is room in a Cookie line of 8 KB, which is what nginx and Apache take, for
	// the token, the list of ended sessions and 850 bytes of other cookies.
	//
	// Answers that overlap leave a copy each: there is room for four that are
	// no larger than a quarter of the Budget, and for two up to a half of it.
	Budget int

	// ProxyBuffer is how many bytes of an answer's header the proxies in front of
	// the application take; default 4096, which is nginx's proxy_buffer_size, and at
	// least 2048 more than Copy. nginx answers 502 in the place of an answer with a
	// larger header. Where a handler's own fields leave a copy less room, more values
	// are left out, but nothing that waits for the store. A copy without values still
	// vouches for its session. docs/PROXIES.md has the directives.
	ProxyBuffer int

	// Restores is how many sessions a second are put back into a store that
	// lost them, at most; default 1000. After a second without any it may be as
	// many again at once. The others are served from their copies meanwhile.
	Restores int

	// Journal bounds the bytes of writes that this process keeps for the store
	// until it answers; default 64 MiB. Beyond the bound the process first drops
	// tombstones of sessions that no visitor was seen to have, then the oldest
	// sessions, whose changes their visitors' cookies still carry. A logout that
	// finds no room fails.
	Journal int

	// Dir names a directory that keeps these writes, and the logouts among them, in a file
	// too, so that they outlive the process: a crash, a deployment, a kill for want of
	// memory. It must exist, on a disk of this machine, and instances on one machine share
	// it: each has a file of its own in it, and takes over the file of one that has ended,
	// when it starts and once a minute. A request waits until its entry is written, 50 ms
	// at most. Where the disk is full, slow or broken, requests go on, and only what it
	// did not take can be lost with the process, see Hooks.JournalFile. A file takes up at
	// most twice Journal, and as much again for a moment while it is written anew. The
	// lines are sealed with Keys. Empty, the default, is no file. Dir needs a system with
	// flock, as Linux, macOS and the BSDs have: New fails elsewhere.
	Dir string

	// Sync makes each write to the file go through to the disk before the request goes
	// on. Without it the system has the write, and what a process wrote is lost only
	// with the whole machine.
	Sync bool
}

const (
	maxBudget     = backup.MaxBudget
	minBudget     = backup.MinBudget
	defaultBudget = 6144

	// With its attributes, the token, a policy of 1 KB and what the server adds it fits
	// the header of one answer.
	defaultCopy = 2048

	// What nginx takes of an answer's header by default, and what of it is for all but
	// the copy.
	defaultProxyBuffer = 4096
	besideCopy         = 2048

	// bufferMargin is what stays free of a proxy's buffer.
	bufferMargin = 296
)

// answerSize is how many bytes the header of an answer may have, what the server
// adds to it included, before deletions of stale copies wait for a later one and
// a copy leaves values out.
func (b *Backup) answerSize() int { return b.ProxyBuffer - bufferMargin }

// complete fills in the defaults and reports every mistake.
func (b Backup) complete() (Backup, error) {
	b.Lease = cmp.Or(b.Lease, time.Hour)
	b.MaxLease = cmp.Or(b.MaxLease, b.Lease)
	b.Budget = cmp.Or(b.Budget, defaultBudget)
	b.Copy = cmp.Or(b.Copy, min(defaultCopy, b.Budget))
	b.ProxyBuffer = cmp.Or(b.ProxyBuffer, defaultProxyBuffer)
	b.Restores = cmp.Or(b.Restores, 1000)
	b.Journal = cmp.Or(b.Journal, 64<<20)
	return b, errors.Join(addressee.Check("Backup", b.Keys, b.Audience), b.check(), spool.Check(b.Dir, b.Sync))
}

// check reports every other mistake.
func (b *Backup) check() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("session: Backup."+format, a...)) }
	if b.Lease < time.Second {
		bad("Lease %v is shorter than a second", b.Lease)
	}
	if b.MaxLease < b.Lease {
		bad("MaxLease %v is shorter than Lease %v", b.MaxLease, b.Lease)
	}
	if b.MaxLease > storage.Century {
		bad("MaxLease %v is longer than a hundred years", b.MaxLease)
	}
	if b.Budget < minBudget || b.Budget > maxBudget {
		bad("Budget %d is not between %d and %d bytes", b.Budget, minBudget, maxBudget)
	} else if b.Copy < minBudget || b.Copy > b.Budget {
		bad("Copy %d is not between %d bytes and the Budget, %d", b.Copy, minBudget, b.Budget)
	} else if b.ProxyBuffer-b.Copy < besideCopy {
		bad("Copy %d needs a ProxyBuffer of %d bytes, and proxies that take them, which nginx by default does not", b.Copy, b.Copy+besideCopy)
	}
	if b.Restores < 0 {
		bad("Restores is negative: %d", b.Restores)
	}
	if b.Journal < 0 {
		bad("Journal is negative: %d", b.Journal)
	}
	return errors.Join(errs...)
}

// checkShared reports a Budget that has no room for the cookies of Cookie.Secure: two sets of
// copies, two tokens and two lists of ended sessions, all on one line.
func (b *Backup) checkShared() error {
	if b.Budget < 2*b.Copy || b.Budget > defaultBudget {
		return fmt.Errorf("session: Backup.Budget %d with Cookie.Secure is not between twice the Copy, %d, and %d bytes: a browser may have the cookies of TLS and of plain http",
			b.Budget, 2*b.Copy, defaultBudget)
	}
	return nil
}

// budget is how many bytes the copies may take up in the cookies that go over TLS, where
// Cookie.Secure decides, and else in all.
func (b *Backup) budget(c Cookie) int {
	if c.Secure != nil {
		return b.Budget - b.Copy
	}
	return b.Budget
}

// cookies returns the cookies that carry copies, beside the token's, which has attributes a.
func (b *Backup) cookies(a transport.Attributes, budget int, foreignIDs bool) *backup.Cookies {
	audience := audience(b.Audience, a)
	return &backup.Cookies{
		Cookie: *a.Cookie(""), MaxAge: transport.MaxAge, ForeignIDs: foreignIDs,
		Budget: budget, Layout: jar.Divide(budget, budget),
		Copies:  seal.Box{Keys: b.Keys, Purpose: backup.CopiesPurpose, Audience: audience},
		Endings: seal.Box{Keys: b.Keys, Purpose: backup.EndingsPurpose, Audience: audience},
	}
}

// spool makes the file that keeps the journal. It is nil without a Dir.
func (b *Backup) spool(audience string, hook func(context.Context, FileFault, error)) (*spool.Spool, error) {
	return spool.Open(spool.Options{
		Dir: b.Dir, Sync: b.Sync, Keys: b.Keys, Audience: audience, Limit: 2 * int64(b.Journal),
		Told: func(f spool.Fault, err error) {
			if hook != nil {
				hook(context.Background(), FileFault(f), err)
			}
		},
	})
}

// audience returns the audience of copies and tombstone cookies.
func audience(application string, a transport.Attributes) string {
	return backup.AudienceOf(application, a.Name, a.Domain, a.Path)
}
