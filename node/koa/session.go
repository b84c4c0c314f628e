package koa

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

// SessionKey is the default name of koa-session's cookie; before version 6 it
// was "koa:sess".
const SessionKey = "koa.sess"

// maxValue is the longest value of a cookie that is decoded. Node's servers
// take headers of 16 KB, all cookies together; browsers keep 4096 bytes of a
// cookie.
const maxValue = 16 << 10

const (
	day = 24 * time.Hour
	// grace is how much longer than its cookie a session is in a store.
	grace = 10 * time.Second
)

// ErrInvalid is the error for a text that holds no session.
var ErrInvalid = errors.New("koa: this is no session")

// Session is a session of koa-session. It is not safe for concurrent use.
type Session struct {
	// Fields are the application's. Names that begin with "_" and isNew are
	// not saved.
	Fields *fields.Fields

	// MaxAge is the option, or the time that the session was saved with. 0 means a day,
	// with a cookie until the browser is closed.
	MaxAge time.Duration

	// UntilClosed is the maxAge "session": the session ends with the browser.
	UntilClosed bool

	expire float64 // of the text that was parsed, in milliseconds
	ends   bool
	loaded []byte // the fields as they were; nil in a new session
}

// hidden are names that a session object in JavaScript has already, and that
// cannot be fields.
var hidden = []string{"isNew", "maxAge", "length", "populated", "externalKey", "constructor", "__proto__"}

// NewSession returns a session without fields.
func NewSession(maxAge time.Duration, untilClosed bool) *Session {
	return &Session{Fields: new(fields.Fields), MaxAge: maxAge, UntilClosed: untilClosed}
}

// DecodeSession reads the value of a cookie whose signature is right, where no
// store is used.
func DecodeSession(value string) (*Session, error) {
	if len(value) > maxValue {
		return nil, ErrInvalid
	}
	return ParseSession(js.UTF8(js.Base64(value)))
}

// ParseSession reads the JSON in a store. [Session.Expired] reports whether the session
// is over.
func ParseSession(stored []byte) (*Session, error) {
	f, err := fields.Parse(stored)
	if err != nil {
		return nil, ErrInvalid
	}
	s := &Session{Fields: f}
	for _, name := range f.Names() {
		value, _ := f.Get(name)
		n, number := js.Number(value)
		switch {
		case name == "_expire":
			s.expire, s.ends = n, number
		case name == "_maxAge" && number:
			s.MaxAge, s.UntilClosed = milliseconds(n), false
		case name == "_session":
			s.MaxAge, s.UntilClosed = 0, true
		case !strings.HasPrefix(name, "_") && !slices.Contains(hidden, name):
			continue
		}
		f.Delete(name)
	}
	s.loaded = f.Append(nil)
	return s, nil
}

func milliseconds(ms float64) time.Duration {
	const most = float64(1<<63-1) / float64(time.Millisecond)
	return time.Duration(min(max(ms, -most), most-1) * float64(time.Millisecond))
}

// Replace makes other fields the session's, as the assignment of an object
// does. Its id stays.
func (s *Session) Replace(f *fields.Fields) { s.Fields, s.ends = f, false }

// New reports whether the session was neither in the cookie nor in the store.
func (s *Session) New() bool { return s.loaded == nil }

// Expired reports whether the session is over. A session that does not say when it
// ends is never over.
func (s *Session) Expired(now time.Time) bool {
	return s.ends && s.expire < float64(now.UnixMilli())
}

// Reason says why a session is to be saved.
type Reason string

// The reasons.
const (
	Unchanged Reason = "" // it is not
	Changed   Reason = "changed"
	Rolling   Reason = "rolling"
	Renew     Reason = "renew" // less than half of its time is left
)

// Due returns why a session that a request used is to be saved at its end, with
// the options rolling and renew.
func (s *Session) Due(rolling, renew bool, now time.Time) Reason {
	switch {
	case s.New() && len(s.data()) == len("{}"):
		return Unchanged
	case string(s.loaded) != string(s.data()):
		return Changed
	case rolling:
		return Rolling
	case renew && s.ends && s.MaxAge != 0 && s.expire-float64(now.UnixMilli()) < float64(s.MaxAge.Milliseconds())/2:
		return Renew
	}
	return Unchanged
}

// data returns the fields that are saved.
func (s *Session) data() []byte { return s.saved().Append(nil) }

func (s *Session) saved() *fields.Fields {
	f := s.Fields
	for _, name := range f.Names() {
		if strings.HasPrefix(name, "_") || name == "isNew" {
			if f == s.Fields {
				f = f.Clone()
			}
			f.Delete(name)
		}
	}
	return f
}

// Bytes returns what is stored of the session from now on.
func (s *Session) Bytes(now time.Time) []byte {
	f := s.saved().Clone()
	add := func(name string, value json.RawMessage) { _ = f.Set(name, value) } // numbers and true
	if s.UntilClosed {
		add("_session", json.RawMessage("true"))
		return f.Append(nil)
	}
	maxAge := float64(s.maxAge()) / float64(time.Millisecond)
	add("_expire", js.FormatNumber(maxAge+float64(now.UnixMilli())))
	add("_maxAge", js.FormatNumber(maxAge))
	return f.Append(nil)
}

// Encode returns the value of the session's cookie from now on, where no store
// is used.
func (s *Session) Encode(now time.Time) string {
	return base64.StdEncoding.EncodeToString(s.Bytes(now))
}

// StoreTTL returns for how long a store is to keep the session: ten seconds longer than
// its cookie lives. It returns false where the store is given the word "session" in
// place of a time.
func (s *Session) StoreTTL() (time.Duration, bool) {
	if s.UntilClosed {
		return 0, false
	}
	return s.maxAge() + grace, true
}

func (s *Session) maxAge() time.Duration {
	if s.MaxAge == 0 {
		return day
	}
	return s.MaxAge
}
