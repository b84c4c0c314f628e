package journal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

func TestWhatTheStoreHasIsKeptCompactly(t *testing.T) {
	conflict := Stored(id32('c'), death(5, 1, state.Revoked))
	conflict.Conflict = true
	line := Stored(id32('d'), death(5, 1, state.Destroyed))
	line.EndsSuccessors = true
	anonymous := death(5, 1, state.Destroyed)
	anonymous.Anonymous = true
	rotated := death(5, 1, state.Rotated)
	rotated.Link = state.BareLink(id32('e'))
	heard := Stored(id32('f'), death(5, 1, state.Destroyed))
	heard.From = 7
	for name, g := range map[string]Tombstone{
		"a logout":                        Stored(id32('a'), death(5, 1, state.Destroyed)),
		"of another system's ID":          Stored("connect.sid:1", death(5, 1, state.Destroyed)),
		"of a made-up token":              Unseen(id32('a'), death(5, 1, state.Destroyed)),
		"of a session without a user":     Stored(id32('a'), anonymous),
		"by two writers":                  conflict,
		"with its line":                   line,
		"by a Renew":                      Stored(id32('a'), death(5, 1, state.Renewed).Follow(id32('b'))),
		"by a rotation":                   Stored(id32('a'), rotated),
		"from the log of another process": heard,
	} {
		t.Run(name, func(t *testing.T) {
			j := New(plenty, plenty)
			if a := j.enter(g); !a.News || a.Tombstone != g {
				t.Errorf("added %+v", a)
			}
			if got, ok := j.Tombstone(g.ID); !ok || got != g {
				t.Errorf("got %+v, %v, want %+v", got, ok, g)
			}
			if a := j.enter(g); a.News || len(a.AlsoEnd) > 0 {
				t.Errorf("the second time it is %+v", a)
			}
			if got := j.Total(); got.Bytes != 0 || got.Known != 1 || got.SetBytes == 0 {
				t.Errorf("it takes up %+v", got)
			}
		})
	}
}

// For a few seconds a link leads on: the token that was rotated still opens the session.
func TestALinkStaysForItsGrace(t *testing.T) {
	j := New(plenty, plenty)
	at := time.Unix(1_000_000, 0)
	d := state.Death{Dot: state.Dot{Clock: 5, Instance: 1}, Reason: state.Rotated}
	d.Link = state.NewLink(d.Dot, at, [state.LinkRandom]byte{1}, id32('b'))
	if _, err := j.AddTombstone("A", Stored(id32('a'), d), at, nothing, loses); err != nil {
		t.Fatal(err)
	}
	if got, _ := j.Tombstone(id32('a')); got.Death != d {
		t.Errorf("the link is %x", got.Death.Link)
	}
	hearOther := func(at time.Time) {
		t.Helper()
		if _, err := j.AddTombstone("A", Stored(id32('c'), death(5, 1, state.Destroyed)), at, nothing, loses); err != nil {
			t.Fatal(err)
		}
		j.Expire(d.Time(), d.Time(), d.Time())
	}
	hearOther(at.Add(linkLife - time.Second))
	if got, _ := j.Tombstone(id32('a')); got.Death != d {
		t.Errorf("a second before the end of its grace the link is %x", got.Death.Link)
	}
	hearOther(at.Add(linkLife))
	got, _ := j.Tombstone(id32('a'))
	if got.Death.Link != state.BareLink(id32('b')) || got.Death.Dot != d.Dot {
		t.Errorf("after the grace it is %+v", got)
	}
	if len(j.settled.links) != 0 {
		t.Error("links are kept for ever")
	}
}

func TestALinkThatIsHeardAfterItsGraceIsKeptBare(t *testing.T) {
	rotated := time.Unix(1_000_000, 0)
	d := state.Death{Dot: state.Dot{Clock: 5, Instance: 1}, Reason: state.Rotated}
	d.Link = state.NewLink(d.Dot, rotated, [state.LinkRandom]byte{1}, id32('b'))
	for _, test := range []struct {
		name string
		late time.Duration
		want state.Link
	}{
		{"within it", linkLife - time.Second, d.Link},
		{"after it", linkLife, state.BareLink(id32('b'))},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := New(plenty, plenty)
			if _, err := j.AddTombstone("A", Stored(id32('a'), d), rotated.Add(test.late), nothing, loses); err != nil {
				t.Fatal(err)
			}
			if got, _ := j.Tombstone(id32('a')); got.Death.Link != test.want {
				t.Errorf("the link is %x, want %x", got.Death.Link, test.want)
			}
		})
	}
}

func TestLinksAreBounded(t *testing.T) {
	j := New(plenty, plenty)
	rotated := time.Unix(1_000_000, 0)
	d := state.Death{Dot: state.Dot{Clock: 5, Instance: 1}, Reason: state.Rotated}
	d.Link = state.NewLink(d.Dot, rotated, [state.LinkRandom]byte{1}, id32('b'))
	id := func(n int) string { return fmt.Sprintf("%032x", n) }
	for n := range maxLinks + 1 {
		if _, err := j.AddTombstone("A", Stored(id(n), d), rotated, nothing, loses); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := j.Tombstone(id(maxLinks - 1)); got.Death.Link != d.Link {
		t.Errorf("the last link for which there is room is %x", got.Death.Link)
	}
	if got, _ := j.Tombstone(id(maxLinks)); got.Death.Link != state.BareLink(id32('b')) {
		t.Errorf("the link beyond the bound is %x", got.Death.Link)
	}
}

// In the grace after a rotation the store alone knows where it leads, unless the link is kept.
func TestWhichRotationsLeadByTheStore(t *testing.T) {
	dot := state.Dot{Clock: state.ClockAt(time.Unix(1_000_000, 0)), Instance: 1}
	full := state.NewLink(dot, dot.Time(), [state.LinkRandom]byte{1}, id32('b'))
	last := state.RotationGrace + time.Second
	for what, c := range map[string]struct {
		death state.Death
		after time.Duration
		want  bool
	}{
		"a rotation of another process": {state.Death{Reason: state.Rotated, Link: state.BareLink(id32('b'))}, 0, true},
		"one that names no successor":   {state.Death{Reason: state.Rotated}, 0, true},
		"as its grace ends":             {state.Death{Reason: state.Rotated, Link: state.BareLink(id32('b'))}, last - 1, true},
		"one whose grace is over":       {state.Death{Reason: state.Rotated, Link: state.BareLink(id32('b'))}, last, false},
		"one whose link is kept":        {state.Death{Reason: state.Rotated, Link: full}, 0, false},
		"a Renew":                       {state.Death{Reason: state.Renewed, Successor: id32('b')}, 0, false},
		"a logout":                      {state.Death{Reason: state.Destroyed}, 0, false},
		"a logout of what was rotated":  {state.Death{Reason: state.Destroyed, Link: state.BareLink(id32('b'))}, 0, false},
	} {
		c.death.Dot = dot
		tombstone := Stored(id32('a'), c.death)
		if got := tombstone.LeadsByStore(dot.Time().Add(c.after)); got != c.want {
			t.Errorf("%s: got %v, want %v", what, got, c.want)
		}
	}
}

// A logout that waits takes the place of a rotation that the store has. When it has arrived, the
// token that was rotated opens nothing any more.
func TestALinkGoesWithItsTombstone(t *testing.T) {
	j := New(plenty, plenty)
	at := time.Unix(1_000_000, 0)
	rotated := state.Death{Dot: state.Dot{Clock: 5, Instance: 1}, Reason: state.Rotated}
	rotated.Link = state.NewLink(rotated.Dot, at, [state.LinkRandom]byte{1}, id32('b'))
	if _, err := j.AddTombstone("A", Stored(id32('a'), rotated), at, nothing, loses); err != nil {
		t.Fatal(err)
	}
	logout := j.enter(Owed(id32('a'), death(9, 1, state.Destroyed))).Tombstone
	if !j.Arrived(logout, logout.Death, at) {
		t.Fatal("the logout did not arrive")
	}
	want := state.Death{Dot: state.Dot{Clock: 9, Instance: 1}, Reason: state.Destroyed, Link: state.BareLink(id32('b'))}
	if got, _ := j.Tombstone(id32('a')); got.Death != want {
		t.Errorf("the death is %+v, want %+v", got.Death, want)
	}
}

// A clock that steps back makes nothing expire before its time, although the set keeps one date
// for several tombstones.
func TestAClockThatStepsBackExpiresNothingEarly(t *testing.T) {
	j := New(plenty, plenty)
	for n, second := range []int64{1000, 1030, 1010} {
		if _, err := j.AddTombstone("A", Stored(id32(byte('a'+n)), death(5, 1, state.Destroyed)), time.Unix(second, 0), nothing, loses); err != nil {
			t.Fatal(err)
		}
	}
	j.Expire(time.Unix(1020, 0), time.Unix(1020, 0), now)
	if _, ok := j.Tombstone(id32('b')); !ok {
		t.Error("what was heard of ten seconds later has expired")
	}
}

// What the set keeps of a tombstone reaches another process by a log.
func TestALogCarriesWhatTheSetKeeps(t *testing.T) {
	rotated := func(to string) state.Death {
		d := death(5, 1, state.Rotated)
		d.Link = state.BareLink(to)
		return d
	}
	conflict := Stored(id32('a'), death(5, 1, state.Revoked))
	conflict.Conflict = true
	anonymous := death(5, 1, state.Destroyed)
	anonymous.Anonymous = true
	foreign := "s%3A" + strings.Repeat("x", 28) // no ID of ours
	for _, test := range []struct {
		name string
		t    Tombstone
		want Tombstone
	}{
		{"a logout", Stored(id32('a'), death(5, 1, state.Destroyed)), Stored(id32('a'), death(5, 1, state.Destroyed))},
		{"of a made-up token", Unseen(id32('a'), death(5, 1, state.Destroyed)), Unseen(id32('a'), death(5, 1, state.Destroyed))},
		{"of a session without a user", Stored(id32('a'), anonymous), Stored(id32('a'), anonymous)},
		{"by two writers", conflict, conflict},
		{"by a Renew", Stored(id32('a'), death(5, 1, state.Renewed).Follow(id32('b'))), Stored(id32('a'), death(5, 1, state.Renewed).Follow(id32('b')))},
		{"by a rotation", Stored(id32('a'), rotated(id32('b'))), Stored(id32('a'), rotated(id32('b')))},
		{"by a Renew to another system's ID", Stored(id32('a'), death(5, 1, state.Renewed).Follow(foreign)), Stored(id32('a'), death(5, 1, state.Renewed))},
		{"by a rotation to another system's ID", Stored(id32('a'), rotated(foreign)), Stored(id32('a'), death(5, 1, state.Rotated))},
	} {
		t.Run(test.name, func(t *testing.T) {
			segment := revoked.Segment{Tombstones: []revoked.Tombstone{Compact(test.t)}}
			got, err := revoked.DecodeSegment(segment.Append(nil))
			if err != nil || len(got.Tombstones) != 1 {
				t.Fatalf("the log says %+v, %v", got, err)
			}
			if got := Heard(got.Tombstones[0]); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// That a line of rotations ends is the journal's own order. Another process that heard of it
// would end sessions that it cannot name.
func TestALogSaysNothingOfALine(t *testing.T) {
	g := Stored(id32('a'), death(5, 1, state.Destroyed).Follow(id32('b')))
	g.Conflict = true
	want := Compact(g)
	if want.Flags != revoked.Conflict || want.Successor != revoked.IDOf(id32('b')) {
		t.Errorf("the log says %+v", want)
	}
	g.EndsSuccessors = true
	if got := Compact(g); got != want {
		t.Errorf("with its line the log says %+v, want %+v", got, want)
	}
}

func TestAFullRevocationSetDropsWhatIsWorthLess(t *testing.T) {
	j := New(plenty, 64<<10)
	known := Stored(id32('a'), death(5, 1, state.Destroyed))
	j.enter(known)
	for i := range 5000 {
		g := Stored(fmt.Sprintf("%032x", i), death(5, 1, state.Destroyed))
		g.Death.Anonymous = true
		j.enter(g)
		if i%2 == 0 {
			g.Death.Anonymous = false // met in the store of an older program, or by another hand
			j.enter(Unseen(fmt.Sprintf("f%031x", i), death(5, 1, state.Destroyed)))
		}
	}
	if _, ok := j.Tombstone(known.ID); !ok {
		t.Error("strangers displaced the logout of a user")
	}
	if got := j.Total(); got.SetBytes > 64<<10 || got.Early == 0 {
		t.Errorf("the set takes up %d bytes, and %d have gone early", got.SetBytes, got.Early)
	}
	const users = 5000 // more than there is room for
	before := j.Total()
	for i := range users {
		j.enter(Stored(fmt.Sprintf("e%031x", i), death(5, 1, state.Destroyed)))
	}
	after := j.Total()
	if went, came := after.Early-before.Early, before.Known+users; after.Known+went != came {
		t.Errorf("of %d tombstones %d are left, and %d have gone early", came, after.Known, went)
	}
}

func TestWhatIsHeardFromALog(t *testing.T) {
	j := New(plenty, plenty)
	d := death(5, 1, state.Destroyed)
	x := revoked.Tombstone{ID: revoked.IDOf(id32('a')), Death: d, Class: revoked.Known, From: 3, Flags: revoked.SuccessorsEnd}
	g := Heard(x)
	if g.EndsSuccessors || g.ID != id32('a') || g.From != 3 {
		t.Errorf("heard %+v", g)
	}
	if a := j.enter(g); !a.News || a.Tombstone.From != 3 {
		t.Errorf("it became %+v", a)
	}
	g.From = 4
	if a := j.enter(g); a.News {
		t.Error("the same from another log is news")
	}
	if got, _ := j.Tombstone(g.ID); got.From != 4 {
		t.Errorf("it stands in log %d, want the latest", got.From)
	}
	g.Death = d.Follow(id32('b'))
	g.From = 5
	if a := j.enter(g); !a.News || a.Tombstone.From != 5 {
		t.Errorf("with a successor it became %+v", a)
	}
	g.Death = death(9, 1, state.Revoked)
	if a := j.enter(g); !a.News || a.Tombstone.From != revoked.Own {
		t.Errorf("what no other log has whole is of %d", a.Tombstone.From)
	}
	g.From = 6
	j.enter(g)
	if got, _ := j.Tombstone(g.ID); got.From != revoked.Own {
		t.Errorf("what stands in the own log is left to log %d", got.From)
	}
	var pages int
	var at revoked.Cursor
	for {
		page, next := j.Page(at, 1)
		if at = next; len(page) == 0 {
			break
		}
		pages++
	}
	if pages != 1 {
		t.Errorf("the walk has %d tombstones", pages)
	}
	j.Revoked(func(s *revoked.Set) {
		if s.Len() != 1 {
			t.Errorf("the set has %d", s.Len())
		}
	})
}

// The revocation of a user goes the way of a tombstone: pending, delivered, and heard from a
// log, under the ID of its own record. Of two the later one counts.
func TestRevocationsOfUsers(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(clock uint64) state.Death {
		return state.Death{Dot: state.Dot{Clock: clock, Instance: 7}, Reason: state.Revoked}
	}
	id := revoked.UserID("ann")
	j := New(1<<20, 1<<20)
	add := func(g Tombstone) {
		t.Helper()
		if _, err := j.AddTombstone("A", g, now, func() {}, func(state.Copy, Tombstone) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	known := func(want uint64) {
		t.Helper()
		if g, ok := j.Tombstone(id); !ok || g.Death.Dot.Clock != want {
			t.Errorf("the user is revoked before %d, %v, want %d", g.Death.Dot.Clock, ok, want)
		}
		for login, dead := range map[uint64]bool{want - 1: true, want: true, want + 1: false} {
			st := state.State{}.Write([]state.Change{state.Login{User: "ann", Clock: login}.Change()}, state.Dot{Clock: 99, Instance: 1})
			if d, got := j.LoginRevoked(st); got != dead || got && d.Dot.Clock != want {
				t.Errorf("revoked up to %d, a login at %d: %v, %v", want, login, d, got)
			}
		}
	}
	add(Stored(id32('a'), at(1)))
	if j.users.Load() {
		t.Error("a session's tombstone counts as a user's revocation")
	}
	add(Owed(id, at(10)))
	known(10)
	add(Heard(revoked.Tombstone{ID: revoked.IDOf(id), Class: revoked.Users, Death: at(9), From: 3}))
	known(10)
	if g := j.PendingTombstones("A"); len(g) != 1 || g[0].ID != id {
		t.Fatalf("pending are %v", g)
	}
	g := j.PendingTombstones("A")[0]
	j.Arrived(g, g.Death, now)
	known(10)
	add(Heard(revoked.Tombstone{ID: revoked.IDOf(id), Class: revoked.Users, Death: at(12), From: 3}))
	known(12)
	if page, _ := j.Page(revoked.Cursor{}, 10); len(page) != 2 || page[0].ID != id {
		t.Errorf("the set has %v", page)
	}
	j.Expire(time.Unix(3000, 0), now, now)
	known(12)
	j.Expire(time.Unix(3000, 0), time.Unix(3000, 0), now)
	if _, ok := j.Tombstone(id); ok || j.users.Load() {
		t.Error("the revocation is there after its time")
	}
}

// The revocation of everybody counts for each user, and for sessions that know none.
func TestTheRevocationOfEverybody(t *testing.T) {
	j := New(1<<20, 1<<20)
	enter := func(id string, at time.Time) {
		d := state.Death{Dot: state.Dot{Clock: state.ClockAt(at), Instance: 7}, Reason: state.Revoked}
		if _, err := j.AddTombstone("A", Stored(id, d), at, func() {}, nil); err != nil {
			t.Fatal(err)
		}
	}
	noon := time.Unix(1000, 0)
	ann := func(at time.Time) state.State {
		return state.State{}.Write([]state.Change{state.Login{User: "ann", Clock: state.ClockAt(at), At: at.UnixMilli()}.Change()}, state.Dot{Clock: 1, Instance: 1})
	}
	anonymous := func(at time.Time) state.State { return state.State{Authenticated: at.UnixMilli()} }
	for _, step := range []struct {
		revoke       string
		at           time.Time
		user, nobody time.Time // up to which sessions are dead
	}{
		{revoke: revoked.UserID("bob"), at: noon.Add(time.Hour)},
		{revoke: revoked.Everybody, at: noon, user: noon, nobody: noon},
		{revoke: revoked.UserID("ann"), at: noon.Add(-time.Second), user: noon, nobody: noon},
		{revoke: revoked.UserID("ann"), at: noon.Add(time.Second), user: noon.Add(time.Second), nobody: noon},
	} {
		enter(step.revoke, step.at)
		for _, off := range []time.Duration{-2 * time.Second, -time.Second, 0, time.Millisecond, time.Second, 1001 * time.Millisecond} {
			at := noon.Add(off)
			if _, dead := j.LoginRevoked(ann(at)); dead != !at.After(step.user) {
				t.Errorf("after %+v: a login at %v is dead: %v", step, off, dead)
			}
			if _, dead := j.LoginRevoked(anonymous(at)); dead != !at.After(step.nobody) {
				t.Errorf("after %+v: a session of %v is dead: %v", step, off, dead)
			}
		}
	}
	late := state.Login{User: "carol", Clock: state.ClockAt(noon.Add(time.Minute)), At: noon.UnixMilli()}
	for _, step := range []struct {
		at   int64
		dead bool
	}{{late.At, true}, {late.At + 1, false}} {
		late.At = step.at
		st := state.State{}.Write([]state.Change{late.Change()}, state.Dot{Clock: 1, Instance: 1})
		if _, dead := j.LoginRevoked(st); dead != step.dead {
			t.Errorf("a login %v after the time, whose clock value is a minute later, is dead: %v", time.UnixMilli(late.At).Sub(noon), dead)
		}
	}
	if _, dead := New(1<<20, 1<<20).LoginRevoked(state.State{}); dead {
		t.Error("a session is dead where nobody is revoked")
	}
}
