package session

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/state"
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

	// Lease is how long a copy may vouch for a session since the store last
	// confirmed it; default an hour. A logout that an instance cannot know of,
	// because it does not reach the store, it honors one Lease later at most.
	Lease time.Duration

	// MaxLease is the most that a Switch may prolong Lease to; default Lease.
	// Tombstones stay in the store for MaxLease and five minutes.
	MaxLease time.Duration

	// Copy is how many bytes of cookies one copy may take up, names and
	// separators included; default 3072, at most Budget. What does not fit is
	// left out, see Rank. With the default the header of an answer stays below
	// the 4 KB that nginx accepts from a server by default: where a
	// handler's own fields leave a copy less room, more is left out of it, but
	// nothing that waits for the store, and no copy is made smaller than 1 KB. A
	// larger Copy needs settings in the proxies that docs/PROXIES.md names.
	Copy int

	// Budget is how many bytes of cookies a session's copies may take up
	// together in a visitor's browser, names and separators included; default
	// 6144, at most 6656. No order in which answers arrive makes it more. With
	// the most that is allowed there is room in a Cookie line of 8 KB, which is
	// what nginx and Apache take, for the token, the list of ended sessions and
	// 850 bytes of other cookies.
	//
	// Answers that overlap leave a copy each: there is room for four that are
	// no larger than a quarter of the Budget, and for two up to a half of it.
	Budget int

	// Codec compresses the copies: seal.Flate, or your own. Nil, the default,
	// does not: the length of a compressed text tells about its content, see
	// seal.Box.
	Codec seal.Codec

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
}

const (
	maxBudget     = backup.MaxBudget
	minBudget     = 1024
	defaultBudget = 6144

	// A copy in two cookies with its attributes, the token, the usual fields of
	// a handler and a list of one ended session fit the header of one answer. It
	// is what two of the four cookies hold at the default budget.
	defaultCopy = 3072

	maxAudience = 64
)

// answerSize is how many bytes the header of an answer may have, what the server
// adds to it included, before deletions of stale copies wait for a later one and
// a copy leaves values out.
// nginx reads it into proxy_buffer_size, by default 4 KB. A Copy above the default
// says that the proxies are set for more.
func (b *Backup) answerSize() int { return 3800 + max(0, b.Copy-defaultCopy) }

// complete fills in the defaults and reports every mistake.
func (b Backup) complete() (Backup, error) {
	b.Lease = cmp.Or(b.Lease, time.Hour)
	b.MaxLease = cmp.Or(b.MaxLease, b.Lease)
	b.Budget = cmp.Or(b.Budget, defaultBudget)
	b.Copy = cmp.Or(b.Copy, min(defaultCopy, b.Budget))
	b.Restores = cmp.Or(b.Restores, 1000)
	b.Journal = cmp.Or(b.Journal, 64<<20)
	return b, errors.Join(b.checkWho(), b.check())
}

// checkWho reports mistakes in Keys and Audience, which decide who can open a copy.
func (b *Backup) checkWho() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("session: Backup."+format, a...)) }
	if b.Keys == nil {
		bad("Keys is nil: make keys with seal.NewKeys, seal.ParseKeys, seal.KeysFromEnv or seal.WatchFile")
	}
	switch {
	case b.Audience == "":
		bad("Audience is empty: name the application and its environment, as in %q; "+
			"two applications with the same keys would let each other's visitors in", "shop-production")
	case len(b.Audience) > maxAudience:
		bad("Audience has %d bytes; at most %d are allowed", len(b.Audience), maxAudience)
	case strings.ContainsFunc(b.Audience, func(r rune) bool { return r < ' ' || r > '~' }):
		bad("Audience %q has a character that is not printable ASCII", b.Audience)
	}
	return errors.Join(errs...)
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
	}
	if b.Codec != nil && b.Codec != seal.Flate && b.Codec.ID() < 128 {
		bad("Codec has ID %d, which is reserved; choose one between 128 and 255", b.Codec.ID())
	}
	if b.Restores < 0 {
		bad("Restores is negative: %d", b.Restores)
	}
	if b.Journal < 0 {
		bad("Journal is negative: %d", b.Journal)
	}
	return errors.Join(errs...)
}

// cookies returns the cookies that carry copies.
func (b *Backup) cookies(c Cookie, foreignIDs bool) *backup.Cookies {
	audience, attributes := audience(b.Audience, c), transport.Attributes(c)
	return &backup.Cookies{
		Cookie: *attributes.Cookie(""), MaxAge: attributes.MaxAge, ForeignIDs: foreignIDs, Budget: b.Budget,
		Copies:  seal.Box{Keys: b.Keys, Purpose: "session backup", Audience: audience, Codec: b.Codec},
		Endings: seal.Box{Keys: b.Keys, Purpose: "session tombstones", Audience: audience},
	}
}

// audience is whom copies and tombstone cookies are sealed for. Each part comes
// after its length, so that no two applications or cookies share one.
func audience(application string, c Cookie) string {
	var b []byte
	for _, part := range []string{application, c.Name, c.Domain, c.Path} {
		b = state.AppendBytes(b, part)
	}
	return string(b)
}
