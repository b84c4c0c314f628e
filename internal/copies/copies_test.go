package copies_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/copies"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
	"github.com/holdfast-go/session/seal"
)

const name = "__Host-session"

// visit is a client with a session, at an instance that answers it.
type visit struct {
	*testing.T
	*instance.Instance
	x         *copies.Exchanger
	token     token.Token
	jar       map[string]string
	lasts     map[string]time.Duration // how long the cookies of the last answer last
	loaded    lookup.Loaded
	faults    []backup.FaultKind
	storeOnly bool
}

func story(t *testing.T, title string, do func(v *visit)) {
	t.Helper()
	instance.Test(t, title, true, nil, func(t *testing.T, i *instance.Instance) {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		v := &visit{T: t, Instance: i, token: token.New()}
		v.jar = map[string]string{name: v.token.Reveal()}
		v.x = &copies.Exchanger{
			Jar: copies.NewJar(&transport.Transport{Cookie: transport.Attributes{Name: name}}, &backup.Cookies{
				Cookie: http.Cookie{Name: name, Path: "/", Secure: true, HttpOnly: true},
				MaxAge: func(time.Time) int { return 0 }, Budget: 6144, Layout: jar.Divide(6144, 6144),
				Copies:  seal.Box{Keys: keys, Purpose: "session backup", Audience: "shop"},
				Endings: seal.Box{Keys: keys, Purpose: "session tombstones", Audience: "shop"},
			}),
			Clock: i.Clock, Shards: &i.Shards, Storage: &i.Storage, InUse: i.Reader.InUse,
			CopySize: 3072, AnswerSize: 3800, MaxLease: instance.Lease, Fresh: instance.Lease / 4,
			StoreOnly: func() bool { return v.storeOnly },
			Fault: func(_ context.Context, _ string, kind backup.FaultKind, _ error) {
				v.faults = append(v.faults, kind)
			},
		}
		now := time.Now()
		st := state.State{Created: now.UnixMilli(), LastSeen: now.UnixMilli(), End: now.Add(time.Hour).UnixMilli()}
		v.loaded = lookup.Loaded{Phase: lookup.Live, Source: lookup.FromStore, Copy: state.Copy{ID: v.token.ID(), State: st, Confirmed: now.UnixMilli()}}
		v.write("a", 10)
		do(v)
	})
}

// write writes a value of n bytes, which the store has then.
func (v *visit) write(key string, n int) {
	st := v.loaded.State
	v.loaded.State = st.Write([]state.Change{{Name: key, Flags: state.Uncompressed, Value: bytes.Repeat([]byte("x"), n)}}, v.Clock.Dot(st))
	v.loaded.Saved = v.loaded.State.Entries.Latest()
}

// request opens the copies of a request with what is in the jar.
func (v *visit) request() *copies.Exchange {
	var pairs []string
	for key, value := range v.jar {
		pairs = append(pairs, key+"="+value)
	}
	slices.Sort(pairs)
	e := v.x.New(v.x.Transport)
	e.Open(v.Context(), http.Header{"Cookie": {strings.Join(pairs, "; ")}}, true, true)
	return e
}

// answer builds the answer, puts its cookies into the jar and returns their number.
func (v *visit) answer(e *copies.Exchange, due bool, others int) int {
	v.Helper()
	e.Build(v.Context(), v.loaded, time.Now(), due, func() int { return others })
	h := make(http.Header)
	e.Write(h)
	v.lasts = map[string]time.Duration{}
	for _, line := range h["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			v.Fatalf("%q: %v", line, err)
		}
		v.lasts[c.Name] = time.Duration(c.MaxAge) * time.Second
		if v.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v.jar, c.Name)
		}
	}
	e.Leave()
	return len(h["Set-Cookie"])
}

func TestACopyGoesToTheClientAndBack(t *testing.T) {
	story(t, "and is sent again when something calls for it", func(v *visit) {
		e := v.request()
		if e.Vouched() || !e.WornOut() || e.Token != v.token {
			v.Errorf("the first request has %+v", e.Known.Copy())
		}
		if n := v.answer(e, false, 0); n != 1 {
			v.Fatalf("the first answer has %d cookies, want the copy", n)
		}
		e = v.request()
		if !e.Vouched() || e.WornOut() || e.Known.Copy().ID != v.token.ID() || !e.Known.Copy().State.Equal(v.loaded.State) {
			v.Errorf("the second request has %+v", e.Known.Copy())
		}
		if n := v.answer(e, false, 0); n != 0 {
			v.Errorf("an answer for which nothing has changed has %d cookies", n)
		}
		if n := v.answer(v.request(), true, 0); n == 0 {
			v.Error("the answer that puts the expiry off has no copy")
		}
		e = v.request()
		e.Dirty = true
		if n := v.answer(e, false, 0); n == 0 || e.Dirty {
			v.Errorf("the answer after a save has %d cookies, dirty %v", n, e.Dirty)
		}
		v.write("b", 10)
		if n := v.answer(v.request(), false, 0); n == 0 {
			v.Error("the session holds more than the copy, and no copy is sent")
		}
		time.Sleep(v.x.Fresh)
		if e = v.request(); !e.WornOut() {
			v.Error("the copy is not worn out")
		}
		if n := v.answer(e, false, 0); n != 0 {
			v.Errorf("nothing has confirmed the session since, and the answer has %d cookies", n)
		}
		v.loaded.Confirmed = time.Now().UnixMilli()
		if n := v.answer(v.request(), false, 0); n == 0 {
			v.Error("a worn out copy is not sent again")
		}
		if v.faults != nil {
			v.Errorf("the faults are %v", v.faults)
		}
	})
	story(t, "and is sent again where it has worn out in the request", func(v *visit) {
		v.answer(v.request(), false, 0)
		time.Sleep(time.Second)
		e := v.request()
		v.loaded.Confirmed = time.Now().UnixMilli()
		time.Sleep(v.x.Fresh)
		if n := v.answer(e, false, 0); n == 0 {
			v.Error("the answer has no copy")
		}
	})
	story(t, "and goes with its session", func(v *visit) {
		v.answer(v.request(), false, 0)
		e := v.request()
		v.loaded = lookup.Loaded{Phase: lookup.Nobody}
		e.Dirty = true
		e.Ended = []state.Superseded{{ID: v.token.ID(), Dot: v.Clock.Dot(state.State{})}}
		v.answer(e, false, 0)
		if len(v.jar) != 2 || v.jar[name+"-x"] == "" {
			v.Fatalf("the jar has %v, want the token and the list of ended sessions", v.jar)
		}
		_, known := v.Shards.Tombstone(v.token.ID())
		e = v.request()
		if _, ok := v.Shards.Tombstone(v.token.ID()); known || !ok || len(e.Known.Ended) != 1 || e.Known.Ended[0].ID != v.token.ID() {
			v.Errorf("the next request has %+v", e.Known.Ended)
		}
	})
}

// The list of ended sessions lasts as long as late answers may set what has ended again, and
// where it carries a logout to the store until that is needed nowhere.
func TestHowLongAListOfEndedSessionsLasts(t *testing.T) {
	for durable, least := range map[bool]time.Duration{true: time.Second, false: 2 * time.Minute} {
		story(t, fmt.Sprint("the store has it: ", durable), func(v *visit) {
			e := v.request()
			v.loaded = lookup.Loaded{Phase: lookup.Nobody}
			e.Dirty = true
			e.Ended = []state.Superseded{{ID: v.token.ID(), Dot: v.Clock.Dot(state.State{}), Durable: durable}}
			v.answer(e, false, 0)
			if lasts := v.lasts[name+"-x"]; lasts < least || durable && lasts > time.Minute {
				v.Errorf("it lasts for %v", lasts)
			}
		})
	}
}

// A logout that waited when its instance ended comes to the store with its visitor, also
// where the log of that instance had it.
func TestAListOfEndedSessionsCarriesALogout(t *testing.T) {
	carried := func(title string, durable, ifStored bool, want bool) {
		story(t, title, func(v *visit) {
			other, id := instance.New(v.T, v.Store, true, nil), v.token.ID()
			death := other.Clock.Death(state.Destroyed)
			other.Shards.Wrote(v.Context(), id, death) // into its log alone
			time.Sleep(3 * time.Second)
			if g, _ := v.Shards.Tombstone(id); g.Death != death || g.Pending {
				v.Fatalf("the instance has heard of %+v", g)
			}
			v.Store.Set(id, v.loaded.State)
			e := v.request()
			e.Dirty = true
			e.Ended = []state.Superseded{{ID: id, Dot: death.Dot, Durable: durable, IfStored: ifStored}}
			v.loaded = lookup.Loaded{Phase: lookup.Nobody}
			v.answer(e, false, 0)
			v.request()
			time.Sleep(time.Second)
			if st, _ := v.Store.Get(id); st.Dead() != want {
				v.Errorf("the store has %+v", st)
			}
			v.Store.Calls()
			v.request()
			time.Sleep(10 * time.Millisecond)
			if calls := v.Store.Calls(); len(calls) > 0 {
				v.Errorf("the next request asks for %+v", calls)
			}
		})
	}
	carried("once", false, false, true)
	carried("but not where the store had the tombstone", true, false, false)
	carried("but not where the store may have had nothing to end", false, true, false)
}

func TestACopyLeavesValuesOut(t *testing.T) {
	story(t, "for which the answer has no room", func(v *visit) {
		v.write("large", 1500)
		v.answer(v.request(), false, 2500)
		if !slices.Equal(v.faults, []backup.FaultKind{backup.Partial}) {
			v.Errorf("the faults are %v, want that it is partial", v.faults)
		}
		e, _ := v.request().Known.Copy().State.Entries.Find("large")
		if e.Flags.Kind() != state.Withheld {
			v.Errorf("the copy has %v", e)
		}
	})
	story(t, "for which the deletions of older copies leave no room", func(v *visit) {
		for key := range strings.SplitSeq("bcdefghijklmnopq", "") {
			v.write(key, 120)
		}
		partial := 0
		for others := 1000; others <= 3000; others += 8 {
			v.jar = map[string]string{name: v.token.Reveal()}
			one, other := v.request(), v.request()
			v.answer(one, false, 0)
			v.answer(other, false, 0)
			if len(v.jar) != 5 {
				v.Fatalf("the jar has %d cookies, want two copies of two cookies each", len(v.jar))
			}
			e := v.request()
			e.Dirty, v.faults = true, nil
			v.answer(e, false, others)
			if w := v.request().Known; !w.Found || slices.ContainsFunc(v.faults, func(k backup.FaultKind) bool { return k != backup.Partial }) {
				v.Fatalf("beside %d bytes of others there is no copy, with the faults %v", others, v.faults)
			}
			partial += len(v.faults)
		}
		if partial == 0 {
			v.Error("there was room for all")
		}
	})
	story(t, "but not those that the store lacks", func(v *visit) {
		saved := v.loaded.Saved
		v.write("large", 1500)
		v.loaded.Saved = saved
		v.answer(v.request(), false, 2500)
		e, _ := v.request().Known.Copy().State.Entries.Find("large")
		if v.faults != nil || len(e.Value) != 1500 {
			v.Errorf("the copy has %d bytes, with the faults %v", len(e.Value), v.faults)
		}
	})
	story(t, "and is none where their names do not fit", func(v *visit) {
		v.answer(v.request(), false, 0)
		for n := range 60 {
			v.write(strings.Repeat("n", 100)+string(rune('0'+n)), 1)
		}
		v.answer(v.request(), false, 0)
		if !slices.Equal(v.faults, []backup.FaultKind{backup.TooLarge}) || len(v.jar) != 1 {
			v.Errorf("the faults are %v, and the jar has %d cookies", v.faults, len(v.jar))
		}
	})
}

func TestWhatARequestCarriesIsJudged(t *testing.T) {
	story(t, "a damaged copy is a fault", func(v *visit) {
		v.answer(v.request(), false, 0)
		for key, value := range v.jar {
			if key != name {
				v.jar[key] = value[:len(value)-20] + strings.Repeat("A", 20)
			}
		}
		if e := v.request(); e.Vouched() || e.Known.Excused || !slices.Equal(v.faults, []backup.FaultKind{backup.Forged}) {
			v.Errorf("the faults are %v, of %+v", v.faults, e.Known)
		}
	})
	story(t, "one with an unknown key excuses the visitor, as long as it can vouch", func(v *visit) {
		v.answer(v.request(), false, 0)
		others, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			v.Fatal(err)
		}
		was := v.x.Cookies
		v.x.Cookies = &backup.Cookies{Cookie: was.Cookie, MaxAge: was.MaxAge, Budget: was.Budget, Copies: was.Copies, Endings: was.Endings}
		v.x.Cookies.Copies.Keys = others
		if e := v.request(); !e.Known.Excused || e.Known.Keep.Len() != 1 || !slices.Equal(v.faults, []backup.FaultKind{backup.UnknownKey}) {
			v.Errorf("the faults are %v, of %+v", v.faults, e.Known)
		}
		time.Sleep(v.x.MaxLease)
		if e := v.request(); e.Known.Excused || e.Known.Keep != 0 {
			v.Errorf("it is excused for too long: %+v", e.Known.Copy())
		}
	})
	for when, stillAt := range map[string]bool{"now": true, "when the request read": false} {
		story(t, "and kept where an operator trusts no copy "+when, func(v *visit) {
			behind := v.loaded
			v.write("late", 10)
			v.answer(v.request(), false, 0)
			v.loaded, v.storeOnly = behind, true
			before := len(v.jar)
			e := v.request()
			e.Dirty, v.storeOnly = true, stillAt
			v.answer(e, false, 0)
			v.storeOnly = false
			if _, ok := v.request().Known.Copy().State.Entries.Find("late"); !ok || len(v.jar) != before+1 {
				v.Errorf("the jar has %d cookies, want %d", len(v.jar), before+1)
			}
		})
	}
	story(t, "and read again for what rotations lead to, without faults", func(v *visit) {
		v.answer(v.request(), false, 0)
		v.jar[name] = token.New().Reveal()
		e := v.request()
		told := len(v.faults)
		if w := e.Reopen(v.token.ID(), e.Known); !w.Found || w.Copy().ID != v.token.ID() || told != 1 || len(v.faults) != told {
			v.Errorf("it has %+v, with the faults %v", w, v.faults)
		}
	})
}

func TestCookiesThatAreOpenedAgainCountOnce(t *testing.T) {
	story(t, "in the room for a copy", func(v *visit) {
		v.write("large", 1500)
		v.answer(v.request(), false, 0)
		e, end := v.request(), time.Now().Add(time.Hour)
		var pairs []string
		for key, value := range v.jar {
			pairs = append(pairs, key+"="+value)
		}
		want := e.Room(end, 2000)
		e.Open(v.Context(), http.Header{"Cookie": {strings.Join(pairs, "; ")}}, true, true)
		if room := e.Room(end, 2000); room != want {
			v.Errorf("there is room for %d bytes, and was for %d", room, want)
		}
		v.answer(e, false, 0)
	})
	story(t, "in what is told of them", func(v *visit) {
		v.jar[name+"-b0"], v.jar[name+"-x"] = "planted", "planted"
		e := v.request()
		told := len(v.faults)
		e.Open(v.Context(), http.Header{"Cookie": {name + "-b0=planted; " + name + "-x=planted"}}, true, true)
		if told != 2 || len(v.faults) != told {
			v.Errorf("told of %v, want two faults", v.faults)
		}
	})
}

func TestARequestThatIsOverTakesNoSlot(t *testing.T) {
	story(t, "where its cookies are opened then", func(v *visit) {
		v.answer(v.request(), false, 0)
		v.answer(v.request(), false, 0)
		e := v.x.New(v.x.Transport)
		e.Leave()
		e.Open(v.Context(), http.Header{"Cookie": {name + "=" + v.jar[name] + "; " + name + "-b0=" + v.jar[name+"-b0"]}}, true, true)
		if n := v.x.Slots.Len(); n != 0 || !e.Vouched() {
			v.Errorf("%d sessions are under way, want none; the copy was read: %v", n, e.Vouched())
		}
	})
}

func TestARequestWithoutCopiesHasNothing(t *testing.T) {
	var none *copies.Exchange
	if none.Changed() || none.Vouched() {
		t.Error("an exchange that is nil has something")
	}
	story(t, "and opens no session", func(v *visit) {
		v.jar = nil
		e := v.x.New(v.x.Transport)
		if e.Opened() || e.Changed() {
			v.Error("a new exchange has something")
		}
		if w := e.Reopen("a", lookup.Known{Excused: true}); w.Found || !w.Excused {
			v.Errorf("it has %+v", w)
		}
		if e = v.request(); !e.Opened() || e.HasToken || e.Vouched() {
			v.Errorf("it has %+v", e.Known.Copy())
		}
	})
}

// Deletions wait for an answer whose header has room for all of them.
func TestDeletionsWaitForRoom(t *testing.T) {
	story(t, "in the header", func(v *visit) {
		e := v.x.New(v.x.Transport)
		e.Out, e.Later = []string{"a=1"}, []string{"b=; Max-Age=0"}
		full := http.Header{"X": {strings.Repeat("x", v.x.AnswerSize)}}
		e.Write(full)
		room := make(http.Header)
		e.Write(room)
		if !slices.Equal(full["Set-Cookie"], e.Out) || len(room["Set-Cookie"]) != 2 {
			v.Errorf("got %q and %q", full["Set-Cookie"], room["Set-Cookie"])
		}
	})
}

// What this process learns stays known while a request uses the session.
func TestARequestUsesItsSession(t *testing.T) {
	story(t, "until it leaves", func(v *visit) {
		e := v.request()
		if v.Reader.InUse.Len() != 1 {
			v.Error("the session is not in use")
		}
		e.Leave()
		e.Read(v.token.ID(), time.Now(), true)
		if n := v.Reader.InUse.Len(); n != 0 {
			v.Errorf("%d sessions are in use when the request is over", n)
		}
	})
}

// Where the other fields of an answer leave little room, the copy has no values, and
// where they leave none there is no copy, not even an older one. What the store lacks
// travels whatever the room is.
func TestACopyGivesWayToTheOtherFields(t *testing.T) {
	story(t, "of the answer", func(v *visit) {
		v.x.Margin = 296
		for i := range 8 {
			v.write(fmt.Sprint("key", i), 30)
		}
		v.answer(v.request(), true, 0)
		if e := v.request(); !e.Known.Copy().State.Equal(v.loaded.State) {
			t.Fatalf("the first copy has %+v", e.Known.Copy())
		}
		least := v.x.Cookies.Least(v.loaded.Copy)
		v.answer(v.request(), true, v.x.AnswerSize-least)
		if e := v.request(); !e.Known.Found || e.Known.Copy().State.Equal(v.loaded.State) {
			t.Errorf("the copy without values is %+v", e.Known.Copy())
		}
		for cookie, value := range v.jar {
			if size := jar.Bytes(cookie, value); cookie != name && size > least {
				t.Errorf("the copy without values has %d bytes, want at most %d", size, least)
			}
		}
		v.answer(v.request(), true, v.x.AnswerSize)
		if e := v.request(); e.Known.Found || len(v.jar) != 1 {
			t.Errorf("without room the jar has %d cookies, want the token alone", len(v.jar))
		}
		if !slices.Contains(v.faults, backup.TooLarge) {
			t.Errorf("the faults are %v", v.faults)
		}
		v.loaded.AwaySince = time.Now()
		v.answer(v.request(), true, v.x.AnswerSize)
		if e := v.request(); !e.Known.Found {
			v.Error("a session that waits for the store has no copy")
		}
	})
}

// A copy shows when its session was seen last, so one whose session may be unused for a
// short time only is renewed sooner.
func TestACopyOfAShortStayWearsOutSooner(t *testing.T) {
	story(t, "", func(v *visit) {
		const idle = time.Minute
		v.loaded.State = v.loaded.State.Write([]state.Change{state.Stay{Idle: idle}.Change()}, v.Clock.Dot(v.loaded.State))
		v.answer(v.request(), false, 0)
		time.Sleep(idle/4 - time.Millisecond)
		if v.request().WornOut() {
			t.Error("it is worn out before a quarter of the idle timeout")
		}
		time.Sleep(time.Millisecond)
		if !v.request().WornOut() {
			t.Error("it is not worn out after a quarter of the idle timeout")
		}
	})
}
