package gorillabridge

import (
	"errors"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"weak"

	"github.com/gorilla/sessions"

	"github.com/holdfast-go/session"
)

// Options say how a Store works. The zero value of each is its default.
type Options struct {
	// Ends are the names whose deletion is the visitor's logout: where a handler
	// saves one of them with a MaxAge below zero, the whole session ends, on every
	// instance and for all names, as by session.Session.Destroy. The deletion of any
	// other name deletes its values alone. Leave out the name that gothic uses, which
	// it deletes at the end of each login.
	Ends []string

	// Key returns options for the key that holds the values of a name, such as
	// session.Rank. Nil means none.
	Key func(name string) []session.KeyOption
}

// Store is a sessions.Store whose sessions a Manager keeps. Any number of goroutines
// may use it; as with gorilla, a sessions.Session belongs to one at a time.
type Store struct {
	sessions *session.Manager
	options  Options
	returned sync.Map // weak.Pointer[sessions.Session] to the entries that New returned or Save saved
}

var _ sessions.Store = (*Store)(nil)

// New returns a Store for the requests that come through Handler of m. Nil Options
// are the defaults.
func New(m *session.Manager, o *Options) *Store {
	s := &Store{sessions: m}
	if o != nil {
		s.options = *o
	}
	return s
}

// Get returns the session of that name: the same one for all calls of a request. Its
// errors are those of New, and that of a name which no cookie could have.
func (s *Store) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New returns the session of that name as it is stored, with the changes that this
// request has saved. It is never nil. It is empty, with an error that wraps
// session.ErrUnavailable, where it is unknown what the visitor's session holds; the
// response is that error then, and a Save fails with it. Where single values do not
// decode, because their type is not registered any more for example, New returns the
// others and an error; those values stay stored until the handler sets or deletes
// them. It panics where session.From does, and on a name that session.NewKey refuses.
func (s *Store) New(r *http.Request, name string) (*sessions.Session, error) {
	g := sessions.NewSession(s, name)
	g.Options = &sessions.Options{Path: "/", HttpOnly: true}
	g.IsNew = true
	v, _ := s.sessions.From(r.Context())
	g.ID = string(v.ID())
	stored, err := s.load(v, name)
	switch {
	case errors.Is(err, session.ErrNoValue):
		s.remember(g, nil)
		return g, nil
	case err != nil:
		return g, err
	}
	g.IsNew = false
	err = stored.decode(g.Values)
	s.remember(g, stored)
	return g, err
}

// load returns what is stored under a name. Any error but ErrNoValue is the answer to
// the request as well, because a handler that ignores it would show an empty session
// as if it were the visitor's.
func (s *Store) load(v *session.Session, name string) (entries, error) {
	key := s.key(name)
	stored, err := key.Get(v)
	if err != nil {
		_ = key.Or(v, nil)
	}
	return stored, err
}

// Save changes the visitor's session by what differs in g from what New returned or
// the last Save saved. The Manager saves it before the first byte of the response. A g
// that another function than New has made replaces all values of its name. A g whose
// Options have a MaxAge below zero is deleted, see Options.Ends.
//
// Save fails where a value cannot be encoded, and changes nothing then; where the
// session is unknown or must not be written (session.ErrUnavailable, ErrReadOnly,
// ErrNoSession under Require); and with session.ErrTooLate where the session would
// begin after the response header was written. But for the first of these the error
// is also the answer to the request.
func (s *Store) Save(r *http.Request, _ http.ResponseWriter, g *sessions.Session) error {
	v, err := s.sessions.From(r.Context())
	if err != nil {
		_ = v.ID() // which makes the error the answer, as load does
		return err
	}
	if g.Options != nil && g.Options.MaxAge < 0 {
		return s.end(r, v, g)
	}
	now, err := encode(g.Values)
	if err != nil {
		return err
	}
	before, known := s.recall(g)
	changes := now.since(before)
	if !known {
		changes = change{replace: true, set: now}
	}
	if changes.none() {
		return nil
	}
	err = s.key(g.Name()).Update(v, func(e *entries) error { changes.apply(e); return nil })
	if err == nil {
		s.remember(g, now)
	}
	return err
}

// end deletes g, or the whole session.
func (s *Store) end(r *http.Request, v *session.Session, g *sessions.Session) error {
	s.remember(g, nil)
	if slices.Contains(s.options.Ends, g.Name()) {
		_, err := v.Destroy(r.Context())
		return err
	}
	s.key(g.Name()).Delete(v)
	return v.Err()
}

// key returns the key that holds the values of a name.
func (s *Store) key(name string) session.Key[entries] {
	options := []session.KeyOption{session.WithCodec(codec{})}
	if s.options.Key != nil {
		options = append(options, s.options.Key(name)...)
	}
	return session.NewKey[entries]("gorilla."+name, options...)
}

// remember notes what g held when it was returned or saved. gorilla's Session has no
// room for it, and the request that comes with Save may be another one than New had.
func (s *Store) remember(g *sessions.Session, e entries) {
	p := weak.Make(g)
	if _, again := s.returned.Swap(p, e); !again {
		runtime.AddCleanup(g, func(p weak.Pointer[sessions.Session]) { s.returned.Delete(p) }, p)
	}
}

// recall returns what remember has noted, and whether it has.
func (s *Store) recall(g *sessions.Session) (entries, bool) {
	e, ok := s.returned.Load(weak.Make(g))
	if !ok {
		return nil, false
	}
	return e.(entries), true
}
