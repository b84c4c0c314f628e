package simulation

import (
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// login has the browser, whose session one user has, log in as another, which makes a session
// of that one.
func (t *tale) login(from, made session.ID, before, user string, stay session.Stay) {
	q := t.ask(1, SignIn, userKey, 0)
	q.Token, q.NewToken = from, made
	q.User, q.Stay = user, stay
	t.load(q, 1)
	t.save(q, 1, made, 0, false, 1)
	t.answer(q, "store a=1", "", "one")
	q.Answer.User = before
}

// showsLater has a thief see the session of a user after a time.
func (t *tale) showsLater(after time.Duration, id session.ID, user string) {
	t.at += after
	q := t.steal(1, id, Read)
	t.answer(q, "store", "", "")
	q.Answer.User = user
}

// How long a session lasts is what its logins have said.
func TestTheOracleKnowsHowLongALoginLasts(t *testing.T) {
	const second, third = session.ID("S2"), session.ID("S3")
	short := session.Stay{Lifetime: 10 * time.Minute, Idle: time.Minute}
	long := session.Stay{Lifetime: 3 * time.Hour, Idle: 2 * time.Hour, Persistent: true}
	closed := func(t *tale, id session.ID, gone bool) {
		t.at += time.Minute
		t.event(Event{Kind: Closed, Session: id, Gone: gone})
	}
	judged(t, []story{
		{"a short idle timeout, and a tenth more", func(t *tale) {
			t.login(s1, second, "", "ann", short)
			t.showsLater(64*time.Second, second, "ann")
		}, ""},
		{"longer unused than its own idle timeout", func(t *tale) {
			t.login(s1, second, "", "ann", short)
			t.showsLater(70*time.Second, second, "ann")
		}, "f: too old"},
		{"in use, and older than its own lifetime", func(t *tale) {
			t.login(s1, second, "", "ann", short)
			for range 12 {
				t.showsLater(55*time.Second, second, "ann")
			}
		}, "f: too old"},
		{"longer than others last", func(t *tale) {
			t.login(s1, second, "", "ann", long)
			t.showsLater(110*time.Minute, second, "ann")
		}, ""},
		{"another login of the user keeps it", func(t *tale) {
			t.login(s1, second, "", "ann", short)
			t.login(second, third, "ann", "ann", session.Stay{})
			t.showsLater(70*time.Second, third, "ann")
		}, "f: too old"},
		{"the login of another user does not", func(t *tale) {
			t.login(s1, second, "", "ann", short)
			t.login(second, third, "ann", "bob", session.Stay{})
			t.showsLater(70*time.Second, third, "bob")
		}, ""},
		{"a closed browser forgets a session", func(t *tale) {
			closed(t, s1, true)
		}, ""},
		{"a closed browser keeps a session of which nobody has said that", func(t *tale) {
			closed(t, s1, false)
		}, "f: too old"},
		{"a closed browser keeps a persistent session", func(t *tale) {
			t.login(s1, second, "", "ann", long)
			closed(t, second, false)
		}, ""},
		{"a closed browser forgets a persistent session", func(t *tale) {
			t.login(s1, second, "", "ann", long)
			closed(t, second, true)
		}, "b: logged out"},
		{"a closed browser forgets a persistent session that is over", func(t *tale) {
			t.login(s1, second, "", "ann", long)
			t.at += 4 * time.Hour
			closed(t, second, true)
		}, ""},
	})
}

// An administrator revokes the user at B just after a RevokeOthers at A, which is cut off.
func TestTheOracleKnowsWhatClocksCannotOrder(t *testing.T) {
	const second, third = session.ID("S2"), session.ID("S3")
	revokedTwice := func(ahead, later time.Duration) func(*tale) {
		return func(t *tale) {
			t.h.Skews = []time.Duration{ahead, 0}
			t.login(s1, second, "", "ann", session.Stay{})
			t.link(1, false)
			q := t.ask(1, EndOthers, 0, 0, "one")
			q.Token, q.NewToken = second, third
			t.answer(q, "backup a=1", "two", "two")
			q.Answer.User, q.Answer.Durability = "ann", "pending"
			t.at += later
			all := t.ask(2, EndAll, 0, 0)
			all.Token, all.User = "", "ann"
			all.Browser = -1
			t.answer(all, "nowhere", "")
			all.Answer.Durability = "durable"
			t.at += 5 * time.Second
			r := t.ask(2, Read, 0, 0, "two")
			r.Token = third
			t.answer(r, "backup a=1", "", "two")
			r.Answer.User = "ann"
		}
	}
	judged(t, []story{
		{"no further apart than the clocks", revokedTwice(5*time.Second, 2*time.Second), ""},
		{"further apart", revokedTwice(5*time.Second, 9*time.Second), "h: outlives the revocation"},
		{"by clocks that agree", revokedTwice(0, 2*time.Second), "h: outlives the revocation"},
	})
}
