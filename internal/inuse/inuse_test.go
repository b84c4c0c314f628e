package inuse

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/record"
)

func at(second int) time.Time { return time.Unix(int64(second), 0) }

func TestWhatIsNeeded(t *testing.T) {
	var s Sessions
	var old, young Use
	s.Enter(&old, "a", at(10))
	s.Enter(&young, "a", at(20))
	wants := func(id string, second int, want bool) {
		t.Helper()
		if got := s.Needs(id, at(second)); got != want {
			t.Errorf("what became known of %s at %d s is needed: %v, want %v", id, second, got, want)
		}
	}
	wants("a", 9, false)
	wants("a", 10, true) // the store may have answered before
	wants("b", 99, false)
	s.Enter(&old, "a", at(30)) // it has saved, and knows all that was known then
	wants("a", 19, false)
	wants("a", 20, true)
	s.Leave(&young)
	wants("a", 29, false)
	s.Enter(&old, "b", at(40)) // under another ID
	wants("a", 99, false)
	wants("b", 40, true)
	if since := old.ForgottenSince(); !since.IsZero() {
		t.Errorf("what is in use is forgotten since %v", since)
	}
	s.Leave(&old)
	s.Leave(&old)
	wants("b", 99, false)
	if since := old.ForgottenSince(); !since.Equal(at(40)) {
		t.Errorf("what is in use no more is forgotten since %v", since)
	}
	if s.Len() != 0 {
		t.Errorf("%d sessions are in use", s.Len())
	}
	old.Read(at(50))
	if since := old.ForgottenSince(); !since.Equal(at(50)) || s.Len() != 0 {
		t.Errorf("a request that nobody ends: forgotten since %v, %d in use", since, s.Len())
	}
}

func TestWhatIsForgotten(t *testing.T) {
	var s Sessions
	var old, young, other Use
	s.Enter(&old, "a", at(10))
	s.Enter(&young, "a", at(20))
	s.Enter(&other, "b", at(10))
	wants := func(what string, u *Use, want bool) {
		t.Helper()
		if got := s.Lost(u); got != want {
			t.Errorf("%s: lost %v, want %v", what, got, want)
		}
	}
	s.Forget("a", at(9))
	wants("it knew that", &old, false)
	s.Forget("a", at(15))
	s.Forget("c", at(99))
	wants("it does not know that", &old, true)
	wants("the younger knows it", &young, false)
	wants("another session", &other, false)
	s.Forget("a", at(9))
	wants("and so it stays", &old, true)
	s.Leave(&old)
	wants("also when the request is over", &old, true)
	old.Read(at(30))
	wants("until it has read the session again", &old, false)
	s.Forget("a", at(20)) // the store may have answered before
	wants("at the time when it read", &young, true)
	s.Enter(&young, "a", at(40))
	wants("until it has read the session again, too", &young, false)
}

func TestWhatIsNews(t *testing.T) {
	var s Sessions
	one := record.Version{1}
	two := record.Version{2}
	three := record.Version{3}
	wants := func(what string, v record.Version, want bool) {
		t.Helper()
		if got := s.News("a", v); got != want {
			t.Errorf("%s: news %v, want %v", what, got, want)
		}
	}
	var first, second Use
	wants("nobody uses it", one, false)
	s.Enter(&first, "a", at(1))
	wants("the only one is told", one, false)
	s.Enter(&second, "a", at(2))
	wants("both know it", one, false)
	wants("the first knows an older one", two, true)
	wants("and was told", two, false)
	s.Leave(&second)
	wants("one that nobody ends reads it", three, true)
	wants("and it is known", three, false)
	s.Enter(&second, "a", at(3))
	s.Leave(&first)
	wants("the one that stays knows it", three, false)
	s.Leave(&second)
	s.Enter(&first, "a", at(6))
	wants("the only one is told once more", one, false)
	s.Enter(&second, "a", at(7))
	s.Leave(&first)
	wants("the one that stays may know what the other was told", two, true)
	s.Leave(&second)
	s.Enter(&first, "a", at(4))
	s.Enter(&second, "a", at(5))
	wants("what the others read is not known", three, true)
}

// Beside the plainest form of the same.
func TestSessionsAreAsTheirModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var s Sessions
	ids := []string{"a", "b", "c"}
	uses := make([]Use, 6)
	type use struct {
		id   string
		read int
	}
	model := make([]use, len(uses))
	for step := range 20_000 {
		n := r.IntN(len(uses))
		if r.IntN(3) == 0 {
			s.Leave(&uses[n])
			model[n] = use{}
		} else {
			id, read := ids[r.IntN(len(ids))], r.IntN(20)
			s.Enter(&uses[n], id, at(read))
			model[n] = use{id, read}
		}
		inUse := map[string]bool{}
		for _, id := range ids {
			when, want := r.IntN(20), false
			for _, u := range model {
				if u.id == id {
					inUse[id] = true
					want = want || u.read <= when
				}
			}
			if got := s.Needs(id, at(when)); got != want {
				t.Fatalf("step %d: Needs(%s, %d) = %v, want %v", step, id, when, got, want)
			}
		}
		if s.Len() != len(inUse) {
			t.Fatalf("step %d: %d in use, want %d", step, s.Len(), len(inUse))
		}
	}
}

func TestAUseAllocatesNothing(t *testing.T) {
	var s Sessions
	u := new(Use)
	if n := testing.AllocsPerRun(1000, func() {
		s.Enter(u, "a", at(1))
		s.News("a", record.Version{1})
		s.Leave(u)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
