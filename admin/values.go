package admin

import (
	"encoding/json"

	"github.com/holdfast-go/session"
)

// Value is a value of sessions that the page shows to operators.
type Value struct {
	name string
	in   func(*session.View) (any, error)
}

// ValueOf returns the Value of a key, for Options.Values. Mark only what every operator may
// read. It is shown as encoding/json writes it, whatever the key's codec.
func ValueOf[T any](k session.Key[T]) Value {
	return Value{k.Name(), func(v *session.View) (any, error) { return k.In(v) }}
}

// show returns a session with the values that are marked and can be read.
func show(v *session.View, marked []Value) Session {
	s := Session{
		ID: v.ID, User: v.User, LoggedIn: v.LoggedIn.UTC(), Began: v.Began.UTC(), Renewed: v.Renewed.UTC(),
		Seen: v.Seen.UTC(), Expires: v.Expires.UTC(), Incomplete: v.Incomplete, Names: v.Names(),
	}
	if s.Names == nil {
		s.Names = []string{} // [] and not null
	}
	for _, m := range marked {
		value, err := m.in(v)
		if err != nil {
			continue // the name is there, and that is all that is known
		}
		text, err := json.Marshal(value)
		if err != nil {
			continue
		}
		if s.Values == nil {
			s.Values = map[string]json.RawMessage{}
		}
		s.Values[m.name] = text
	}
	return s
}
