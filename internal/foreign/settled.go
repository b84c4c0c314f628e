package foreign

import "github.com/holdfast-go/session/internal/state"

// Settled returns the part of an older copy that still counts beside a record that
// was just read from the store. saved is the clock up to which the store has had the
// copy's entries. An entry that a Go program wrote counts: where the record lacks
// it, the other program has saved a session that it had read before. Entries that
// the other program wrote have no instance in their dots, and its records say less
// than ours:
//
//   - of two values with one dot the record's is the newer;
//   - a value that it removes leaves no entry, unless we have saved it since;
//   - it may have removed everything, our dots too, and then it meant to.
func Settled(old state.State, saved uint64, record state.State) state.State {
	if old.Dead() || record.Dead() {
		return old
	}
	cleared := record.Bare && saved > record.Entries.Latest()
	kept := make(state.Entries, 0, len(old.Entries))
	rest := record.Entries
	for l := old.Entries; len(l) > 0; {
		e, more, _ := l.Cut()
		l = more
		name := string(e.Name)
		rest = rest.From(name)
		now, _, ok := rest.Cut()
		ok = ok && string(now.Name) == name
		switch {
		case ok && now.Dot == e.Dot && now.Flags.Kind() != state.Withheld:
		case !ok && e.Dot.Instance == 0:
		case cleared && e.Dot.Clock <= saved:
		default:
			kept = append(kept, e.Raw...)
		}
	}
	old.Entries, old.Origin = kept, nil
	return old
}
