package jar_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/jar"
)

// cookies are "number=value", in the order in which a request has them.
func carry(cookies ...string) *jar.Carried {
	var c jar.Carried
	for _, s := range cookies {
		number, value, _ := strings.Cut(s, "=")
		c.Add(int(number[0]-'0'), value)
	}
	return &c
}

func copiesOf(c *jar.Carried) (all []string) {
	for b := range c.Copies {
		all = append(all, fmt.Sprintf("%s:%s:%04b", b.Name, b.Text(), b.Cookies))
	}
	return all
}

func TestCarried(t *testing.T) {
	tests := []struct {
		is         string
		cookies    []string
		copies     []string
		there      jar.Mask
		incomplete bool
	}{
		{is: "no cookies are no copies"},
		{"one part is a copy", []string{"2=aaaaaa.0.1.text"}, []string{"aaaaaa:text:0100"}, 0b0100, false},
		{"two copies are two", []string{"0=aaaaaa.0.1.A", "3=bbbbbb.0.1.B"},
			[]string{"aaaaaa:A:0001", "bbbbbb:B:1000"}, 0b1001, false},
		{"parts are joined in the order of their numbers, wherever they lie",
			[]string{"3=aaaaaa.0.2.te", "1=aaaaaa.1.2.xt"}, []string{"aaaaaa:text:1010"}, 0b1010, false},
		{"a missing part makes no copy", []string{"0=aaaaaa.0.2.te", "1=bbbbbb.0.1.B"},
			[]string{"bbbbbb:B:0010"}, 0b0011, true},
		{"a part of another count is another copy's", []string{"0=aaaaaa.0.2.te", "1=aaaaaa.1.3.xt"}, nil, 0b0011, true},
		{"a part of another name is another copy's", []string{"0=aaaaaa.0.2.te", "1=aaaaab.1.2.xt"}, nil, 0b0011, true},
		{"the same value twice is one", []string{"0=aaaaaa.0.1.A", "0=aaaaaa.0.1.A", "2=aaaaaa.0.1.A"},
			[]string{"aaaaaa:A:0101"}, 0b0101, false},
		{"two values of one cookie are both kept", []string{"0=aaaaaa.0.1.planted", "0=aaaaaa.0.1.own"},
			[]string{"aaaaaa:planted:0001", "aaaaaa:own:0001"}, 0b0001, false},
		{"a planted part spoils no copy", []string{"0=aaaaaa.0.2.te", "1=aaaaaa.1.2.PLANTED", "1=aaaaaa.1.2.xt"},
			[]string{"aaaaaa:tePLANTED:0011", "aaaaaa:text:0011"}, 0b0011, false},
		{"what is no part is there", []string{"0=hello", "1=aaaaaa.0.1.A"}, []string{"aaaaaa:A:0010"}, 0b0011, true},
		{"an empty value is there", []string{"0="}, nil, 0b0001, true},
		{"an empty piece is no part", []string{"0=aaaaaa.0.1."}, nil, 0b0001, true},
		{"a number as large as the count is no part", []string{"0=aaaaaa.1.1.A"}, nil, 0b0001, true},
		{"no parts are no copy", []string{"0=aaaaaa.0.0.A"}, nil, 0b0001, true},
		{"five parts are too many", []string{"0=aaaaaa.0.5.A"}, nil, 0b0001, true},
		{"digits only", []string{"0=aaaaaa.0.:.A", "1=aaaaaa./.1.A"}, nil, 0b0011, true},
		{"another character than a dot", []string{"0=aaaaaa.0.1,A", "1=aaaaaa.0-1.A", "2=aaaaaa_0.1.A"}, nil, 0b0111, true},
		{"a name has no dots", []string{"0=aaaaa..0.1.A"}, nil, 0b0001, true},
		{"there is no fifth cookie", []string{"4=aaaaaa.0.1.A"}, nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			c := carry(tt.cookies...)
			if got := copiesOf(c); !slices.Equal(got, tt.copies) {
				t.Errorf("Copies: got %q, want %q", got, tt.copies)
			}
			if got := c.Cookies(); got != tt.there {
				t.Errorf("Cookies: got %04b, want %04b", got, tt.there)
			}
			if got := c.Incomplete(); got != tt.incomplete {
				t.Errorf("Incomplete: got %v, want %v", got, tt.incomplete)
			}
		})
	}
}

func TestAtMostSixteenValuesAreKept(t *testing.T) {
	var c jar.Carried
	for i := range 16 {
		c.Add(0, fmt.Sprintf("aaaaaa.0.1.%d", i))
	}
	if got := len(copiesOf(&c)); got != 16 || c.Incomplete() {
		t.Errorf("of 16 values: got %d copies, incomplete %v, want all", got, c.Incomplete())
	}
	c.Add(1, "aaaaaa.0.1.17")
	if got := len(copiesOf(&c)); got != 16 {
		t.Errorf("of 17 values: got %d copies, want 16", got)
	}
	if !c.Incomplete() || c.Cookies() != 0b11 {
		t.Errorf("of 17 values: got incomplete %v and cookies %04b, want true and both", c.Incomplete(), c.Cookies())
	}
}

func TestPlantedPartsMakeAtMostSixteenCopies(t *testing.T) {
	var c jar.Carried
	for i := range 16 {
		c.Add(i%4, fmt.Sprintf("aaaaaa.%d.4.%d", i%4, i)) // 4 of each make 256
	}
	if got := len(copiesOf(&c)); got != 16 {
		t.Errorf("Copies: got %d, want 16", got)
	}
}

func TestCopiesStopsWhenToldTo(t *testing.T) {
	c := carry("0=aaaaaa.0.1.A", "1=bbbbbb.0.1.B")
	n := 0
	for range c.Copies {
		n++
		break
	}
	if n != 1 {
		t.Errorf("Copies: got %d after a break, want 1", n)
	}
}

func TestWhatWasSplitIsWholeAgainAmongStrangers(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		room := 12 + r.IntN(30)
		text := strings.Repeat("0123456789", 20)[:1+r.IntN(4*(room-11))]
		values, err := split("abcdef", text, room)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, v := range values {
			if len(v) > room {
				t.Fatalf("seed %d: got a value of %d bytes, want at most %d", seed, len(v), room)
			}
		}
		lost := r.IntN(4) == 0
		if lost {
			values = slices.Delete(values, 0, 1)
		}
		for range r.IntN(6) {
			values = append(values, []string{
				"", "stranger", "zzzzzz.0.1.other", "zzzzzz.1.2.half", values0(values), "abcdeg.0.1.next", "abcdef.9.9.x",
			}[r.IntN(7)])
		}
		var c jar.Carried
		for _, i := range r.Perm(len(values)) {
			c.Add(r.IntN(jar.Most), values[i])
		}
		got := 0
		for b := range c.Copies {
			if b.Name == "abcdef" {
				got++
				if b.Text() != text {
					t.Fatalf("seed %d: got the text %q, want %q", seed, b.Text(), text)
				}
			}
		}
		if want := map[bool]int{false: 1}[lost]; got != want {
			t.Fatalf("seed %d: got the copy %d times, want %d", seed, got, want)
		}
	}
}

// values0 is a value that is there already, if there is one.
func values0(values []string) string {
	if len(values) == 0 {
		return "stranger"
	}
	return values[0]
}

func TestOneCookieIsReadWithoutAnAllocation(t *testing.T) {
	value := "abcdef.0.1.text"
	if got := testing.AllocsPerRun(100, func() {
		var c jar.Carried
		c.Add(2, value)
		for b := range c.Copies {
			if b.Text() != "text" {
				t.Error(b.Text())
			}
		}
		if c.Incomplete() {
			t.Error("incomplete")
		}
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func FuzzCarried(f *testing.F) {
	f.Add("0=abcdef.0.1.text\n1=abcdef.0.2.te\n2=abcdef.1.2.xt")
	f.Add("0=abcdef.0.1.\n9=x\n\n3")
	f.Fuzz(func(t *testing.T, cookies string) {
		var c jar.Carried
		var there jar.Mask
		values := map[string]bool{}
		for line := range strings.Lines(cookies) {
			number, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if !ok || len(number) != 1 {
				continue
			}
			cookie := int(number[0]) - '0'
			c.Add(cookie, value)
			if cookie >= 0 && cookie < jar.Most {
				there |= 1 << cookie
				values[value] = true
			}
		}
		if c.Cookies() != there {
			t.Fatalf("Cookies: got %04b, want %04b", c.Cookies(), there)
		}
		n := 0
		for b := range c.Copies {
			n++
			if b.Cookies&^there != 0 || b.Cookies == 0 {
				t.Fatalf("%q lies in %04b of %04b", b.Name, b.Cookies, there)
			}
			if !madeOf(values, b.Name, b.Text()) {
				t.Fatalf("got the copy %q %q, want one whose parts are there", b.Name, b.Text())
			}
		}
		if n > 16 {
			t.Fatalf("got %d copies, want at most 16", n)
		}
		if n == 0 && there != 0 && !c.Incomplete() {
			t.Fatal("there are cookies, no copy, and nothing is incomplete")
		}
	})
}

// madeOf reports whether some count of parts that are there makes this text.
func madeOf(values map[string]bool, name, text string) bool {
	var from func(number, count int, rest string) bool
	from = func(number, count int, rest string) bool {
		if number == count {
			return rest == ""
		}
		for n := 1; n <= len(rest); n++ {
			if values[fmt.Sprintf("%s.%d.%d.%s", name, number, count, rest[:n])] && from(number+1, count, rest[n:]) {
				return true
			}
		}
		return false
	}
	for count := 1; count <= jar.Most; count++ {
		if from(0, count, text) {
			return true
		}
	}
	return false
}
