package revoke

import (
	"strings"
	"testing"
)

func TestNoThiefEscapesTheLogout(t *testing.T) {
	for _, c := range []struct {
		without string
		p       Sentences
		escapes bool
	}{
		{"nothing", Sentences{true, true, true, true, true}, false},
		{"the whole line", Sentences{false, true, true, true, true}, true},
		{"the successor in the log", Sentences{true, false, true, true, true}, true},
		{"reading before writing", Sentences{true, true, false, true, true}, true},
		{"the quarantine", Sentences{true, true, true, false, true}, true},
		{"the log before the answer", Sentences{true, true, true, true, false}, true},
	} {
		t.Run("without "+c.without, func(t *testing.T) {
			states, bad, shortest := c.p.Search()
			t.Logf("%d states, %d bad; %s", states, bad, strings.Join(shortest, " -> "))
			if escapes := bad > 0; escapes != c.escapes {
				t.Errorf("a thief escapes: got %v, want %v", escapes, c.escapes)
			}
		})
	}
}
