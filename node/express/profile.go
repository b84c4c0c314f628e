package express

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/node/internal/js"
)

// Profile says how an Express application keeps its sessions, and makes a
// Manager keep the same ones: give [session.New] what [Profile.Options] returns
// and the store, and put [Profile.Handler] in the place of Manager.Handler.
// Handlers do not know. The fields have the names and meanings of the
// middleware's options; write there what the application has.
//
// The store is redisstore.New(client, redisstore.Raw(), redisstore.Prefix("sess:"))
// for connect-redis, and what connectmemcached.Options.Open returns for
// connect-memcached. session.New refuses a store, and changes to the options, of
// which it sees that Node could not agree with them.
//
// A field of the session is a key of the same name; NewKey's own codec is the
// right one. [session.StartNew] is regenerate, and Renew is a regenerate that keeps
// the values.
//
// Some of what the middleware does is left out, because it loses sessions or
// brings back ended ones: a response that goes out before the session is saved,
// or whose save failed; a save over what another request has written, under
// Resave too; a session that is stored and whose visitor gets no cookie; a
// destroyed session whose cookie stays; a read that fails and destroys what it
// could not read.
type Profile struct {
	// Secrets is the option secret.
	Secrets *Secrets

	// Name is the option name. Default "connect.sid".
	Name string

	// Cookie is the option cookie in JSON, such as {"maxAge": 3600000, "secure":
	// "auto"}. Its maxAge is Options.Idle. Without secure it is sent over plain
	// http too, as there.
	Cookie string

	// CookieFunc is the option cookie where that is a function. maxAge should be
	// the same for all, or Idle is one day.
	CookieFunc func(*http.Request) string

	// GenID is the option genid. An ID that is not 1 to 200 printable ASCII
	// characters without blanks is replaced by a random one. It is asked in
	// requests that come through Handler.
	GenID func(*http.Request) string

	// Resave saves each session that a request has, changed or not: over what it
	// has read, so that it undoes nothing. It makes each request a write, and is
	// of use only where Node's store has no touch.
	Resave bool

	// SaveUninitialized gives every visitor a session and a cookie.
	SaveUninitialized bool

	// Rolling sends the cookie with each response that is to a visitor with a
	// session.
	Rolling bool

	// UnsetDestroys is unset: "destroy". See Unset.
	UnsetDestroys bool

	// Proxy is the option proxy, and Secure what req.secure says in the
	// application: whether "trust proxy" takes the request for one over TLS. Both
	// count only where the connection itself is not.
	Proxy  Proxy
	Secure func(*http.Request) bool

	// TTL is how long a store keeps a session whose cookie has no maxAge: the
	// option ttl of connect-redis. Default one day.
	TTL time.Duration

	// Lifetime ends a session so long after Go began or renewed it, whatever
	// Node does. Default none, as there.
	Lifetime time.Duration

	// Cipher encrypts what is stored: the connectmemcached.Cipher that
	// connectmemcached.Options.Open puts here. It takes some 15 ms of a processor
	// for each load and each save, the latter within Options.SaveTimeout.
	Cipher Cipher
}

// Cipher encrypts and decrypts the text of a session.
type Cipher interface {
	Seal(text []byte) (string, error)
	Open(value string) ([]byte, error)
}

const (
	cookieName = "cookie" // the member of a record, and the key of its changes
	century    = 100 * 366 * 24 * time.Hour
)

// cookieKey has what a program has changed in a session's cookie object.
var cookieKey = session.NewKey[json.RawMessage](cookieName)

func (p *Profile) name() string {
	if p.Name == "" {
		return "connect.sid"
	}
	return p.Name
}

func (p *Profile) ttl() time.Duration {
	if p.TTL == 0 {
		return 24 * time.Hour
	}
	return p.TTL
}

// idle is how long a session lasts unless it says otherwise.
func (p *Profile) idle(c *Cookie) time.Duration {
	if ms, ok := c.OriginalMaxAge(); ok {
		return milliseconds(ms)
	}
	return p.ttl()
}

// newCookie returns the cookie of a new session. Where no request is known, "auto" is
// secure.
func (p *Profile) newCookie(v *visit, now time.Time) *Cookie {
	config, secure := p.Cookie, true
	if v != nil {
		config, secure = v.config, v.secure
	}
	c, err := NewCookie([]byte(config), now)
	if err != nil {
		c, _ = NewCookie(nil, now) // checked before
	}
	c.Resolve(secure)
	return c
}

// Options returns the options of a Manager: Format, Cookie, Idle, Refresh and
// Lifetime are set, and the rest is for you. Its error says what is missing, and also
// what the middleware would only report at each response.
//
// A Backup is worth having: it also restores what a slow request in Node undoes. Its
// cookies are named after the session's, and secure unless the option says that they
// are not to be.
func (p *Profile) Options() (*session.Options, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("express: "+format, args...)) }
	if p.Secrets == nil {
		bad("Secrets are missing: they are the middleware's option secret")
	}
	if p.CookieFunc != nil && p.Cookie != "" {
		bad("Cookie and CookieFunc are two answers to one question")
	}
	if p.TTL < 0 || p.Lifetime < 0 {
		bad("TTL or Lifetime is negative")
	}
	now := time.Now()
	c, err := NewCookie([]byte(p.Cookie), now)
	if err != nil {
		errs = append(errs, err)
		c, _ = NewCookie(nil, now)
	}
	auto, _ := js.String(c.member("secure"))
	c.Resolve(true)
	if _, err := c.SetCookie(p.name(), "v"); err != nil {
		bad("the cookie could not be sent: %w", err)
	}
	if ms, ok := c.OriginalMaxAge(); ok && ms < 1000 {
		bad("maxAge is %v ms; below a second connect-memcached keeps sessions for ever", ms)
	}
	site, _ := js.String(c.member("sameSite"))
	same := map[string]http.SameSite{"strict": http.SameSiteStrictMode, "none": http.SameSiteNoneMode}[lower(site)]
	if same == http.SameSiteNoneMode && !c.Secure() {
		if original, _ := NewCookie([]byte(p.Cookie), now); original == nil || !isAuto(original.member("sameSite")) {
			bad(`sameSite "none" without secure: browsers drop the cookie`)
		}
		same = http.SameSiteLaxMode
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	domain, _ := js.String(c.member("domain"))
	path, _ := js.String(c.member("path"))
	o := &session.Options{
		Cookie: session.Cookie{
			Name: p.name(), Domain: domain, Path: path, SameSite: same, Persistent: c.Ends(),
			Insecure: auto != "auto" && !c.Secure(),
		},
		Idle: p.idle(c), Lifetime: p.Lifetime,
	}
	if o.Lifetime == 0 {
		o.Lifetime = century
	}
	o.Idle = min(o.Idle, o.Lifetime)
	o.Refresh = o.Idle / 10
	if p.Resave {
		o.Refresh = time.Nanosecond
	}
	o.Format = &format{profile: p, idle: o.Idle, refresh: o.Refresh}
	return o, nil
}

func isAuto(value json.RawMessage) bool {
	s, _ := js.String(value)
	return s == "auto"
}

// The types that Format is made of are this module's own.
var _ foreign.Format = (*format)(nil)

// SetMaxAge is req.session.cookie.maxAge = d: "remember me". It is kept with the
// session, and each use of it in Node begins it anew. A Go program puts the end
// off once in a tenth of the profile's own maxAge: shorter than that it ends
// early for a visitor whom only Go serves.
func SetMaxAge(s *session.Session, d time.Duration) error {
	return ChangeCookie(s, json.RawMessage(fmt.Sprintf(`{"maxAge":%d}`, d.Milliseconds())))
}

// ChangeCookie changes a session's cookie object: options has the members as the
// option cookie has them, {"path": "/admin", "maxAge": null}.
func ChangeCookie(s *session.Session, options json.RawMessage) error {
	c, err := NewCookie(nil, time.Now())
	if err == nil {
		err = c.assign(options, time.Now())
	}
	if err == nil {
		_, err = c.SetCookie("name", "v")
	}
	if err != nil {
		return err
	}
	cookieKey.Set(s, options)
	return s.Err()
}

// Unset is req.session = null. With UnsetDestroys the session is destroyed;
// without, it stays as it is and this response sends no cookie. Like Node, Unset
// does not report whether the end is durable: a handler that needs to know calls
// Session.Destroy.
func (p *Profile) Unset(ctx context.Context) error {
	s, err := session.From(ctx)
	if err != nil {
		return err
	}
	if v := p.visit(ctx); v != nil {
		v.gone = true
	}
	if p.UnsetDestroys {
		_, err = s.Destroy(ctx)
		return err
	}
	if s.ID() == "" && p.SaveUninitialized {
		cookieKey.Delete(s)
		return s.Err()
	}
	return nil
}

// Regenerate is req.session.regenerate: the session ends, and a new one without
// values takes its place.
func (p *Profile) Regenerate(ctx context.Context) (*session.Session, error) {
	s, err := session.StartNew(ctx)
	if err == nil && p.SaveUninitialized {
		cookieKey.Set(s, json.RawMessage("{}"))
		err = s.Err()
	}
	return s, err
}
