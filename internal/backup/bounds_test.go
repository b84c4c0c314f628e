package backup

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// inCookies puts a sealed text into as many cookies as it takes, whatever the
// budget is.
func inCookies(t *testing.T, text string) http.Header {
	t.Helper()
	values, err := jar.Split(jar.NewName(), text, 4000)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for i, v := range values {
		pairs = append(pairs, fmt.Sprintf("%s-b%d=%s", tokenName, i, v))
	}
	return http.Header{"Cookie": {strings.Join(pairs, "; ")}}
}

func TestATextThatNoInstanceSealsIsNotOpened(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	for _, size := range []int{1000, 6000} {
		text, err := c.Copies.Seal(noon, copyWith(plain("v", size)).Encode())
		if err != nil {
			t.Fatal(err)
		}
		got := open(c, inCookies(t, text), subject)
		if want := len(text) <= MaxBudget; (len(got.Copies) == 1) != want {
			t.Errorf("%d characters: got %d copies and the faults %v, want one: %v", len(text), len(got.Copies), got.Faults, want)
		}
	}
}

func TestWhatIsSealedAndNoCopyIsMalformedEachTime(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	text, err := c.Copies.Seal(noon, []byte("no copy"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := kinds(open(c, inCookies(t, text), subject).Faults); !slices.Equal(got, []FaultKind{Malformed}) {
			t.Errorf("got the faults %v, want Malformed", got)
		}
	}
}

func TestAllListsOfEndedSessionsCount(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	h := http.Header{}
	for _, id := range []string{"one", "other"} {
		line, err := c.EndingsLine([]state.Superseded{{ID: strings.Repeat("0", 32-len(id)) + id}}, noon, 0)
		if err != nil {
			t.Fatal(err)
		}
		pair, _, _ := strings.Cut(line, ";")
		h.Add("Cookie", pair)
	}
	in := c.Collect(h)
	ended, faults := c.OpenEndings(&in)
	if len(ended) != 2 || faults != nil {
		t.Errorf("got %v and the faults %v, want both", ended, faults)
	}
}

func TestACookieAsLongAsBrowsersKeepIsRead(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	const head = "abcdef.0.2."
	for length, want := range map[int]FaultKind{maxCookie: Incomplete, maxCookie + 1: Malformed} {
		name := tokenName + "-b0"
		value := head + strings.Repeat("x", length-len(name)-len(head))
		got := kinds(open(c, http.Header{"Cookie": {name + "=" + value}}, subject).Faults)
		if !slices.Equal(got, []FaultKind{want}) {
			t.Errorf("%d bytes: got the faults %v, want %v", length, got, want)
		}
	}
}

func TestWhatOtherKeysOpenedIsForgotten(t *testing.T) {
	first, second := seal.NewKey(), seal.NewKey()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte(first.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := seal.WatchFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := newCookies(file.Keys)
	old := mustPack(t, c, copyWith(), 3072)
	c.Remember(old)
	if err := os.WriteFile(path, []byte(second.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := file.Reload(); err != nil {
		t.Fatal(err)
	}
	c.Remember(mustPack(t, c, copyWith(), 3072))
	if got := kinds(open(c, inCookies(t, old.Text), subject).Faults); !slices.Equal(got, []FaultKind{UnknownKey}) {
		t.Errorf("got the faults %v, want UnknownKey", got)
	}
}

func TestTheCacheKeepsTheLatestAndCountsAll(t *testing.T) {
	var o openedCache
	b := copyWith(plain("v", 5000))
	const all, latest = 6000, 1000 // 33 MB, and less than is kept at least
	size := 0
	for sum := range uint64(all) {
		o.put(sum, 1, kept{Copy: b})
		size = max(size, o.bytes())
	}
	if size < cacheBytes*3/2 {
		t.Errorf("%d bytes are counted at most, want about two times %d", size, cacheBytes)
	}
	for sum := uint64(all - latest); sum < all; sum++ {
		if _, ok := o.get(sum, 1); !ok {
			t.Fatalf("of the last %d copies, the one before the last %d is gone", latest, all-sum)
		}
	}
}

// The race detector judges.
func TestAnyNumberOpensAndRemembers(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	p := mustPack(t, c, copyWith(), 3072)
	h := inCookies(t, p.Text)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				c.Remember(p)
				if got := open(c, h, subject); len(got.Copies) != 1 {
					t.Errorf("got the faults %v", got.Faults)
				}
			}
		})
	}
	group.Wait()
}

func TestNoValueIsWithheldThatFits(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	var values []state.Change
	for _, name := range strings.Split("abcdefgh", "") {
		values = append(values, plain(name, 300))
	}
	whole := copyWith(values...)
	whole.Saved = 0                  // the store lacks all of them
	size := func(withheld int) int { // of the cookies without so many of the values
		b, left := whole, withheld
		b.State.Entries = whole.State.Entries.Withhold(func(state.Entry) bool { left--; return left >= 0 })
		return c.Size(seal.SealedLen(len(b.Encode())))
	}
	for want := range len(values) + 1 {
		for most, want := range map[int]int{size(want): want, size(want) - 1: want + 1} {
			for fewer := want; fewer > 0 && size(fewer-1) <= most; fewer-- {
				want = fewer - 1 // two lengths may come to the same number of blocks
			}
			p, err := c.Pack(whole, Brought{}, noon, most)
			if want > len(values) {
				if !errors.Is(err, ErrTooLarge) {
					t.Errorf("%d bytes: %v, want %v", most, err, ErrTooLarge)
				}
				continue
			}
			if err != nil || len(p.Withheld) != want || c.Size(len(p.Text)) > most {
				t.Errorf("%d bytes: %d values are withheld in %d bytes, %v, want %d", most, len(p.Withheld), c.Size(len(p.Text)), err, want)
			}
		}
	}
}

func TestWhatCookiesTakeUpIsCountedAsTheyCame(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	const name = tokenName + "-b0"
	long := strings.Repeat("x", maxCookie)
	for _, test := range []struct {
		is    string
		pairs []string
		size  int
	}{
		{"one", []string{name + "=value"}, len(name + "=value; ")},
		{"one in quotes", []string{name + `="value"`}, len(name + `="value"; `)},
		{"two of one name", []string{name + "=value", name + "=planted"}, len(name + "=value; " + name + "=planted; ")},
		{"one that is too long", []string{name + "=" + long}, len(name + "=" + long + "; ")},
	} {
		in := c.Collect(http.Header{"Cookie": {strings.Join(test.pairs, "; ")}})
		if got := in.Size(1); got != test.size || in.Cookies() != 1 {
			t.Errorf("%s: got %d bytes in the cookies %04b, want %d in the first", test.is, got, in.Cookies(), test.size)
		}
	}
	if got := c.Parts(0); got != 1 {
		t.Errorf("a text of nothing takes %d cookies, want 1", got)
	}
}

func TestACopyInQuotesIsOpened(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	line := inCookies(t, mustPack(t, c, copyWith(), 3072).Text).Get("Cookie")
	name, value, _ := strings.Cut(line, "=")
	if got := open(c, http.Header{"Cookie": {name + `="` + value + `"`}}, subject); len(got.Copies) != 1 {
		t.Errorf("got the faults %v", got.Faults)
	}
}
