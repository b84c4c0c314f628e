package sealed_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/sealed"
	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// site seals as an instance does.
type site struct {
	keys *seal.Keys
	path string
}

func newSite(t *testing.T) site {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return site{keys, "/"}
}

func (s site) options() sealed.Options {
	return sealed.Options{Keys: s.keys, Audience: "shop", Name: "__Host-session", Path: s.path, Lease: time.Hour}
}

func (s site) seal(t *testing.T, purpose string, plain []byte) string {
	t.Helper()
	box := seal.Box{Keys: s.keys, Purpose: purpose, Audience: backup.AudienceOf("shop", "__Host-session", "", s.path)}
	text, err := box.Seal(now, plain)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s site) copy(t *testing.T) string {
	t.Helper()
	at := now.UnixMilli()
	dot := state.Dot{Clock: state.ClockAt(now), Instance: 7}
	st := state.State{Created: at, Authenticated: at, LastSeen: at, End: at + 1000}
	st = st.Write([]state.Change{
		{Name: "bin", Flags: 2 << state.RankShift, Value: []byte{0xff, 0x1b}},
		{Name: "note", Flags: state.Uncompressed, Value: []byte("bread")},
	}, dot)
	c := state.Copy{
		ID: "00112233445566778899aabbccddeeff", State: st, Confirmed: at, Saved: state.ClockAt(now.Add(-time.Second)),
		Supersedes: []state.Superseded{{ID: "ffeeddccbbaa99887766554433221100", Dot: dot, Predecessor: true}},
	}
	return s.seal(t, backup.CopiesPurpose, c.Encode())
}

func (s site) endings(t *testing.T) string {
	t.Helper()
	l := []state.Superseded{{ID: "00112233445566778899aabbccddeeff", Dot: state.Dot{Clock: state.ClockAt(now)}, IfLive: true}}
	return s.seal(t, backup.EndingsPurpose, state.AppendSuperseded([]byte{state.FormatV1}, l))
}

// inTwo returns the Cookie header with a text in two cookies.
func inTwo(text string) string {
	half := len(text) / 2
	return fmt.Sprintf("Cookie: a=b; __Host-session-b1=abcdef.1.2.%s; __Host-session-b0=abcdef.0.2.%s", text[half:], text[:half])
}

func TestACopyIsShownWhole(t *testing.T) {
	s := newSite(t)
	o := s.options()
	o.Reveal = true
	r := sealed.Look(sealed.Read(inTwo(s.copy(t)), ""), o)
	if len(r.Texts) != 1 || !r.Sound() || r.Texts[0].Session == nil {
		t.Fatalf("got %+v, want one copy that opens", r)
	}
	got := r.Texts[0].Session
	if got.ID != "00112233445566778899aabbccddeeff" || !got.Unsaved || got.NeverStored {
		t.Errorf("got %+v", got)
	}
	if want := now.Add(time.Hour); !got.Vouches.Equal(want) {
		t.Errorf("it vouches until %v, want %v", got.Vouches, want)
	}
	if len(got.Supersedes) != 1 || strings.Join(got.Supersedes[0].Flags, " ") != "predecessor" {
		t.Errorf("got %+v", got.Supersedes)
	}
	if len(got.Values) != 2 {
		t.Fatalf("got %+v, want two values", got.Values)
	}
	bin, note := got.Values[0], got.Values[1]
	if bin.Rank != 2 || bin.Size != 2 || bin.Base64 == nil || *bin.Base64 != base64.StdEncoding.EncodeToString([]byte{0xff, 0x1b}) {
		t.Errorf("got %+v", bin)
	}
	if note.Value == nil || *note.Value != "bread" || strings.Join(note.Flags, " ") != "uncompressed" {
		t.Errorf("got %+v", note)
	}
	var text bytes.Buffer
	r.Write(&text, now.Add(2*time.Hour))
	for _, said := range []string{
		"__Host-session-b0, __Host-session-b1: copy, ", "ends             2026-03-04T12:00:01.000Z, which is over",
		"vouches until    2026-03-04T13:00:00.000Z, which is over", "lacked something", `"note" = bread`, "supersedes",
	} {
		if !strings.Contains(text.String(), said) {
			t.Errorf("it lacks %q:\n%s", said, text.String())
		}
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Error("a value reaches the terminal as it is")
	}
}

// A report has no value, key or token unless its reader asked for them.
func TestNothingIsShownThatNobodyAskedFor(t *testing.T) {
	s := newSite(t)
	const token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	r := sealed.Look(sealed.Read(inTwo(s.copy(t))+"; __Host-session="+token, ""), s.options())
	var text bytes.Buffer
	r.Write(&text, now)
	encoded, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	text.Write(encoded)
	for _, secret := range []string{"bread", token, "/xs="} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("it shows %q:\n%s", secret, text.String())
		}
	}
	if len(r.Tokens) != 1 {
		t.Errorf("got %d tokens, want 1", len(r.Tokens))
	}
	if r.Texts[0].Fault != "foreign" {
		t.Errorf("got %q beside the token of another session, want foreign", r.Texts[0].Fault)
	}
}

// Each thing that is wrong has a name of its own.
func TestWhatIsWrongHasAName(t *testing.T) {
	s, stranger := newSite(t), newSite(t)
	elsewhere := site{s.keys, "/shop"}
	sound := s.copy(t)
	flipped := []byte(sound)
	if flipped[80] = 'A'; sound[80] == 'A' {
		flipped[80] = 'B'
	}
	for _, tt := range []struct{ is, input, fault string }{
		{"a copy", "__Host-session-b0=abcdef.0.1." + sound, ""},
		{"a bare text", sound, ""},
		{"a bare part", "abcdef.0.1." + sound, ""},
		{"a bare list", s.endings(t), ""},
		{"a list", "__Host-session-x=" + s.endings(t), ""},
		{"a Set-Cookie line", "< set-cookie: __Host-session-b2=abcdef.0.1." + sound + "; Path=/; HttpOnly", ""},
		{"a Set-Cookie line of another path", "Set-Cookie: __Host-session-b2=abcdef.0.1." + elsewhere.copy(t) + "; Path=/shop", ""},
		{"another path", "__Host-session-b2=abcdef.0.1." + elsewhere.copy(t), "audience"},
		{"another cookie", "other-b0=abcdef.0.1." + sound, "audience"},
		{"another key", "__Host-session-b0=abcdef.0.1." + stranger.copy(t), "unknown-key"},
		{"a flipped character", "__Host-session-b0=abcdef.0.1." + string(flipped), "forged"},
		{"another purpose", s.seal(t, "journal", []byte("x")), "forged"},
		{"half a copy", "__Host-session-b0=abcdef.0.2." + sound[:100], "incomplete"},
		{"a part that is there twice", "__Host-session-b0=abcdef.0.1." + sound + "; __Host-session-b1=abcdef.0.1." + sound, "incomplete"},
		{"a text that was cut", "__Host-session-b0=abcdef.0.1." + sound[:len(sound)-4], "malformed"},
		{"no base64url", "__Host-session-b0=abcdef.0.1." + sound[:100] + "*", "malformed"},
		{"no part", "__Host-session-b0=" + sound, "malformed"},
		{"a format of later", "__Host-session-b0=abcdef.0.1.Ag" + sound[2:], "format"},
		{"a list in the cookie of a copy", "__Host-session-b0=abcdef.0.1." + s.endings(t), "misplaced"},
		{"a copy in the cookie of a list", "__Host-session-x=" + sound, "misplaced"},
		{"what no version wrote", s.seal(t, backup.CopiesPurpose, []byte{9, 9, 9}), "malformed"},
		{"a list that no version wrote", s.seal(t, backup.EndingsPurpose, []byte{9, 9, 9}), "malformed"},
	} {
		t.Run(tt.is, func(t *testing.T) {
			r := sealed.Look(sealed.Read(tt.input, ""), s.options())
			if len(r.Texts) != 1 {
				t.Fatalf("got %d texts, want 1: %+v", len(r.Texts), r)
			}
			got := r.Texts[0]
			if got.Fault != tt.fault || (got.Why == "") != (tt.fault == "") {
				t.Errorf("got %q, %q, want %q", got.Fault, got.Why, tt.fault)
			}
			if tt.fault == "" && got.Session == nil && len(got.Ended) != 1 {
				t.Errorf("it opened to nothing: %+v", got)
			}
			if r.Sound() != (tt.fault == "") {
				t.Errorf("sound: %v", r.Sound())
			}
		})
	}
}

func TestOnlyCookiesOfASessionAreTaken(t *testing.T) {
	for _, text := range []string{
		"", "\n", "a=b; c=d", "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 12\r\nX-Request-Identification: 0123456789abcdef0123456789abcdef\r\n",
		"Set-Cookie: bad cookie", "x-b4=abcdef.0.1.AAAA", "-b0", "-x",
	} {
		if in := sealed.Read(text, ""); !in.Empty() {
			t.Errorf("%q: got %+v, want nothing", text, in)
		}
	}
	s := newSite(t)
	if in := sealed.Read("other-b0=abcdef.0.1."+s.copy(t), "__Host-session"); !in.Empty() {
		t.Errorf("got %+v under another name than the one that was asked for", in)
	}
}

func FuzzLook(f *testing.F) {
	f.Add("__Host-session-b0=abcdef.0.1.AQIj; __Host-session-x=AQ")
	f.Add("Set-Cookie: a-b0=abcdef.1.2.AQIj; Path=/")
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := sealed.Look(sealed.Read(text, ""), sealed.Options{Keys: keys, Audience: "shop", Name: "__Host-session", Path: "/"})
		for _, text := range r.Texts {
			if text.Opened {
				t.Errorf("%+v opened", text)
			}
		}
		r.Write(new(bytes.Buffer), now)
	})
}
