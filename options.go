package session

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/transport"
	"github.com/holdfast-go/session/seal"
)

// Options say how a Manager works. The zero value of each is its default, and
// the safe choice.
type Options struct {
	// Cookie is how the token travels to the visitor and back.
	Cookie Cookie

	// Header names a header field that carries the token instead of the
	// cookie, both ways, for API clients. An answer that ends the session
	// carries it empty.
	Header string

	// Idle ends a session that was not used for so long; default 30 minutes. A
	// value above Lifetime counts as Lifetime.
	Idle time.Duration

	// Lifetime ends a session so long after it began or was last renewed,
	// used or not; default 24 hours.
	Lifetime time.Duration

	// Refresh is how often, at most, the expiry of a session that is only read
	// is put off, in the background; default Idle/10. A session may outlive
	// Idle by so much.
	Refresh time.Duration

	// ReadTimeout is how long the store may take to load a session, and
	// SaveTimeout how long to save it; default 50 ms and 100 ms, or 10 s for a
	// store in this process, see Local. A request that also waits for others of
	// its session takes longer: to load by a quarter of ReadTimeout, to save by a
	// ReadTimeout and two SaveTimeout, or three where another instance comes
	// before. Both hold for a client that has left, too: others may wait
	// for the same load.
	ReadTimeout, SaveTimeout time.Duration

	// Backup keeps a second copy of each session in its visitor's cookies, for
	// when the store is away. Nil is none. With Header there is none either:
	// only cookies can carry it.
	Backup *Backup

	// Switch is the operator's way to choose between store and backup. It needs
	// a Backup.
	Switch Switch

	// Hooks are called when stores fail and sessions lose something.
	Hooks Hooks

	// Format shares sessions with another system; nil is our own.
	Format Format

	// Adopt takes over the sessions of another library. Nil is none.
	Adopt *Adopt

	// Error answers a request whose session cannot be loaded or saved, and
	// one that Require turns away. The default answers 403 to ErrNoSession,
	// 503 with Retry-After to ErrUnavailable and ErrEnded, 500 to all else,
	// and does not tell the visitor more than the status.
	Error func(http.ResponseWriter, *http.Request, error)
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
	if o.Adopt != nil {
		errs = append(errs, o.Adopt.complete(o.Cookie))
	}
	if o.Error == nil {
		o.Error = answer
	}
	errs = append(errs, o.checkFormat(store))
	return errors.Join(errs...)
}

// completeTimes is complete for all that is a time.
func (o *Options) completeTimes(store Store) error {
	o.Idle = cmp.Or(o.Idle, 30*time.Minute)
	o.Lifetime = cmp.Or(o.Lifetime, 24*time.Hour)
	// A mistake in one of them is not reported again for those that follow from it.
	if o.Lifetime >= time.Second {
		o.Idle = min(o.Idle, o.Lifetime)
	}
	o.Refresh = cmp.Or(o.Refresh, max(o.Idle, 0)/10)
	read, save := defaultTimeouts(store)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, read)
	o.SaveTimeout = cmp.Or(o.SaveTimeout, save)
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("session: "+format, a...)) }
	for _, t := range []struct {
		name string
		d    time.Duration
	}{
		{"Idle", o.Idle}, {"Lifetime", o.Lifetime}, {"Refresh", o.Refresh}, {"ReadTimeout", o.ReadTimeout}, {"SaveTimeout", o.SaveTimeout},
	} {
		counted := t.name == "Idle" || t.name == "Lifetime"
		switch {
		case t.d < 0:
			bad("%s is negative: %v", t.name, t.d)
		case counted && 0 < t.d && t.d < time.Second:
			bad("%s %v is shorter than a second, which is as fine as stores count", t.name, t.d)
		}
	}
	if o.Lifetime > storage.Century {
		bad("Lifetime %v is longer than a hundred years", o.Lifetime)
	}
	if o.Refresh > o.Idle && o.Idle >= 0 {
		bad("Refresh %v is longer than Idle %v: sessions in use would expire", o.Refresh, o.Idle)
	}
	return errors.Join(errs...)
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
	b, err := o.Backup.complete()
	o.Backup = &b
	// An empty session takes a block of 128 bytes, sealed.
	if named && b.Copy > 0 && b.cookies(o.Cookie, o.Format != nil).Size(seal.SealedLen(127)) > b.Copy {
		err = errors.Join(err, fmt.Errorf("session: cookie %q: the name is too long for copies of %d bytes in a budget of %d", o.Cookie.Name, b.Copy, b.Budget))
	}
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
	if f, ok := o.Format.(foreign.Checker); ok {
		return f.Check(foreign.Settings{Store: store, Cookie: o.Cookie.Name, Idle: o.Idle, Refresh: o.Refresh})
	}
	return nil
}

// transport returns how the token travels to the visitor and back.
func (o *Options) transport() transport.Transport {
	c := transport.Transport{Cookie: transport.Attributes(o.Cookie), Header: textproto.CanonicalMIMEHeaderKey(o.Header)}
	if o.Format != nil {
		c.Format, _ = o.Format.(foreign.Format)
	}
	return c
}
