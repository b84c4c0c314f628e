package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

func action(kind transport.ActionKind) transport.Action {
	return transport.Action{Kind: kind, Token: token.New()}
}

// cookies returns the names of the cookies that a header sets, "-" in front of one that it
// drops.
func cookies(h http.Header) (names []string) {
	for _, line := range h["Set-Cookie"] {
		name, rest, _ := strings.Cut(line, "=")
		if strings.Contains(rest, "Max-Age=0") {
			name = "-" + name
		}
		names = append(names, name)
	}
	return names
}

func TestAnActionSaysWhatTheClientMustKnow(t *testing.T) {
	const name = "__Host-session"
	for _, test := range []struct {
		kind     transport.ActionKind
		readOnly bool
		want     []string
	}{
		{transport.Nothing, false, nil},
		{transport.Send, false, []string{name}},
		{transport.Send, true, []string{name}}, // an outer handler has saved it
		{transport.Clear, false, []string{"-" + name}},
		{transport.Clear, true, []string{"-" + name}},
		{transport.Repeat, false, nil},
		{transport.Pass, false, []string{name}},
		{transport.Pass, true, nil}, // a read-only answer sets no cookie
	} {
		h, a := http.Header{}, action(test.kind)
		a.Write(h, inCookie(), test.readOnly, false)
		if got := cookies(h); !slices.Equal(got, test.want) {
			t.Errorf("kind %d, read-only %v: got %q, want %q", test.kind, test.readOnly, got, test.want)
		}
		if private := h.Get("Cache-Control") != ""; private != (test.want != nil) {
			t.Errorf("kind %d, read-only %v: Cache-Control is %q", test.kind, test.readOnly, h.Get("Cache-Control"))
		}
		if got, want := a.Shows(test.readOnly), test.want != nil; got != want {
			t.Errorf("kind %d, read-only %v: Shows is %v, want %v", test.kind, test.readOnly, got, want)
		}
		if got, want := a.Sends(test.readOnly), slices.Equal(test.want, []string{name}); got != want {
			t.Errorf("kind %d, read-only %v: Sends is %v, want %v", test.kind, test.readOnly, got, want)
		}
	}
}

func TestAnActionInAHeaderThatIsBuiltAgain(t *testing.T) {
	for _, kind := range []transport.ActionKind{transport.Send, transport.Clear, transport.Pass} {
		h, before := http.Header{}, action(transport.Send)
		h.Add("Set-Cookie", "theme=dark")
		before.Write(h, inCookie(), false, false)
		h.Add("Set-Cookie", "__Host-session-b0=copy")
		shared := h["Set-Cookie"]
		was := slices.Clone(shared)

		a := action(kind)
		a.Write(h, inCookie(), false, true)
		if got := len(h["Set-Cookie"]); got != 3 || h["Set-Cookie"][1] != "__Host-session-b0=copy" {
			t.Errorf("kind %d: got %q, want one line of the token, behind the others", kind, h["Set-Cookie"])
		}
		if kind != transport.Clear && !strings.HasPrefix(h["Set-Cookie"][2], "__Host-session="+a.Token.Reveal()) {
			t.Errorf("kind %d: got %q, want the newer token", kind, h["Set-Cookie"])
		}
		if !slices.Equal(shared, was) {
			t.Errorf("kind %d: the slice of before has changed to %q", kind, shared)
		}
	}
	h := http.Header{}
	first, second := action(transport.Send), action(transport.Send)
	first.Write(h, inCookie(), false, false)
	second.Write(h, inCookie(), false, false)
	if got := cookies(h); len(got) != 2 {
		t.Errorf("a header that is not built again: got %q, want what stood there too", got)
	}
}

func TestATokenOfAnotherRequestIsPassedOn(t *testing.T) {
	end := time.Now().Add(time.Hour)
	next := token.New()
	for kind, want := range map[transport.ActionKind]transport.ActionKind{
		transport.Nothing: transport.Pass, transport.Pass: transport.Pass, transport.Clear: transport.Pass,
		transport.Send: transport.Send, // the client is told in any case
	} {
		a := action(kind)
		if a.Pass(next, end); a != (transport.Action{Kind: want, Token: next, End: end}) {
			t.Errorf("kind %d: got kind %d until %v, want kind %d until %v, with the other token", kind, a.Kind, a.End, want, end)
		}
	}
}

func TestTheSizeOfAnActionIsThatOfItsLine(t *testing.T) {
	for _, end := range []time.Time{{}, time.Now().Add(time.Hour)} {
		h := http.Header{}
		a := transport.Action{Kind: transport.Send, Token: token.New(), End: end}
		a.Write(h, inCookie(), false, false)
		if got, want := a.Size(inCookie()), headers.SetCookieSize(h["Set-Cookie"]); got != want {
			t.Errorf("until %v: got %d bytes, want %d", end, got, want)
		}
	}
	a := action(transport.Send)
	if got := a.Size(inHeader()); got != 0 {
		t.Errorf("in a field: got %d bytes of cookies", got)
	}
}

// speaking is a format whose cookie says why it is set.
type speaking struct{ foreign.Format }

func (speaking) SetCookie(_ context.Context, value string, s state.State, why foreign.Why, _ time.Time) string {
	if why == foreign.Seen {
		return ""
	}
	return fmt.Sprintf("sid=%s %d %d", value, why, s.Created)
}

func TestAnotherSystemsFormatDecidesAboutTheLine(t *testing.T) {
	tr := inCookie()
	tr.Format = speaking{}
	for _, test := range []struct {
		kind  transport.ActionKind
		saved bool
		want  string
	}{
		{transport.Nothing, true, ""},
		{transport.Send, true, fmt.Sprintf("sid=s:1 %d 7", foreign.Begun)},
		{transport.Pass, true, fmt.Sprintf("sid=s:1 %d 7", foreign.Begun)},
		{transport.Clear, true, fmt.Sprintf("sid= %d 7", foreign.Ended)},
		{transport.Repeat, true, fmt.Sprintf("sid=s:1 %d 7", foreign.Changed)},
		{transport.Repeat, false, ""},
	} {
		h := http.Header{"Set-Cookie": {"sid=before", "other=1"}}
		a := transport.Action{Kind: test.kind, Token: token.Foreign("s:1", "1")}
		a.WriteForeign(t.Context(), h, tr, state.State{Created: 7}, test.saved, true, time.Now())
		want := []string{"sid=before", "other=1"}
		if test.want != "" {
			want = []string{"other=1", test.want}
		}
		if got := h["Set-Cookie"]; !slices.Equal(got, want) {
			t.Errorf("kind %d, saved %v: got %q, want %q", test.kind, test.saved, got, want)
		}
		if private := h.Get("Cache-Control") != ""; private != (test.want != "") {
			t.Errorf("kind %d, saved %v: Cache-Control is %q", test.kind, test.saved, h.Get("Cache-Control"))
		}
	}
	h := http.Header{"Set-Cookie": {"sid=before"}}
	a := transport.Action{Kind: transport.Send, Token: token.Foreign("s:1", "1")}
	a.WriteForeign(t.Context(), h, tr, state.State{}, false, false, time.Now())
	if got := len(h["Set-Cookie"]); got != 2 {
		t.Errorf("a header that is not built again: got %q", h["Set-Cookie"])
	}
}
