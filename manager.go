package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
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

	// Idle ends a session that nobody used for so long; default 30 minutes.
	// Longer than Lifetime it is Lifetime.
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
	// its session takes longer: to load by a quarter of ReadTimeout, to save by
	// two SaveTimeout. Both hold for a client that has left, too: others may wait
	// for the same load.
	ReadTimeout, SaveTimeout time.Duration

	// Backup keeps a second copy of each session in its visitor's cookies, for
	// when the store is away. Nil is none. With Header there is none either:
	// only cookies can carry it.
	Backup *Backup

	// Switch is the operator's way to choose between store and backup. It needs
	// a Backup.
	Switch Switch

	// Hooks are told what happens.
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

// Manager keeps the sessions of one application in one store. Any number of
// goroutines may use it.
type Manager struct {
	store   Store
	options Options
	carrier carrier
	hooks   Hooks

	clock   *stamp.Clock
	shards  failover.Shards
	storage storage.Storage
	reader  lookup.Reader
	writer  commit.Writer

	// Where there is a backup:
	backup  *Backup // nil: none
	copies  *backup.Cookies
	slots   jar.Slots
	without mechanism.Set // for the simulation; else none
}

// now is the time by this instance's clock.
func (m *Manager) now() time.Time { return m.clock.Now() }

// century keeps dates within what a time.Duration can add to them.
const century = 100 * 366 * 24 * time.Hour

// New returns a Manager that keeps sessions in store. Nil Options are the
// defaults. It does not wait for the store; its error names every mistake it
// finds in the options. A Manager with a Backup watches the store in the
// background until Close.
func New(store Store, o *Options) (*Manager, error) { return newManager(store, o, func(*Manager) {}) }

// newManager is New with a last word before anything runs, for tests.
func newManager(store Store, o *Options, adjust func(*Manager)) (*Manager, error) {
	m := &Manager{store: store, clock: stamp.New()}
	if o != nil {
		m.options = *o
	}
	o = &m.options
	var errs []error
	if store == nil {
		errs = append(errs, errors.New("session: store is nil"))
	}
	o.Idle = cmp.Or(o.Idle, 30*time.Minute)
	o.Lifetime = cmp.Or(o.Lifetime, 24*time.Hour)
	// A mistake in one of them is not told of those that follow from it.
	if o.Lifetime >= time.Second {
		o.Idle = min(o.Idle, o.Lifetime)
	}
	o.Refresh = cmp.Or(o.Refresh, max(o.Idle, 0)/10)
	read, save := defaultTimeouts(store)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, read)
	o.SaveTimeout = cmp.Or(o.SaveTimeout, save)
	for name, d := range map[string]time.Duration{
		"Idle": o.Idle, "Lifetime": o.Lifetime, "Refresh": o.Refresh,
		"ReadTimeout": o.ReadTimeout, "SaveTimeout": o.SaveTimeout,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("session: %s is negative: %v", name, d))
		}
	}
	if o.Lifetime > century {
		errs = append(errs, fmt.Errorf("session: Lifetime %v is longer than a hundred years", o.Lifetime))
	}
	for name, d := range map[string]time.Duration{"Idle": o.Idle, "Lifetime": o.Lifetime} {
		if 0 < d && d < time.Second {
			errs = append(errs, fmt.Errorf("session: %s %v is shorter than a second, which is as fine as stores count", name, d))
		}
	}
	if o.Refresh > o.Idle && o.Idle >= 0 {
		errs = append(errs, fmt.Errorf("session: Refresh %v is longer than Idle %v: sessions in use would expire", o.Refresh, o.Idle))
	}
	var err error
	if o.Cookie, err = o.Cookie.complete(); err != nil {
		errs = append(errs, err)
	}
	if o.Header != "" {
		if err := headers.CheckName(o.Header); err != nil {
			errs = append(errs, fmt.Errorf("session: Header %q %w", o.Header, err))
		}
	}
	if o.Backup != nil {
		b, err := o.Backup.complete()
		if err != nil {
			errs = append(errs, err)
		}
		m.backup = &b
	} else if o.Switch != nil {
		errs = append(errs, errors.New("session: Switch without a Backup has nothing to switch between"))
	}
	if o.Adopt != nil {
		if err := o.Adopt.complete(o.Cookie); err != nil {
			errs = append(errs, err)
		}
	}
	if o.Error == nil {
		o.Error = answer
	}
	m.carrier = carrier{Transport: transport.Transport{Cookie: transport.Attributes(o.Cookie), Header: textproto.CanonicalMIMEHeaderKey(o.Header)}}
	if o.Format != nil {
		format, ok := o.Format.(foreign.Format)
		if !ok {
			errs = append(errs, fmt.Errorf("session: Options.Format: %T is not a format of this module; take the one that node/express makes, or none", o.Format))
		}
		m.carrier.Format = format
		if f, ok := o.Format.(foreign.Checker); ok {
			err := f.Check(foreign.Settings{Store: store, Cookie: o.Cookie.Name, Idle: o.Idle, Refresh: o.Refresh})
			if err != nil {
				errs = append(errs, err)
			}
		}
	}
	if m.backup != nil {
		m.copies = m.backup.cookies(o.Cookie, o.Format != nil)
		// An empty session takes a block of 128 bytes, sealed.
		if err == nil && m.backup.Copy > 0 && m.copies.Size(seal.SealedLen(127)) > m.backup.Copy {
			errs = append(errs, fmt.Errorf("session: cookie %q: the name is too long for copies of %d bytes in a budget of %d",
				o.Cookie.Name, m.backup.Copy, m.backup.Budget))
		}
	}
	m.hooks = o.Hooks
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	adjust(m)
	m.connect()
	return m, nil
}

// Revoke ends the session id, whoever holds its token, at once and for good,
// and what Rotate has made of it since.
// A session that does not exist cannot come to exist by it either. On
// ErrUnavailable it may or may not have happened.
//
// A record of the library's own is no session: nothing happens to it, and the
// answer is Durable. So all that a Lister yields may be revoked in a loop.
func (m *Manager) Revoke(ctx context.Context, id ID) (Durability, error) {
	if id == "" {
		return 0, fmt.Errorf("session: revoke: %w", ErrNoSession)
	}
	if len(id) > 200 || strings.ContainsFunc(string(id), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return 0, fmt.Errorf("session: revoke: %q is no ID", id)
	}
	if recordid.Reserved(string(id)) {
		return Durable, nil
	}
	ctx = context.WithoutCancel(ctx)
	d, _, err := m.shards.EndLine(ctx, &journal.Tombstone{ID: string(id), Death: m.clock.Death(state.Revoked), IfLive: true}, Any)
	return Durability(d), err
}

// Close waits until everything in the background is done, or ctx ends. With a
// Backup it delivers what the store is owed, and its error says how much did not
// arrive. Requests may go on, but expiries are not put off any more, and what
// the store does not take then is in the visitors' cookies alone.
func (m *Manager) Close(ctx context.Context) error {
	return errors.Join(m.reader.Refreshes.Close(ctx), m.shards.Close(ctx))
}

// answer is the default of Options.Error.
func answer(w http.ResponseWriter, _ *http.Request, err error) {
	w.Header().Set("Cache-Control", "no-store")
	text := "session failed"
	switch {
	case errors.Is(err, ErrNoSession):
		text = "session required"
	case errors.Is(err, ErrEnded):
		w.Header().Set("Retry-After", "1")
		text = "session has just ended, try again"
	case errors.Is(err, ErrUnavailable):
		w.Header().Set("Retry-After", "5")
		text = "session unavailable, try again"
	}
	http.Error(w, text, Status(err))
}
