package override_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

var (
	evening = time.Date(2026, 11, 1, 18, 0, 0, 0, time.UTC)

	backupOnly   = session.Override{Mode: session.BackupOnly}
	backupOnly2h = session.Override{Mode: session.BackupOnly, Lease: 2 * time.Hour}
)

func TestParse(t *testing.T) {
	tests := []struct {
		text string
		want override.Order
	}{
		{"auto\n", override.Order{}},
		{"store-only\n", override.Order{Override: session.Override{Mode: session.StoreOnly}}},
		{"backup-only\n", override.Order{Override: backupOnly}},
		{"  backup-only\t2h \r\n\n", override.Order{Override: backupOnly2h}},
		{"auto 90m\n", override.Order{Override: session.Override{Lease: 90 * time.Minute}}},
		{`{"mode":"backup-only"}`, override.Order{Override: backupOnly}},
		{"\n{\n\"lease\": \"2h\",\n\"mode\": \"backup-only\"\n}\n", override.Order{Override: backupOnly2h}},
		{`{"mode":"backup-only","until":"2026-11-01T18:00:00Z"}`, override.Order{Override: backupOnly, Until: evening}},
		{`{"mode":"backup-only","until":"2026-11-01T20:00:00+02:00","by":"alice"}`, override.Order{Override: backupOnly, Until: evening, By: "alice"}},
		{`{"mode":"backup-only","shard":"10.0.0.7:11211"}`, override.Order{Override: session.Override{Mode: session.BackupOnly, Shard: "10.0.0.7:11211"}}},
	}
	for _, tt := range tests {
		if got, err := override.Parse(tt.text); err != nil || got != tt.want {
			t.Errorf("Parse(%q): got %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ is, text, says string }{
		{"nothing", " \n", "empty"},
		{"half a line", "backup-only 1", "newline"},
		{"two lines", "auto\nstore-only\n", "more than one line"},
		{"an unknown mode", "backuponly\n", `mode "backuponly"; write auto`},
		{"a mode in capitals", "AUTO\n", `mode "AUTO"`},
		{"too many words", "backup-only 2 h\n", "3 words"},
		{"a lease that is none", "backup-only 2\n", `lease "2" is no duration`},
		{"a lease of nothing", "backup-only 0s\n", `lease "0s"`},
		{"a lease before now", "backup-only -2h\n", `lease "-2h"`},
		{"no trust in the backup for one shard", `{"mode":"store-only","shard":"a"}`, "a shard goes with backup-only, and the mode is store-only"},
		{"nothing for one shard", `{"mode":"auto","shard":"a"}`, "a shard goes with backup-only"},
		{"half of the JSON", `{"mode":"backup-only"`, "JSON"},
		{"JSON without a mode", `{"lease":"2h"}`, "no mode"},
		{"an unknown field", `{"mode":"auto","leese":"2h"}`, `unknown field "leese"`},
		{"a lease in JSON that is none", `{"mode":"auto","lease":"two"}`, `lease "two"`},
		{"a lease that is a number", `{"mode":"auto","lease":2}`, "JSON"},
		{"an end that is none", `{"mode":"auto","until":"tonight"}`, "JSON"},
		{"an end at no time", `{"mode":"auto","until":"0001-01-01T00:00:00Z"}`, "until"},
		{"an end after all years", `{"mode":"auto","until":"9999-12-31T23:59:59-12:00"}`, "until"},
		{"an end before all years", `{"mode":"auto","until":"0000-12-31T00:00:00Z"}`, "until"},
		{"a name that commands a terminal", `{"mode":"auto","by":"\u001b[2Jalice"}`, "printed"},
		{"a shard that commands a terminal", `{"mode":"backup-only","shard":"a\u0000"}`, "printed"},
		{"for in a file", `{"mode":"auto","for":"1h"}`, "write until"},
		{"two ends", `{"mode":"auto","for":"1h","until":"2026-11-01T18:00:00Z"}`, "one of them"},
		{"too many words about who gave it", `{"mode":"auto","by":"` + strings.Repeat("x", 101) + `"}`, "101 bytes"},
		{"something behind the JSON", `{"mode":"auto"} {}`, "follows"},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			got, err := override.Parse(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "override: ") {
				t.Errorf("Parse(%q): got the error %v, want one of override that says %q", tt.text, err, tt.says)
			}
			if got != (override.Order{}) {
				t.Errorf("Parse(%q): got %+v beside an error, want nothing", tt.text, got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("backup-only 2h\n")
	f.Add(`{"mode":"backup-only","shard":"a"}`)
	f.Add(`{"mode":"store-only","lease":"1h","until":"2026-11-01T18:00:00+02:00"}`)
	f.Fuzz(func(t *testing.T, text string) {
		o, err := override.Parse(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(o)
		if err != nil {
			t.Fatalf("%q: Parse takes what cannot be written: %v", text, err)
		}
		again, err := override.Parse(string(written))
		if err != nil || again.Override != o.Override || !again.Until.Equal(o.Until) {
			t.Fatalf("%q: got %+v, %v of %s, want %+v", text, again, err, written, o)
		}
	})
}
