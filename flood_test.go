package session_test

import (
	"flag"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/sessiontest"
)

var strangers = flag.Int("strangers", 10_000, "how many sessions strangers begin and end in TestStrangersDisplaceNobody; docs/RELIABILITY.md has the figures of 200,000")

// flood is an outage in which strangers begin sessions and end them.
type flood struct {
	*site
	limit   int // of the journal
	most    int // bytes in it
	refused int // answers to strangers that were not 200
}

// come lets so many strangers begin a session and end it.
func (f *flood) come(n int) {
	for i := range n {
		v := sessiontest.NewVisitor(f.T, f.a)
		began := f.serve(f.a, v, func(x *session.Session) { color.Set(x, "grey") })
		ended := f.serve(f.a, v, func(x *session.Session) { _, _ = x.Destroy(f.Context()) })
		if began != http.StatusOK || ended != http.StatusOK {
			f.refused++
		}
		if i%100 == 0 {
			time.Sleep(10 * time.Millisecond)
			f.most = max(f.most, f.a.Stats().Journal.Bytes)
		}
	}
}

// Strangers who begin and end more sessions in an outage than the journal has room for
// displace nothing of real visitors, who logged in before: these still log out, and
// what they wrote is in the store when it is back, although none of them returns.
func TestStrangersDisplaceNobody(t *testing.T) {
	n := *strangers
	if testing.Short() {
		n = min(n, 4_000)
	}
	const whole, atMost = 64 << 20, 200_000 // the default journal, and strangers who are too many for it
	o := session.Options{Backup: &session.Backup{Journal: n * (whole / atMost)}}
	testSite(t, o, func(s *site) {
		f := &flood{site: s, limit: o.Backup.Journal}
		regulars := make([]*sessiontest.Visitor, n/20)
		for i := range regulars {
			regulars[i] = s.visitor()
			s.logIn(s.a, regulars[i], "red")
		}
		s.after(forgotten)
		s.store.Fail(errRefused)

		for i, v := range regulars {
			if status := s.serve(s.a, v, func(x *session.Session) { food.Set(x, name(i)) }); status != http.StatusOK {
				t.Fatalf("a write in the outage: %d", status)
			}
		}
		f.come(n / 10) // fewer than what has to go in the end: nothing goes only because it is old
		out := map[int]session.ID{}
		for i := 0; i < len(regulars); i += 4 {
			s.serve(s.a, regulars[i], func(x *session.Session) {
				id := x.ID()
				if d, err := x.Destroy(s.Context()); d != session.Pending || err != nil {
					t.Errorf("the logout of visitor %d: %v, %v, want pending", i, d, err)
				}
				out[i] = id
			})
		}
		f.come(n - n/10)
		st := s.a.Stats().Journal
		t.Logf("%d strangers, %d of them refused; the journal took up %d KB at most, of %d KB; it holds %d sessions and %d tombstones, and has dropped %d entries",
			n, f.refused, f.most>>10, f.limit>>10, st.States, st.Tombstones, st.Lost)
		if f.most > f.limit {
			t.Errorf("the journal took up %d bytes, of %d", f.most, f.limit)
		}
		if st.Lost == 0 {
			t.Error("the journal dropped nothing: there were too few strangers")
		}

		s.store.Heal()
		s.after(time.Minute)
		if left := s.a.Stats().Journal; left.States+left.Tombstones > 0 {
			t.Errorf("the journal still holds %d sessions and %d tombstones", left.States, left.Tombstones)
		}
		missing, alive := 0, 0
		for i, v := range regulars {
			id, loggedOut := out[i]
			if loggedOut && !s.dead(id) {
				alive++
			}
			if !loggedOut && s.holds(s.b, tokenOnly(t, s.b, v)) != "red/"+name(i) {
				missing++
			}
		}
		if missing > 0 || alive > 0 {
			t.Errorf("of %d visitors %d lost what they wrote, and %d of %d logouts are no tombstones", len(regulars), missing, alive, len(out))
		}
	})
}

// dead reports whether a tombstone of a session stands in the store.
func (s *site) dead(id session.ID) bool {
	r, err := s.store.Load(s.Context(), id)
	if err != nil {
		return false
	}
	st, err := state.Decode(r.Data)
	return err == nil && st.Dead()
}
