package copies

import (
	"cmp"
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

// Settings are session.Backup, which documents the fields.
type Settings struct {
	Keys        *seal.Keys
	Audience    string
	Lease       time.Duration
	MaxLease    time.Duration
	Copy        int
	Budget      int
	ProxyBuffer int
	Restores    int
	Journal     int
	Dir         string
	Sync        bool
}

const (
	defaultBudget = 6144

	// With its attributes, the token, a policy of 1 KB and what the server adds it fits
	// the header of one answer.
	defaultCopy = 2048

	// The size of an answer's header that nginx takes by default, and the share of it
	// for all but the copy.
	defaultProxyBuffer = 4096
	besideCopy         = 2048

	// bufferMargin is what stays free of a proxy's buffer.
	bufferMargin = 296
)

// Complete fills in the defaults and reports every mistake. The token's cookie has
// attributes a, and named reports whether its name is a valid one. foreign reports
// whether another system makes the tokens.
func (b Settings) Complete(a transport.Attributes, named, foreign bool) (Settings, error) {
	b.Lease = cmp.Or(b.Lease, time.Hour)
	b.MaxLease = cmp.Or(b.MaxLease, b.Lease)
	b.Budget = cmp.Or(b.Budget, defaultBudget)
	b.Copy = cmp.Or(b.Copy, min(defaultCopy, b.Budget))
	b.ProxyBuffer = cmp.Or(b.ProxyBuffer, defaultProxyBuffer)
	b.Restores = cmp.Or(b.Restores, 1000)
	b.Journal = cmp.Or(b.Journal, 64<<20)
	err := errors.Join(addressee.Check("Backup", b.Keys, b.Audience), b.check(), spool.Check(b.Dir, b.Sync))
	if a.Secure != nil && err == nil {
		err = b.checkShared()
	}
	// An empty session takes a block of 128 bytes, sealed.
	if named && b.Copy > 0 && b.cookies(a, b.budget(a), foreign).Size(seal.SealedLen(127)) > b.Copy {
		err = errors.Join(err, fmt.Errorf("session: cookie %q: the name is too long for copies of %d bytes in a budget of %d", a.Name, b.Copy, b.Budget))
	}
	return b, err
}

// check reports every other mistake.
func (b *Settings) check() error {
	const least, most = backup.MinBudget, backup.MaxBudget
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
	if b.Budget < least || b.Budget > most {
		bad("Budget %d is not between %d and %d bytes", b.Budget, least, most)
	} else if b.Copy < least || b.Copy > b.Budget {
		bad("Copy %d is not between %d bytes and the Budget, %d", b.Copy, least, b.Budget)
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
func (b *Settings) checkShared() error {
	if b.Budget < 2*b.Copy || b.Budget > defaultBudget {
		return fmt.Errorf("session: Backup.Budget %d with Cookie.Secure is not between twice the Copy, %d, and %d bytes: a browser may have the cookies of TLS and of plain http",
			b.Budget, 2*b.Copy, defaultBudget)
	}
	return nil
}

// budget is how many bytes the copies may take up in the cookies that go over TLS, where
// Cookie.Secure decides, and else in all.
func (b *Settings) budget(a transport.Attributes) int {
	if a.Secure != nil {
		return b.Budget - b.Copy
	}
	return b.Budget
}

// cookies returns the cookies that carry copies, beside the token's, which has attributes a.
func (b *Settings) cookies(a transport.Attributes, budget int, foreignIDs bool) *backup.Cookies {
	audience := backup.AudienceOf(b.Audience, a.Name, a.Domain, a.Path)
	return &backup.Cookies{
		Cookie: *a.Cookie(""), MaxAge: transport.MaxAge, ForeignIDs: foreignIDs,
		Budget: budget, Layout: jar.Divide(budget, budget),
		Copies:  seal.Box{Keys: b.Keys, Purpose: backup.CopiesPurpose, Audience: audience},
		Endings: seal.Box{Keys: b.Keys, Purpose: backup.EndingsPurpose, Audience: audience},
	}
}

// Configure sets the fields of x that follow from settings that are complete, for tokens
// that travel by t in sessions with this idle timeout.
func (x *Exchanger) Configure(b *Settings, t *transport.Transport, idle time.Duration) {
	x.Jar = NewJar(t, b.cookies(t.Cookie, b.budget(t.Cookie), t.Format != nil))
	if p := t.Plain; p != nil {
		x.Plain = NewJar(p, b.cookies(p.Cookie, b.Copy, false))
	}
	x.CopySize = b.Copy
	x.AnswerSize = b.ProxyBuffer - bufferMargin
	x.Margin = bufferMargin
	x.MaxLease = b.MaxLease
	x.Fresh = min(b.Lease, idle) / 4
}

// OpenSpool opens the file that keeps the journal, and calls told with its faults. The
// audience is that of the copies. OpenSpool returns nil without a Dir.
func (b *Settings) OpenSpool(audience string, told func(spool.Fault, error)) (*spool.Spool, error) {
	return spool.Open(spool.Options{Dir: b.Dir, Sync: b.Sync, Keys: b.Keys, Audience: audience, Limit: 2 * int64(b.Journal), Told: told})
}
