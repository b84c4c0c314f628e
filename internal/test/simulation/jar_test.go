package simulation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/simulation"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestJar(t *testing.T) {
	name := func(n int) string { return strings.Repeat("n", n) }
	tests := []struct {
		is    string
		lines []string
		want  string // what a request for / carries a minute later
	}{
		{"a session cookie is kept", []string{"a=1; Path=/; Secure; HttpOnly; SameSite=Lax"}, "a=1"},
		{"a later cookie of the name takes its place, and keeps its age", []string{"a=1; Path=/", "b=2; Path=/", "a=3; Path=/"}, "a=3; b=2"},
		{"names differ in case", []string{"a=1; Path=/", "A=2; Path=/"}, "a=1; A=2"},
		{"blanks around name and value go", []string{"  a =  1 2  ; Path=/"}, "a=1 2"},
		{"a value may hold an equals sign", []string{"a=b=c; Path=/"}, "a=b=c"},
		{"a pair without an equals sign is a value", []string{"lonely; Path=/"}, "lonely"},
		{"nothing is no cookie", []string{"=; Path=/", ""}, ""},
		{"Max-Age 0 deletes", []string{"a=1; Path=/", "a=; Path=/; Max-Age=0"}, ""},
		{"a negative Max-Age deletes", []string{"a=1; Path=/", "a=; Path=/; Max-Age=-1"}, ""},
		{"a Max-Age that is no number counts as absent", []string{"a=1; Path=/; Max-Age=1e3"}, "a=1"},
		{"Max-Age ends", []string{"a=1; Path=/; Max-Age=59"}, ""},
		{"Max-Age lasts", []string{"a=1; Path=/; Max-Age=61"}, "a=1"},
		{"Max-Age wins over Expires", []string{"a=1; Path=/; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT"}, "a=1"},
		{"Expires ends", []string{"a=1; Path=/; Expires=Thu, 01 Jan 2026 12:00:30 GMT"}, ""},
		{"Expires lasts", []string{"a=1; Path=/; Expires=Thu, 01 Jan 2026 12:01:30 GMT"}, "a=1"},
		{"4096 bytes of name and value are kept", []string{name(96) + "=" + strings.Repeat("v", 4000) + "; Path=/"}, name(96) + "=" + strings.Repeat("v", 4000)},
		{"4097 are ignored, and what stood stays", []string{"a=1; Path=/", "a=" + strings.Repeat("v", 4096) + "; Path=/"}, "a=1"},
		{"an attribute of more than 1024 bytes is ignored", []string{"a=1; Path=/; Domain=" + strings.Repeat("x", 1025)}, "a=1"},
		{"a control character refuses the line", []string{"a=1\x01; Path=/"}, ""},
		{"__Host- as it must be", []string{"__Host-a=1; Path=/; Secure"}, "__Host-a=1"},
		{"__Host- without Secure", []string{"__Host-a=1; Path=/"}, ""},
		{"__Host- without Path", []string{"__Host-a=1; Secure"}, ""},
		{"__Host- with another Path", []string{"__Host-a=1; Secure; Path=/x"}, ""},
		{"__Host- with a Domain", []string{"__Host-a=1; Secure; Path=/; Domain=shop.test"}, ""},
		{"__host- in another case is meant too", []string{"__hOsT-a=1; Path=/"}, ""},
		{"__Host- hidden in the value of a nameless cookie", []string{"=__Host-a=1; Path=/; Secure"}, ""},
		{"__Secure- without Secure", []string{"__Secure-a=1; Path=/"}, ""},
		{"__Secure- with a Domain", []string{"__Secure-a=1; Path=/; Secure; Domain=shop.test"}, "__Secure-a=1"},
		{"SameSite=None without Secure", []string{"a=1; Path=/; SameSite=None"}, ""},
		{"another host's Domain", []string{"a=1; Path=/; Domain=other.test"}, ""},
		{"a Domain and none are two cookies", []string{"a=1; Path=/", "a=2; Path=/; Domain=shop.test"}, "a=1; a=2"},
		{"another Path is not sent", []string{"a=1; Path=/admin", "b=2; Path=/"}, "b=2"},
	}
	for _, test := range tests {
		t.Run(test.is, func(t *testing.T) {
			j := simulation.Jar{Host: "shop.test"}
			j.Take(test.lines, noon)
			if got := simulation.Line(j.Send("/", noon.Add(time.Minute))); got != test.want {
				t.Errorf("Cookie: %q, want %q", got, test.want)
			}
		})
	}
}

func TestJarSendsLongerPathsFirst(t *testing.T) {
	j := simulation.Jar{Host: "shop.test"}
	j.Take([]string{"a=1; Path=/", "b=2; Path=/cart", "c=3; Path=/car"}, noon)
	if got, want := simulation.Line(j.Send("/cart/7", noon)), "b=2; a=1"; got != want {
		t.Errorf("Cookie: %q, want %q", got, want)
	}
}

func TestJarKeepsNoCookieLongerThan400Days(t *testing.T) {
	j := simulation.Jar{Host: "shop.test"}
	j.Take([]string{"a=1; Path=/; Max-Age=99999999999999999999", "b=1; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT"}, noon)
	if got := len(j.Send("/", noon.Add(400*24*time.Hour-time.Second))); got != 2 {
		t.Errorf("before 400 days it sends %d cookies, want 2", got)
	}
	if got := len(j.Send("/", noon.Add(400*24*time.Hour))); got != 0 {
		t.Errorf("after 400 days it sends %d cookies, want 0", got)
	}
}

func TestJarDropsTheCookieUsedLongestAgo(t *testing.T) {
	j := simulation.Jar{Host: "shop.test", MaxAll: 3}
	for i := range 3 {
		j.Take([]string{fmt.Sprintf("c%d=1; Path=/p%d", i, i)}, noon)
	}
	j.Send("/p0", noon)
	j.Take([]string{"new=1; Path=/"}, noon)
	got := ""
	for _, c := range j.Cookies {
		got += c.Name + " "
	}
	if want := "c0 c2 new "; got != want {
		t.Errorf("the jar has %q, want %q", got, want)
	}
}

func TestACloneGoesItsOwnWay(t *testing.T) {
	j := &simulation.Jar{Host: "shop.test"}
	j.Take([]string{"a=1; Path=/"}, noon)
	c := j.Clone()
	j.Take([]string{"a=; Path=/; Max-Age=0"}, noon)
	if got, want := simulation.Line(c.Send("/", noon)), "a=1"; got != want {
		t.Errorf("the clone sends %q, want %q", got, want)
	}
}
