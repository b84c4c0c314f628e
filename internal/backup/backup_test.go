package backup

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

const (
	tokenName = "__Host-session"
	subject   = "00112233445566778899aabbccddeeff"
)

var noon = time.UnixMilli(1763716800000)

func mustKeys(t testing.TB, keys ...seal.Key) *seal.Keys {
	t.Helper()
	k, err := seal.NewKeys(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newCookies returns the cookies of an application, which o may change.
func newCookies(keys *seal.Keys, o ...func(*Cookies)) *Cookies {
	c := &Cookies{
		Cookie: http.Cookie{Name: tokenName, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode},
		MaxAge: func(time.Time) int { return 0 },
		Budget: 6144,
		Copies: seal.Box{Keys: keys, Purpose: "session backup", Audience: "shop"},
	}
	for _, change := range o {
		change(c)
	}
	if c.Layout.Cookies == 0 {
		c.Layout = jar.Divide(c.Budget, c.Budget)
	}
	c.Endings = seal.Box{Keys: c.Copies.Keys, Purpose: "session tombstones", Audience: c.Copies.Audience}
	return c
}

func copyWith(changes ...state.Change) state.Copy {
	st := state.State{Created: noon.UnixMilli(), LastSeen: noon.UnixMilli(), End: noon.Add(time.Hour).UnixMilli()}
	st.Entries = state.PackChanges(changes, state.Dot{Clock: 1, Instance: 1})
	return state.Copy{ID: subject, State: st, Confirmed: noon.UnixMilli(), Saved: 1}
}

// plain returns a value of n bytes that travels as it is.
func plain(name string, n int) state.Change {
	return state.Change{Name: name, Flags: state.Uncompressed, Value: bytes.Repeat([]byte("x"), n)}
}

func mustPack(t testing.TB, c *Cookies, b state.Copy, most int) Packed {
	t.Helper()
	p, err := c.Pack(b, Brought{}, noon, most)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// browser keeps what Set-Cookie lines put into it, as a browser would.
type browser map[string]string

func (b browser) take(t testing.TB, lines ...string) {
	t.Helper()
	for _, line := range lines {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("%q lacks an attribute", line)
		}
		if b[cookie.Name] = cookie.Value; cookie.MaxAge < 0 {
			delete(b, cookie.Name)
		}
	}
}

func (b browser) header() http.Header {
	var pairs []string
	for name, value := range b {
		pairs = append(pairs, name+"="+value)
	}
	return http.Header{"Cookie": {strings.Join(pairs, "; ")}}
}

// store puts a packed copy into the browser's first cookies.
func (b browser) store(t testing.TB, c *Cookies, p Packed) {
	t.Helper()
	lines, _ := c.Lines(jar.NewName(), p.Text, 1<<c.Parts(len(p.Text))-1, 0, noon)
	b.take(t, lines...)
}

// opened is what Open returned.
type opened struct {
	Copies []state.Copy
	Faults []Fault
}

// Collect returns what the Cookie lines of a request's header carry.
func (c *Cookies) Collect(h http.Header) (in RequestCookies) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			p, line = cookieheader.Next(line)
			c.Take(&in, p)
		}
	}
	return in
}

func open(c *Cookies, h http.Header, id string) opened {
	in := c.Collect(h)
	o := c.Open(&in, id)
	out := opened{Faults: o.Faults}
	for b := range o.Copies {
		out.Copies = append(out.Copies, *b)
	}
	return out
}

func kinds(faults []Fault) (out []FaultKind) {
	for _, f := range faults {
		out = append(out, f.Kind)
	}
	return out
}

func TestWhatIsPackedOpens(t *testing.T) {
	keys := mustKeys(t, seal.NewKey())
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := newCookies(keys, func(c *Cookies) {
			c.Budget = 1024 + r.IntN(MaxBudget-1024+1)
		})
		most := 1024 + r.IntN(c.Budget-1024+1)
		var changes state.Changes
		for i := range r.IntN(12) {
			change := state.Change{Name: fmt.Sprintf("key%02d", i), Flags: state.Flags(r.IntN(16)) << state.RankShift, Value: make([]byte, r.IntN(900))}
			if r.IntN(5) == 0 {
				change.Flags |= state.ServerOnly
			}
			for k := range change.Value {
				change.Value[k] = "abcdefghijkl"[r.IntN(12)]
			}
			changes = append(changes, change)
		}
		b := copyWith(changes...)
		b.Supersedes = []state.Superseded{{ID: "older", Dot: state.Dot{Clock: 3, Instance: 4}, Predecessor: true}}
		p, err := c.Pack(b, Brought{}, noon, most)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if n := c.Size(len(p.Text)); n > most {
			t.Errorf("seed %d: takes %d bytes of cookies, want at most %d", seed, n, most)
		}
		jarOf := browser{}
		jarOf.store(t, c, p)
		in := c.Collect(jarOf.header())
		if got := in.Size(in.Cookies()); got != c.Size(len(p.Text)) {
			t.Errorf("seed %d: the request has %d bytes, and Size says %d", seed, got, c.Size(len(p.Text)))
		}
		if names := in.AppendNames(nil); len(names) != 1 {
			t.Errorf("seed %d: got the names %q, want one", seed, names)
		}
		got := open(c, jarOf.header(), subject)
		if len(got.Faults) > 0 || len(got.Copies) != 1 {
			t.Fatalf("seed %d: got %d copies and the faults %v", seed, len(got.Copies), got.Faults)
		}
		if !bytes.Equal(got.Copies[0].Encode(), p.Encode()) {
			t.Errorf("seed %d: another copy opens than was packed", seed)
		}
		for _, change := range changes {
			e, ok := got.Copies[0].State.Entries.Find(change.Name)
			withheld := change.Flags&state.ServerOnly != 0 || slices.Contains(names(p.Withheld), change.Name)
			if !ok || withheld != (e.Flags.Kind() == state.Withheld) || !withheld && !bytes.Equal(e.Value, change.Value) {
				t.Errorf("seed %d: %s opens as %v, %q; withheld: %v", seed, change.Name, e.Flags.Kind(), e.Value, withheld)
			}
		}
	}
}

func TestWhatDoesNotFitIsWithheldByRankAndSize(t *testing.T) {
	b := copyWith(plain("a", 700), plain("b", 400),
		state.Change{Name: "c", Flags: 5<<state.RankShift | state.Uncompressed, Value: make([]byte, 600)},
		state.Change{Name: "d", Flags: 1<<state.RankShift | state.Uncompressed, Value: make([]byte, 300)},
		state.Change{Name: "s", Flags: state.ServerOnly, Value: make([]byte, 100)})
	newer := b
	newer.State = b.State.Write(state.Changes{plain("a", 701)}, state.Dot{Clock: 2, Instance: 1})
	for _, tt := range []struct {
		is    string
		copy  state.Copy
		saved uint64
		want  []string
	}{
		{"the largest of the lowest rank", b, 1, []string{"a"}},
		{"never what the store lacks, while others are left", newer, 1, []string{"b", "d"}},
		{"the largest, where the store has all", newer, 2, []string{"a"}},
	} {
		c := newCookies(mustKeys(t, seal.NewKey()))
		tt.copy.Saved = tt.saved
		p := mustPack(t, c, tt.copy, 2200)
		if !slices.Equal(names(p.Withheld), tt.want) {
			t.Errorf("%s: withheld %q, want %q", tt.is, p.Withheld, tt.want)
		}
		for _, name := range []string{"a", "b", "c", "d", "s"} {
			before, _ := tt.copy.State.Entries.Find(name)
			e, ok := p.State.Entries.Find(name)
			if want := name == "s" || slices.Contains(tt.want, name); !ok || e.Dot != before.Dot || (e.Flags.Kind() == state.Withheld) != want {
				t.Errorf("%s: %s is %v, %v", tt.is, name, e.Flags.Kind(), e.Dot)
			}
		}
	}
}

func TestACopyOfWhichNotEvenTheNamesFitIsTooLarge(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	r := rand.New(rand.NewPCG(1, 1))
	var changes state.Changes
	for i := range 200 {
		changes = append(changes, state.Change{Name: fmt.Sprintf("%03d%017x%x", i, r.Uint64(), r.Uint64())})
	}
	if _, err := c.Pack(copyWith(changes...), Brought{}, noon, 2040); !errors.Is(err, ErrTooLarge) {
		t.Errorf("two hundred names in two thousand bytes: %v", err)
	}
}

func TestANameThatLeavesNoRoomFitsNothing(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()), func(c *Cookies) {
		c.Cookie.Name, c.Budget = strings.Repeat("n", 300), 1024
	})
	if c.Parts(1) <= jar.Most || c.Size(1) <= MaxBudget {
		t.Errorf("one byte takes %d cookies and %d bytes", c.Parts(1), c.Size(1))
	}
	if _, err := c.Pack(copyWith(), Brought{}, noon, 1024); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestSizeIsWhatTheCookiesTakeUp(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	for n := 1; c.Parts(n) <= jar.Most; n += 97 {
		lines, drops := c.Lines("abcdef", strings.Repeat("t", n), 1<<c.Parts(n)-1, 0b1111, noon)
		size := 0
		for _, line := range lines {
			pair, _, _ := strings.Cut(line, ";")
			if got := len(pair) + len("; "); got > c.Layout.Share {
				t.Errorf("a cookie of %d bytes, more than its share of the budget", got)
			}
			size += len(pair) + len("; ")
		}
		if size != c.Size(n) || len(lines)+len(drops) != jar.Most {
			t.Errorf("%d bytes: %d lines of %d bytes and %d that drop; Size is %d", n, len(lines), size, len(drops), c.Size(n))
		}
	}
}

func TestEachFaultHasItsKind(t *testing.T) {
	key := seal.NewKey()
	keys := mustKeys(t, key)
	c := newCookies(keys)
	big := copyWith(plain("big", 2500))
	packed := func(c *Cookies, b state.Copy) http.Header {
		jarOf := browser{}
		jarOf.store(t, c, mustPack(t, c, b, 6144))
		return jarOf.header()
	}
	damaged := func(change func(cookies browser)) http.Header {
		jarOf := browser{}
		jarOf.store(t, c, mustPack(t, c, big, 6144))
		change(jarOf)
		return jarOf.header()
	}
	sealed := func(plain []byte) http.Header {
		text, err := c.Copies.Seal(noon, plain)
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"Cookie": {tokenName + "-b0=abcdef.0.1." + text}}
	}
	other := copyWith()
	other.ID = "another"
	part := func(n int) string { return strings.Repeat("t", n) }
	for _, tt := range []struct {
		is   string
		h    http.Header
		want []FaultKind
	}{
		{"nothing", http.Header{}, nil},
		{"the session's own", packed(c, copyWith()), nil},
		{"a damaged one", damaged(func(b browser) { b[tokenName+"-b1"] = b[tokenName+"-b1"][:100] + "AAAA" + b[tokenName+"-b1"][104:] }), []FaultKind{Forged}},
		{"one of another purpose", packed(newCookies(keys, func(c *Cookies) { c.Copies.Purpose = "another" }), copyWith()), []FaultKind{Forged}},
		{"one of another session", packed(c, other), []FaultKind{Foreign}},
		{"one of another audience", packed(newCookies(keys, func(c *Cookies) { c.Copies.Audience = "staging" }), copyWith()), []FaultKind{Audience}},
		{"one of another key", packed(newCookies(mustKeys(t, seal.NewKey())), copyWith()), []FaultKind{UnknownKey}},
		{"one without its last part", damaged(func(b browser) { delete(b, tokenName+"-b2") }), []FaultKind{Incomplete}},
		{"no sealed text", http.Header{"Cookie": {tokenName + "-b0=abcdef.0.1.text"}}, []FaultKind{Malformed}},
		{"a sealed text that is no copy", sealed([]byte("hello")), []FaultKind{Malformed}},
		{"a cookie that no browser keeps", http.Header{"Cookie": {tokenName + "-b0=abcdef.0.1." + part(maxCookie)}}, []FaultKind{Malformed}},
		{"parts that are too much together", http.Header{"Cookie": {tokenName + "-b0=abcdef.0.2." + part(4000) + "; " + tokenName + "-b1=abcdef.1.2." + part(4000)}}, []FaultKind{Malformed}},
		{"a list that is too long", http.Header{"Cookie": {tokenName + "-x=" + part(1000)}}, []FaultKind{Malformed}},
	} {
		got := open(c, tt.h, subject)
		if !slices.Equal(kinds(got.Faults), tt.want) {
			t.Errorf("%s: got the faults %v, want the kinds %v", tt.is, got.Faults, tt.want)
		}
		if (len(got.Copies) == 1) != (tt.is == "the session's own") {
			t.Errorf("%s: got %d copies", tt.is, len(got.Copies))
		}
		for _, f := range got.Faults {
			sealedAt, ok := f.SealedAt()
			if ok != (f.Kind == UnknownKey) || ok && !sealedAt.Equal(noon.Truncate(time.Minute)) {
				t.Errorf("%s: sealed at %v, %v", tt.is, sealedAt, ok)
			}
			if f.Kind == UnknownKey && f.Cookies != 0b1 {
				t.Errorf("%s: lies in the cookies %04b, want the first", tt.is, f.Cookies)
			}
		}
	}
}

func TestAllCopiesOfTheSessionAreYielded(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	var lines []string
	for i := range 3 {
		p := mustPack(t, c, copyWith(plain(fmt.Sprint("key", i), 10)), 3072)
		set, _ := c.Lines(jar.NewName(), p.Text, 1<<i, 0, noon)
		lines = append(lines, set...)
	}
	jarOf := browser{}
	jarOf.take(t, lines...)
	in := c.Collect(jarOf.header())
	o := c.Open(&in, subject)
	for want := range 4 {
		n := 0
		for b := range o.Copies {
			if n++; b.ID != subject || n > want {
				break
			}
		}
		if wantN := min(want+1, 3); n != wantN {
			t.Errorf("got %d copies before a break after %d, want %d", n, want, wantN)
		}
	}
	for b := range (&Opened{}).Copies {
		t.Errorf("nothing that was opened yields %v", b)
	}
}

func TestPartsThatAreTooMuchHaveNoName(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	long := strings.Repeat("t", 4000)
	in := c.Collect(http.Header{"Cookie": {tokenName + "-b0=abcdef.0.2." + long, tokenName + "-b1=abcdef.1.2." + long}})
	if got := in.AppendNames(nil); len(got) > 0 || in.Cookies() != 0b11 {
		t.Errorf("got the names %q in the cookies %04b, want none in two", got, in.Cookies())
	}
}

func TestListsOfEndedSessionsTravel(t *testing.T) {
	key := seal.NewKey()
	c := newCookies(mustKeys(t, key))
	var l []state.Superseded
	for i := range state.MaxSuperseded {
		l = append(l, state.Superseded{ID: strings.Repeat(fmt.Sprint(i), 32), Dot: state.Dot{Clock: uint64(i), Instance: 7}, IfLive: i%2 == 0})
	}
	line, err := c.EndingsLine(l, noon, 90*time.Second)
	if err != nil || !strings.Contains(line, "Max-Age=90") {
		t.Fatalf("got %q, %v, want one that lasts 90 s", line, err)
	}
	jarOf := browser{}
	jarOf.take(t, line)
	sealed := func(c *Cookies, plain []byte) string {
		text, err := c.Endings.Seal(noon, plain)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := jarOf[tokenName+"-x"]
	for _, tt := range []struct {
		is    string
		lists []string
		ended int
		want  []FaultKind
	}{
		{"none", nil, 0, nil},
		{"the longest", []string{good}, len(l), nil},
		{"the same twice", []string{good, good}, len(l), nil},
		{"one beside a planted one", []string{"planted", good}, len(l), []FaultKind{Malformed}},
		{"one behind four planted ones", []string{"a", "b", "c", "d", good}, 0, []FaultKind{Malformed, Malformed, Malformed, Malformed}},
		{"an empty text", []string{sealed(c, nil)}, 0, []FaultKind{Malformed}},
		{"another format", []string{sealed(c, []byte{9, 0})}, 0, []FaultKind{Malformed}},
		{"something behind the list", []string{sealed(c, []byte{state.FormatV1, 0, 0})}, 0, []FaultKind{Malformed}},
		{"no list", []string{sealed(c, []byte{state.FormatV1, 9})}, 0, []FaultKind{Malformed}},
		{"another key", []string{sealed(newCookies(mustKeys(t, seal.NewKey())), []byte{state.FormatV1, 0})}, 0, []FaultKind{UnknownKey}},
		{"another audience", []string{sealed(newCookies(mustKeys(t, key), func(c *Cookies) { c.Copies.Audience = "staging" }), []byte{state.FormatV1, 0})}, 0, []FaultKind{Audience}},
	} {
		h := http.Header{}
		for _, text := range tt.lists {
			h.Add("Cookie", tokenName+"-x="+text)
		}
		in := c.Collect(h)
		ended, faults := c.OpenEndings(&in)
		if len(ended) != tt.ended || !slices.Equal(kinds(faults), tt.want) {
			t.Errorf("%s: got %d sessions and the faults %v, want %d and %v", tt.is, len(ended), faults, tt.ended, tt.want)
		}
	}
	if _, err := newCookies(mustKeys(t, key)).EndingsLine(make([]state.Superseded, 2), noon, time.Second); err != nil {
		t.Error(err)
	}
	c.Endings.Limit = 1
	if _, err := c.EndingsLine(l, noon, time.Second); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("beyond the box's limit: %v", err)
	}
}

func TestListsWithForeignIDsMayBeLonger(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		c := newCookies(mustKeys(t, seal.NewKey()), func(c *Cookies) { c.ForeignIDs = foreign })
		line, err := c.EndingsLine([]state.Superseded{{ID: strings.Repeat("i", 1000)}}, noon, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		jarOf := browser{}
		jarOf.take(t, line)
		in := c.Collect(jarOf.header())
		if ended, _ := c.OpenEndings(&in); (len(ended) == 1) != foreign {
			t.Errorf("foreign IDs %v: got %d sessions", foreign, len(ended))
		}
	}
}

func TestCopiesLastAsLongAsTheToken(t *testing.T) {
	for _, tt := range []struct {
		maxAge int // of the token's cookie
		want   string
	}{
		{0, ""},
		{3600, "Max-Age=3600;"},
	} {
		c := newCookies(mustKeys(t, seal.NewKey()), func(c *Cookies) {
			c.MaxAge = func(end time.Time) int {
				if !end.Equal(noon) {
					t.Errorf("the copy lasts until %v, want %v", end, noon)
				}
				return tt.maxAge
			}
		})
		lines, _ := c.Lines("abcdef", "text", 1, 0, noon)
		if got := strings.Contains(lines[0], "Max-Age"); got != (tt.want != "") || !strings.Contains(lines[0], tt.want) {
			t.Errorf("%d seconds: got %q, want %q in it", tt.maxAge, lines[0], tt.want)
		}
	}
}

func TestDropLinesDropEveryCookie(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	jarOf := browser{tokenName: "token"}
	jarOf.store(t, c, mustPack(t, c, copyWith(plain("big", 2500)), 6144))
	before := len(jarOf)
	if jarOf.take(t, c.DropLines(0b1111)...); before < 3 || len(jarOf) != 1 {
		t.Errorf("%d cookies are left of %d, want the token's", len(jarOf), before)
	}
	if n := headers.SetCookieSize(c.DropLines(0)); n != 0 {
		t.Errorf("no cookies take %d bytes to drop", n)
	}
}

func TestLinesPanicsForATextThatWasNotPacked(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	newCookies(mustKeys(t, seal.NewKey())).Lines("abcdef", strings.Repeat("t", 10000), 0b1111, 0, noon)
}

func TestOwnsTheCookiesOfCopies(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	for name, want := range map[string]bool{
		tokenName: false, tokenName + "-b0": true, tokenName + "-b3": true, tokenName + "-b4": false, tokenName + "-b": false, tokenName + "-b/": false,
		tokenName + "-b00": false, tokenName + "-x": true, tokenName + "-x1": false, "other-x": false, "": false,
	} {
		if got := c.Owns(name); got != want {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

func names(l []Withheld) (out []string) {
	for _, v := range l {
		out = append(out, v.Name)
	}
	return out
}

func TestWithheldErrorNamesTheKeysTheirSizesAndTheRoom(t *testing.T) {
	for want, err := range map[string]*WithheldError{
		"session: the backup has no room for cart (5 bytes), user (4000 bytes) in 2048 bytes of cookies": {
			[]Withheld{{"cart", 5}, {"user", 4000}}, 2048, 2048,
		},
		"session: the backup has no room for cart (5 bytes) in 700 bytes of cookies, which is what other fields of the answer leave of 2048": {
			[]Withheld{{"cart", 5}}, 700, 2048,
		},
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
