package session

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/session/internal/copies"
	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/inlink"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/transport"
	"github.com/holdfast-go/session/urltoken"
)

// Options configure a Manager. The zero value of each field is its default, and the safe
// choice.
type Options struct {
	// Cookie is how the token travels to the visitor and back.
	Cookie Cookie

	// Header names a header field that carries the token instead of the
	// cookie, both ways, for API clients. An answer that ends the session
	// carries it empty.
	Header string

	// InsecureURLToken lets the token travel in links, for clients that keep no cookies,
	// such as embedded browsers: see package urltoken, which says what is insecure about
	// that. Nil, the default, keeps the token out of links.
	InsecureURLToken *urltoken.Options

	// Idle ends a session that its visitor has not used for this long: a second or
	// more; the default is 30 minutes. A value above Lifetime counts as Lifetime. The
	// store counts the time, so that a shorter Idle applies to a session from its next
	// use on.
	Idle time.Duration

	// Lifetime ends a session this long after it began or was last renewed, used or
	// not: a second to a hundred years; the default is 24 hours.
	Lifetime time.Duration

	// MaxLifetime bounds the Lifetime that Session.Remember may give to a session: from
	// Lifetime, the default, to a hundred years. The record of a revoked user is kept at
	// least that long. So raise it on every instance before the first session gets more,
	// and lower it when the last session that got more has ended.
	MaxLifetime time.Duration

	// Refresh is the least time after which a session that is only read gets a later
	// expiry, in the background: up to Idle; the default is Idle/10. A session may
	// outlive Idle by this much.
	Refresh time.Duration

	// ReadTimeout is how long the store may take to load a session, and SaveTimeout how
	// long to save it; default 50 ms and 100 ms with a Backup, 250 ms and 500 ms without
	// one, where a request that gets no answer fails, or 10 s for a store in this process,
	// see Local. A request that waits for others of its session takes longer: a load by up
	// to ReadTimeout/4, a save by up to one ReadTimeout and two SaveTimeouts, or three if
	// another instance saves first. Both also apply after the client has left, because
	// other requests may wait for the same load. Only time in which this process runs
	// counts: a process that is stopped, or short of processor, waits longer.
	ReadTimeout, SaveTimeout time.Duration

	// Backup keeps a second copy of each session in its visitor's cookies, for when the
	// store is away. Nil means no backup. A token in Header or in a link comes without a
	// copy, because only cookies carry copies; breakers, the journal, logouts that wait
	// for the store and RevokeUser work there too.
	Backup *Backup

	// Switch is the operator's way to choose between store and backup. It needs
	// a Backup.
	Switch Switch

	// Hooks are called when stores fail and sessions lose something, and for an audit log.
	Hooks Hooks

	// PerUser bounds how many sessions a user has at once; the zero value sets no bound.
	PerUser PerUser

	// Format shares sessions with another system; nil means the library's own format.
	Format Format

	// Adopt takes over the sessions of another library. Nil takes over none.
	Adopt *Adopt

	// Error answers a request whose session cannot be loaded or saved, and one that
	// Require turns away. The default answers with Status(err), and with Retry-After to
	// ErrUnavailable and ErrEnded. The visitor learns no more than that.
	Error func(http.ResponseWriter, *http.Request, error)
}

// PerUser is how many sessions a user may have at once, of those that SetUser began.
type PerUser struct {
	// Most is the most sessions of one user, up to 100; zero means any number.
	Most int

	// Refuse makes a login beyond it fail: the commit answers ErrTooManySessions, and
	// nothing is saved. Otherwise the least recently used session ends, shortly after the
	// answer. With Refuse a login costs a load and a save more. While the store is away no
	// login is refused.
	Refuse bool
}

// complete fills in the defaults and reports every mistake.
func (o *Options) complete(store Store) error {
	var errs []error
	if store == nil {
		errs = append(errs, errors.New("session: store is nil"))
	}
	errs = append(errs, o.completeTimes(store))
	cookie, cookieErr := o.Cookie.complete()
	o.Cookie = cookie
	errs = append(errs, cookieErr)
	if o.Header != "" {
		if err := headers.CheckName(o.Header); err != nil {
			errs = append(errs, fmt.Errorf("session: Header %q %w", o.Header, err))
		}
	}
	errs = append(errs, o.completeBackup(cookieErr == nil))
	if n := o.PerUser.Most; n < 0 || n > devices.MaxRows {
		errs = append(errs, fmt.Errorf("session: PerUser.Most %d is not between 0 and %d", n, devices.MaxRows))
	}
	if o.PerUser.Most > 0 && o.Format != nil {
		errs = append(errs, errors.New("session: PerUser needs sessions that know their user: the records of Options.Format have no place for one"))
	}
	links, err := (*inlink.Config)(o.InsecureURLToken).Complete(o.Idle, o.Header == "" && o.Format == nil && o.Cookie.Secure == nil)
	o.InsecureURLToken = (*urltoken.Options)(links)
	errs = append(errs, err)
	if o.Adopt != nil {
		errs = append(errs, o.Adopt.complete(o.Cookie))
	}
	if o.Error == nil {
		o.Error = func(w http.ResponseWriter, _ *http.Request, err error) { failure.Answer(w, err) }
	}
	errs = append(errs, o.checkFormat(store))
	return errors.Join(errs...)
}

// completeTimes is complete for all that is a time.
func (o *Options) completeTimes(store Store) error {
	_, local := store.(Local)
	t := storage.Times{Idle: o.Idle, Lifetime: o.Lifetime, MaxLifetime: o.MaxLifetime, Refresh: o.Refresh, ReadTimeout: o.ReadTimeout, SaveTimeout: o.SaveTimeout}
	err := t.Complete(local, o.Backup != nil)
	o.Idle, o.Lifetime = t.Idle, t.Lifetime
	o.MaxLifetime = t.MaxLifetime
	o.ReadTimeout, o.SaveTimeout = t.ReadTimeout, t.SaveTimeout
	o.Refresh = t.Refresh
	return err
}

// completeBackup is complete for Backup and Switch. named reports whether the cookie
// has a valid name.
func (o *Options) completeBackup(named bool) error {
	if o.Backup == nil {
		if o.Switch != nil {
			return errors.New("session: Switch without a Backup has nothing to switch between")
		}
		return nil
	}
	b, err := copies.Settings(*o.Backup).Complete(transport.Attributes(o.Cookie), named, o.Format != nil)
	o.Backup = (*Backup)(&b)
	return err
}

// checkFormat reports what does not agree with the Format.
func (o *Options) checkFormat(store Store) error {
	if o.Format == nil {
		return nil
	}
	if _, ok := o.Format.(foreign.Format); !ok {
		return fmt.Errorf("session: Options.Format: %T is not a format of this module; take the one that node/express makes, or none", o.Format)
	}
	if o.Cookie.Secure != nil {
		return errors.New("session: Cookie.Secure decides about cookies of our own, and Options.Format sends another system's; with node/express see Profile.Secure")
	}
	if f, ok := o.Format.(foreign.Checker); ok {
		return f.Check(foreign.Settings{Store: store, Cookie: o.Cookie.Name, Idle: o.Idle, Refresh: o.Refresh})
	}
	return nil
}
