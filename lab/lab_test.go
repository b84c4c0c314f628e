package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/host"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/lab/peer"
)

// A peer's process is this program once more, which here is the test.
func TestMain(m *testing.M) {
	host.Child(serveVar, child)
	os.Exit(m.Run())
}

// lab runs the lab and returns its page and its picture.
func lab(t *testing.T, args ...string) (page, picture string) {
	t.Helper()
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "page.md"), filepath.Join(dir, "picture.svg")}
	ctx, cancel := context.WithTimeout(t.Context(), timeleft.Within(t, time.Hour))
	defer cancel()
	var out bytes.Buffer
	args = append([]string{"-no-node", "-visitors", "4", "-before", "1s", "-fault", "2s", "-after", "5s", "-pause", "100ms",
		"-page", files[0], "-picture", files[1]}, args...)
	if err := run(ctx, args, &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Log(out.String())
	var texts []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts[0], texts[1]
}

// cells returns the row of a peer in the section of an act, without its first cell.
func cells(t *testing.T, page, act, title string) []string {
	t.Helper()
	_, section, _ := strings.Cut(page, "\n## "+act+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, row, ok := strings.Cut(section, "\n| "+title+" | ")
	if !ok {
		t.Fatalf("no row of %s in %s:\n%s", title, act, page)
	}
	row, _, _ = strings.Cut(row, " |\n")
	return strings.Split(row, " | ")
}

func TestOneFaultAndOneRace(t *testing.T) {
	page, picture := lab(t, "-only", "^(holdfast-redis|scs-redigo)$", "-acts", "^(killed|logout races)$")

	const ours, theirs = "Holdfast, Redis, backup", "scs, redisstore (redigo)"
	killed := cells(t, page, "Killed", ours)
	if killed[0] != "100 %" || killed[1] != "2 of 2" || !strings.HasPrefix(killed[2], "0 of ") || killed[2] == "0 of 0" ||
		killed[3] != "2 of 2" || killed[4] != "0 of 2" {
		t.Errorf("killed, Holdfast: got %q, want everybody served and kept, nothing lost or revived", killed)
	}
	// Without this peer's failure nobody would know that there was a fault.
	var served float64
	if _, err := fmt.Sscanf(cells(t, page, "Killed", theirs)[0], "%f %%", &served); err != nil || served > 50 {
		t.Errorf("killed, scs: got %v %% served, %v, want few", served, err)
	}
	if got := cells(t, page, "Logout races", ours)[3:5]; got[0] != "8 of 8" || got[1] != "0 of 8" {
		t.Errorf("logout races, Holdfast: got %q, want 8 logouts and none revived", got)
	}
	if got := cells(t, page, "Logout races", theirs)[3:5]; got[0] != "8 of 8" || got[1] != "8 of 8" {
		t.Errorf("logout races, scs with an idle timeout: got %q, want 8 logouts and all revived", got)
	}
	for _, want := range []string{"* " + ours + ": no fault in any act.\n", "* Commit: ", ", scs v2.9.0, "} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in the page", want)
		}
	}
	rects := 0
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			rects++
		}
	}
	if want := 2*2 + 4; rects != want { // and the legend
		t.Errorf("got %d cells, want %d", rects, want)
	}
}

func TestWhatIsCounted(t *testing.T) {
	in := func(user string, cart ...string) answer {
		return answer{status: 200, visit: peer.Visit{User: user, Cart: cart}}
	}
	refused := answer{status: 500}
	for _, test := range []struct {
		story string
		told  []string
		out   bool // logged out, and was told so
		last  answer
		want  figures
	}{
		{"all is there", []string{"tea", "milk"}, false, in("ann", "milk", "tea"), figures{Stayed: 1, Kept: 1, Told: 2}},
		{"a write is lost", []string{"tea", "milk"}, false, in("ann", "tea"), figures{Stayed: 1, Kept: 1, Told: 2, Lost: 1}},
		{"logged out, and the writes with it", []string{"tea"}, false, in("", "tea"), figures{Stayed: 1, Told: 1, Lost: 1}},
		{"another one's session", []string{"tea"}, false, in("bob", "tea"), figures{Stayed: 1, Told: 1, Lost: 1}},
		{"no answer until the end", []string{"tea"}, false, refused, figures{Stayed: 1, Told: 1, Lost: 1}},
		{"a logout holds", []string{"tea"}, true, in(""), figures{}},
		{"a logout is undone", []string{"tea"}, true, in("ann"), figures{Revived: 1}},
	} {
		t.Run(test.story, func(t *testing.T) {
			v := &visitor{name: "ann", told: test.told, loggedIn: !test.out}
			if test.out {
				v.old = map[string]string{"session": "before"}
			}
			var got tally
			got.judge(v, test.last)
			if got.figures != test.want {
				t.Errorf("got  %+v\nwant %+v", got.figures, test.want)
			}
			if wrong := test.want.Lost+test.want.Revived > 0; got.perfect() == wrong {
				t.Errorf("perfect() = %t", !wrong)
			}
		})
	}
}

func TestWhatIsServed(t *testing.T) {
	ann := &visitor{name: "ann"}
	mine := answer{status: 200, visit: peer.Visit{User: "ann"}, took: time.Millisecond}
	for _, test := range []struct {
		story string
		a     answer
		fault bool
		want  figures
	}{
		{"outside of the fault only the time counts", mine, false, figures{Slowest: time.Millisecond}},
		{"served", mine, true, figures{Asked: 1, Served: 1, Slowest: time.Millisecond}},
		{"as a stranger", answer{status: 200}, true, figures{Asked: 1}},
		{"refused", answer{status: 503, visit: peer.Visit{User: "ann"}}, true, figures{Asked: 1}},
		{"no answer", answer{took: time.Second}, true, figures{Asked: 1, Slowest: time.Second}},
	} {
		t.Run(test.story, func(t *testing.T) {
			var got tally
			got.saw(ann, test.a, test.fault)
			if got.figures != test.want {
				t.Errorf("got  %+v\nwant %+v", got.figures, test.want)
			}
		})
	}
}

func TestWrongFlagsAreErrors(t *testing.T) {
	for _, test := range []struct{ arg, want string }{
		{"-visitors=6", "a multiple of four"},
		{"-only=nobody", "leave nothing to do"},
		{"-acts=(", "-acts: "},
	} {
		if _, err := parse([]string{test.arg}, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.arg, err, test.want)
		}
	}
}
