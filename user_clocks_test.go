package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// clocksApart is two instances whose clocks differ by a minute, which is what the library lets
// clocks differ by: x, where users log in, and y, where logins are revoked. The clocks of the
// other two instances are right.
type clocksApart struct {
	userSite
	x, y         *session.Manager
	linkX, linkY *storetest.Faulty
	skewX, skewY time.Duration
	cut          cutOff
	wrong        []string
}

// cutOff says which of the two do not reach the store while logins are revoked.
type cutOff struct{ x, y bool }

func (o cutOff) String() string {
	return map[cutOff]string{{}: "no outage", {x: true}: "x is cut off", {y: true}: "y is cut off", {x: true, y: true}: "both are cut off"}[o]
}

var (
	outages = []cutOff{{}, {x: true}, {y: true}, {x: true, y: true}}

	// skewsOfTwo are by how much the clocks of x and y are ahead.
	skewsOfTwo = [][2]time.Duration{
		{time.Minute, 0},
		{0, time.Minute},
		{-time.Minute, 0},
		{0, -time.Minute},
		{30 * time.Second, -30 * time.Second},
		{-30 * time.Second, 30 * time.Second},
	}
)

// whereClocksDiffer runs a story, and returns what is wrong at its end.
func whereClocksDiffer(t *testing.T, skew [2]time.Duration, o cutOff, story func(*clocksApart), without ...string) (wrong []string) {
	t.Helper()
	testUsers(t, session.Options{}, func(s userSite) {
		c := &clocksApart{userSite: s, skewX: skew[0], skewY: skew[1], cut: o}
		c.x, c.linkX = c.start(c.skewX, without)
		c.y, c.linkY = c.start(c.skewY, without)
		c.after(10 * time.Second)
		story(c)
		wrong = c.wrong
	})
	return wrong
}

func (c *clocksApart) start(skew time.Duration, without []string) (*session.Manager, *storetest.Faulty) {
	link := storetest.NewFaulty(c.store)
	m, err := session.Without(link, &session.Options{Backup: &session.Backup{Audience: "shop-test", Keys: c.keys}}, skew, without...)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		link.Heal()
		_ = m.Close(context.Background())
	})
	return m, link
}

// begins has the outage begin, and ends has it end and waits until all instances have heard of
// each other.
func (c *clocksApart) begins() {
	if c.cut.x {
		c.linkX.Fail(errRefused)
	}
	if c.cut.y {
		c.linkY.Fail(errRefused)
	}
}

func (c *clocksApart) ends() {
	c.linkX.Heal()
	c.linkY.Heal()
	c.after(10 * time.Second)
}

// everywhere notes where a visitor's session holds something else at an instance.
func (c *clocksApart) everywhere(who string, v *sessiontest.Visitor, want string) {
	for at, m := range map[string]*session.Manager{"x": c.x, "y": c.y, "a": c.a} {
		if got := c.holds(m, v); got != want {
			c.wrong = append(c.wrong, fmt.Sprintf("%s holds %s at %s, want %s", who, got, at, want))
		}
	}
}

// thieves returns copies of a visitor's cookies: one that was renewed and one that was rotated at
// an instance, and one as it is.
func (c *clocksApart) thieves(m *session.Manager, v *sessiontest.Visitor) map[string]*sessiontest.Visitor {
	renewed, rotated, idle := c.copyOf(v), c.copyOf(v), c.copyOf(v)
	c.renews(m, renewed)
	c.serve(m, rotated, (*session.Session).Rotate)
	return map[string]*sessiontest.Visitor{"the thief who has renewed": renewed, "the thief who has rotated": rotated, "the thief": idle}
}

// revokedWith checks how far a revocation by y has come, without the clocks.
func (c *clocksApart) revokedWith(what string, d session.Durability, err error) {
	c.Helper()
	want := session.Durable
	if c.cut.y {
		want = session.Pending
	}
	if d != want || err != nil {
		c.Errorf("%s: %v, %v, want %v", what, d, err, want)
	}
}

// usersAreRevoked: RevokeUser at y in the moment of logins at x, all at one time.
func usersAreRevoked(c *clocksApart) {
	before := c.logsIn(c.x, "ann")
	c.begins()
	during := c.logsIn(c.x, "ann")
	all := c.thieves(c.x, during)
	underWay := sessiontest.NewVisitor(c.T, c.x)
	c.serve(c.x, underWay, func(s *session.Session) {
		s.SetUser("ann")
		color.Set(s, "red")
		d, err := c.y.RevokeUser(c.Context(), "ann")
		c.revokedWith("RevokeUser", d, err)
	})
	for who, v := range c.thieves(c.x, before) { // x may not have heard
		all[who+", since"] = v
	}
	c.after(time.Second)
	again := c.logsIn(c.y, "ann") // which knows of it
	c.ends()
	all["the login of before"], all["the login in that moment"], all["the login under way"] = before, during, underWay
	for who, v := range all {
		c.everywhere(who, v, "-")
	}
	c.everywhere("the next login", again, "red/")
	c.everywhere("a login elsewhere", c.logsIn(c.x, "ann"), "red/")
	c.everywhere("a third", c.logsIn(c.b, "ann"), "red/")
	c.revoke(c.x, "ann", session.Durable)
	c.after(2 * time.Second)
	c.everywhere("who logged in again, after another revocation,", again, "-")
}

// loginsCountAgain: a login right after a revocation counts at an instance that reaches the
// store, and at one that has not heard a minute later by the clock that has revoked.
func loginsCountAgain(c *clocksApart) {
	c.begins()
	d, err := c.y.RevokeUser(c.Context(), "ann")
	c.revokedWith("RevokeUser", d, err)
	soon := c.logsIn(c.x, "ann")
	wait := max(0, time.Minute+c.skewY-c.skewX)
	c.after(wait + 2*time.Millisecond)
	later := c.logsIn(c.x, "ann")
	c.ends()
	c.everywhere("the login after the minute", later, "red/")
	if c.cut == (cutOff{}) {
		c.everywhere("the login right after", soon, "red/")
	}
}

// othersAreRevoked: RevokeOthers at y, of a visitor who has logged in at x in that moment, as
// others do.
func othersAreRevoked(c *clocksApart) {
	before := c.logsIn(c.x, "ann")
	c.begins()
	v, phone := c.logsIn(c.x, "ann"), c.logsIn(c.x, "ann")
	thief, late := c.copyOf(v), c.copyOf(phone)
	c.serve(c.y, v, func(s *session.Session) {
		d, err := s.RevokeOthers(c.Context())
		if !c.cut.x { // else y does not know the session but by its copy
			c.revokedWith("RevokeOthers", d, err)
		} else if err != nil {
			c.Errorf("RevokeOthers: %v, %v", d, err)
		}
	})
	c.serve(c.x, thief, func(s *session.Session) { _ = s.User() }) // by a Renew of the same session it would end the visitor's
	c.serve(c.x, late, (*session.Session).Renew)
	c.ends()
	c.everywhere("the visitor who has asked", v, "red/")
	for who, v := range map[string]*sessiontest.Visitor{"the login of before": before, "the phone": phone, "the thief": thief, "the phone's thief, who has renewed,": late} {
		c.everywhere(who, v, "-")
	}
	c.serve(c.x, v, func(s *session.Session) {
		if d, err := s.RevokeOthers(c.Context()); d != session.Durable || err != nil {
			c.wrong = append(c.wrong, fmt.Sprintf("RevokeOthers once more: %v, %v", d, err))
		}
	})
	c.after(2 * time.Second)
	c.everywhere("the visitor who has asked twice", v, "red/")
	c.revoke(c.y, "ann", session.Durable)
	c.after(2 * time.Second)
	c.everywhere("the visitor, after RevokeUser,", v, "-")
}

// everybodyIsRevoked: RevokeBefore at y of the time of logins at x, by the clock of x.
func everybodyIsRevoked(c *clocksApart) {
	before := c.logsIn(c.x, "ann")
	c.begins()
	during := c.logsIn(c.x, "bob")
	anonymous := sessiontest.NewVisitor(c.T, c.x)
	c.serve(c.x, anonymous, func(s *session.Session) { color.Set(s, "red") })
	all := c.thieves(c.x, during)
	t := time.Now().Add(c.skewX)
	d, err := c.y.RevokeBefore(c.Context(), t)
	c.revokedWith("RevokeBefore", d, err)
	again := c.logsIn(c.y, "ann") // which knows of it
	for who, v := range c.thieves(c.x, before) {
		all[who+", since"] = v
	}
	c.after(time.Millisecond)
	later := c.logsIn(c.x, "bob") // at a later time, by the same clock
	c.ends()
	all["the login of before"], all["the login in that moment"], all["the anonymous visitor"] = before, during, anonymous
	for who, v := range all {
		c.everywhere(who, v, "-")
	}
	c.everywhere("the next login", again, "red/")
	c.everywhere("a login a millisecond later", later, "red/")
	c.everywhere("a login elsewhere", c.logsIn(c.x, "bob"), "red/")
}

var storiesOfClocks = map[string]func(*clocksApart){
	"RevokeUser":               usersAreRevoked,
	"a login after RevokeUser": loginsCountAgain,
	"RevokeOthers":             othersAreRevoked,
	"RevokeBefore":             everybodyIsRevoked,
}

// Clocks of instances may differ by a minute, in both directions, in an outage and out of one.
func TestLoginsAreRevokedWhereClocksDifferByAMinute(t *testing.T) {
	for name, story := range storiesOfClocks {
		for _, skew := range skewsOfTwo {
			for _, o := range outages {
				t.Run(fmt.Sprintf("%s, x is %v ahead and y %v, %v", name, skew[0], skew[1], o), func(t *testing.T) {
					for _, wrong := range whereClocksDiffer(t, skew, o, story) {
						t.Error(wrong)
					}
				})
			}
		}
	}
}

// The stories show what goes wrong.
func TestClocksThatDifferNeedWhatARevocationAdds(t *testing.T) {
	for _, test := range []struct {
		without, story, wrong string
		skew                  [2]time.Duration
	}{
		{"ahead", "RevokeUser", "the thief who has renewed holds red/", [2]time.Duration{time.Minute, 0}},
		{"ahead", "RevokeOthers", "the phone's thief, who has renewed, holds red/", [2]time.Duration{0, -time.Minute}},
		{"login loads", "a login after RevokeUser", "the login right after holds -", [2]time.Duration{0, time.Minute}},
		{"users", "RevokeBefore", "the thief who has renewed holds red/", [2]time.Duration{0, time.Minute}},
	} {
		wrong := whereClocksDiffer(t, test.skew, cutOff{}, storiesOfClocks[test.story], test.without)
		if !strings.Contains(strings.Join(wrong, "\n"), test.wrong) {
			t.Errorf("%s without %q: %q, want that %s", test.story, test.without, wrong, test.wrong)
		}
	}
}
