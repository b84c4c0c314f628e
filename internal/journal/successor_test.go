package journal

import (
	"slices"
	"testing"

	"github.com/holdfast-go/session/internal/state"
)

// A tombstone that names a successor, in the store or in a log, ends the successor too if
// another writer took the session for live.
func TestTheSuccessorThatADeathNamesEndsOnce(t *testing.T) {
	renewed := Stored("a", death(5, 1, state.Renewed).Follow(id32('b')))
	renewedElsewhere := Stored("a", death(7, 2, state.Renewed).Follow(id32('c')))
	logout := Stored("a", death(7, 2, state.Destroyed))
	ended := Stored("a", logout.Death.Follow(id32('b')))
	for _, test := range []struct {
		name  string
		known func(j *Journal)
		comes Tombstone
		ends  []string
	}{
		{"of a session that is not known", func(*Journal) {}, ended, []string{id32('b')}},
		{"of a session of which a copy waits", func(j *Journal) { j.add("A", copyOf("a", 4, "v")) }, ended, []string{id32('b')}},
		{"of a Renew by another writer", func(j *Journal) { j.enter(logout) }, renewed, []string{id32('b')}},
		{"of a Renew that another writer meets", func(j *Journal) { j.enter(renewed) }, logout, []string{id32('b')}},
		{"of each of two Renews", func(j *Journal) { j.enter(renewed) }, renewedElsewhere, []string{id32('b'), id32('c')}},
		{"not of one Renew that is met again", func(j *Journal) { j.enter(renewed) }, renewed, nil},
		{"nor where only now its name is heard", func(j *Journal) { j.enter(Stored("a", death(5, 1, state.Renewed))) }, renewed, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := New(plenty, plenty)
			test.known(j)
			if got := j.enter(test.comes).AlsoEnd; !slices.Equal(got, test.ends) {
				t.Errorf("also ends %v, want %v", got, test.ends)
			}
			if got := j.enter(test.comes).AlsoEnd; len(got) > 0 {
				t.Errorf("the second time it also ends %v", got)
			}
		})
	}
}
