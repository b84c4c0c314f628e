package js_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-go/session/node/internal/js"
	"github.com/holdfast-go/session/node/internal/vectors"
)

func TestLossyUTF8Vectors(t *testing.T) {
	type row struct{ Hex, DecodedThenUtf8Hex string }
	for _, r := range vectors.Rows[row](t, "connect-memcached-encrypted.json", "nodeUtf8LossyDecode") {
		b, err := hex.DecodeString(r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(js.UTF8(b)); got != r.DecodedThenUtf8Hex {
			t.Errorf("%s: got %s, want %s", r.Hex, got, r.DecodedThenUtf8Hex)
		}
	}
}

// These were read by Node 20.20.2.
func TestBase64IsReadAsByABuffer(t *testing.T) {
	for text, want := range map[string]string{
		"YQ==": "61", "YQ": "61", "YQ=": "61", "YQ==YQ==": "61", "Y Q = =": "61", "YQ=a": "61", "YWJj<": "616263",
		"YWJjZ": "616263", "YWJjZA": "61626364", "YWJj-_8": "616263fbff", "Y$WJj": "616263", "====": "", "YR==": "61",
		"YWI=YWI=": "6162", "Y": "", "=YQ": "", "YW\nJj": "616263", "YWJjZGVm=": "616263646566", "Y=Q=": "", "YW=Jj": "61",
	} {
		if got := hex.EncodeToString(js.Base64(text)); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// These are of Date.parse in Node 20.20.2, with the time zone UTC.
func TestDatesAreReadAsByDateParse(t *testing.T) {
	for text, want := range map[string]int64{
		"2023-11-14T22:14:20.000Z": 1700000060000, "2023-11-14T22:14:20Z": 1700000060000,
		"2023-11-15T06:14:20.1234567+08:00": 1700000060123, "2023": 1672531200000, "2023-11": 1698796800000,
		"2023-11-14": 1699920000000, "2023-02-31": 1677801600000, "2023-11-14T24:00:00Z": 1700006400000,
		"2023-11-14T22:14Z": 1700000040000, "2023-11-14 22:14:20+08:00": 1699971260000,
		"+002023-11-14T00:00:00Z": 1699920000000, "-000001-01-01T00:00:00Z": -62198755200000,
		"Tue, 14 Nov 2023 22:14:20 GMT":                                  1700000060000,
		"Tue Nov 14 2023 22:14:20 GMT+0000 (Coordinated Universal Time)": 1700000060000,
		"Tue, 14 Nov 2023 22:14:20 +0800":                                1699971260000,
	} {
		if got, ok := js.ParseDate(text); !ok || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "garbage", "2023-13-01", "2023-11-32", "2023-11-14T22Z", "2023-11-14T24:00:01Z", "2023-11-14T22:14:60Z",
		"2023-11-14T22:14:20.Z", "2023-11-14T22:14:20,5Z", "2023-11-14T22:14:20+24:00", "-000000-01-01T00:00:00Z",
		"+275760-09-13T00:00:00.001Z",
	} {
		if got, ok := js.ParseDate(text); ok {
			t.Errorf("%q: got %d, want no date", text, got)
		}
	}
}

func TestDatesAreWrittenAsByToISOString(t *testing.T) {
	for ms, want := range map[int64]string{
		1700000060123: "2023-11-14T22:14:20.123Z", 0: "1970-01-01T00:00:00.000Z", -1: "1969-12-31T23:59:59.999Z",
		8640000000000000: "+275760-09-13T00:00:00.000Z", -8640000000000000: "-271821-04-20T00:00:00.000Z",
		-62198755200000: "-000001-01-01T00:00:00.000Z", 253402300800000: "+010000-01-01T00:00:00.000Z",
	} {
		got := js.FormatDate(ms)
		if got != want {
			t.Errorf("%d: got %s, want %s", ms, got, want)
		}
		if back, ok := js.ParseDate(got); !ok || back != ms {
			t.Errorf("%s: got %d, %v back", got, back, ok)
		}
	}
}

func TestNumbersAreThoseOfJavaScript(t *testing.T) {
	for text, want := range map[string]float64{
		"123abc": 123, "0123": 123, " \t-5": -5, "+7.9": 7, "1e3": 1, "9007199254740993": 9007199254740992,
	} {
		if got := js.ParseInt(text); got != want {
			t.Errorf("parseInt(%q): got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "abc", "-", "--5", "."} {
		if got := js.ParseInt(text); !math.IsNaN(got) {
			t.Errorf("parseInt(%q): got %v, want NaN", text, got)
		}
	}
	for n, want := range map[float64]string{
		1e21: "1e+21", 1e20: "100000000000000000000", 0.000001: "0.000001", 1e-7: "1e-7", -0.5: "-0.5",
		math.Copysign(0, -1): "0", math.Inf(1): "Infinity",
	} {
		if got := js.FormatText(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzUTF8(f *testing.F) {
	f.Add([]byte("\xe2\x82a"))
	f.Add([]byte("\xf0\x9f\x98\x80"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if out := js.UTF8(b); !utf8.Valid(out) || utf8.Valid(b) && string(out) != string(b) {
			t.Errorf("%q: got %q", b, out)
		}
	})
}

func FuzzURIComponent(f *testing.F) {
	f.Add("s:a b/ü%+=;,")
	f.Add("%E0%A4%A")
	f.Add("%C0%80")
	f.Add("%ED%A0%80")
	f.Fuzz(func(t *testing.T, s string) {
		if out, ok := js.EncodeURIComponent(s); ok {
			if back, ok := js.DecodeURIComponent(out); !ok || back != s {
				t.Errorf("%q: got %q, %v back from %q", s, back, ok, out)
			}
		} else if utf8.ValidString(s) {
			t.Errorf("%q: refused", s)
		}
		if out, ok := js.DecodeURIComponent(s); ok && utf8.ValidString(s) && !utf8.ValidString(out) {
			t.Errorf("%q: got %q, which is not UTF-8", s, out)
		}
	})
}

func FuzzDate(f *testing.F) {
	f.Add("2023-11-14T22:14:20.000Z")
	f.Add("+275760-09-13T00:00:00.000Z")
	f.Add("Tue, 14 Nov 2023 22:14:20 GMT")
	f.Fuzz(func(t *testing.T, s string) {
		ms, ok := js.ParseDate(s)
		if !ok {
			return
		}
		if back, ok := js.ParseDate(js.FormatDate(ms)); !ok || back != ms {
			t.Errorf("%q: got %d, then %d, %v", s, ms, back, ok)
		}
	})
}

func FuzzString(f *testing.F) {
	f.Add(`"a\u0041\ud83d\ude00\ud800\n\/"`)
	f.Add("\"\xed\xdbI\"")
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) || text[0] != '"' || text[len(text)-1] != '"' {
			return
		}
		if quoted := js.Quote(text); !json.Valid(quoted) {
			t.Fatalf("%q: quoted as %s, which is not JSON", text, quoted)
		}
		s, ok := js.String(js.UTF8([]byte(text)))
		if !ok {
			t.Fatalf("%s: no string", text)
		}
		quoted := js.Quote(s)
		if back, ok := js.String(quoted); !json.Valid(quoted) || !ok || back != s {
			t.Errorf("%s: got %q, then %s, then %q", text, s, quoted, back)
		}
	})
}
