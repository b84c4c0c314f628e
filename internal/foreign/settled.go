package foreign

import "github.com/holdfast-go/session/internal/state"

// Settled returns what an older copy still has to say beside a record that was
// just read from the store. saved is up to where the store had the copy's
// entries. What a Go program wrote is kept: where it is missing now, the other
// program has saved what it had read before. Of what that one wrote itself, the
// dots have no instance, and a record says less than ours:
//
//   - of two values with one dot the record's is the newer;
//   - it leaves nothing where it removes a value that we have not saved since;
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
