package recordid_test

import (
	"math"
	"testing"

	"github.com/holdfast-go/session/internal/recordid"
)

func TestOnlyTheWholeShapeIsReserved(t *testing.T) {
	for id, want := range map[string]bool{
		"canary-0":          false,
		"probe-0123abcd-1f": true, "probe-0123abcd": false, "probe-123-1": false, "probe-0123abcd-": false,
		"probe-0123ABCD-1": false, "probe-0123abcd-1-2": false,
		"~incarnation-0": true, "~incarnation-": false, "~-0": false, "~incarnation": false, "incarnation-0": false,
		"~In-0": false, "~a-0-0": false,
		"members-0": true, "members-12": true, "members-": false, "members": false, "members-x": false, "members-1-1": false,
		"log-0123456789abcdef0123456789abcdef-s0-0": true, "log-0123456789abcdef0123456789abcdef-l12-34": true,
		"log-0123456789abcdef0123456789abcdef-x0-0": false, "log-0123456789abcdef0123456789abcdef-s-0": false,
		"log-0123456789abcdef0123456789abcdef-s0": false, "log-0123456789abcdef0123456789abcdef-0-0": false,
		"log-0123456789abcdef-s0-0": false, "log-0123456789abcdef0123456789abcdef-s0-0-0": false,
		"log-0123456789abcdef0123456789abcdeg-s0-0": false, "log-": false, "log-0123456789abcdef0123456789abcdef-ss0-0": false,
		"adopted-0123456789abcdef0123456789abcdef": true, "adopted-0123": false, "adopted-": false,
		"revoked-0123456789abcdef0123456789abcdef": true, "revoked-0123": false, "revoked-": false, "revoked-0123456789abcdef0123456789abcdeg": false,
		"adopted-0123456789abcdef0123456789abcdeg": false,
		"user-0123456789abcdef0123456789abcdef":    true, "user-0123": false, "user-": false,
		"user-0123456789abcdef0123456789abcdeg": false, "0123456789abcdef0123456789abcdef": false, "": false,
	} {
		if got := recordid.Reserved(id); got != want {
			t.Errorf("Reserved(%q): got %v, want %v", id, got, want)
		}
	}
}

// The IDs are in stores: another spelling would lose what is there.
func TestConstructorsKeepTheirSpelling(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{recordid.Probe(1, 31), "probe-00000001-1f"},
		{recordid.Probe(math.MaxUint32, 0), "probe-ffffffff-0"},
		{recordid.Numbered(recordid.Members, 0), "members-0"},
		{recordid.Numbered(recordid.Segment([16]byte{1, 15: 0xff}, false, 70), 3), "log-010000000000000000000000000000ff-s70-3"},
		{recordid.Numbered(recordid.Segment([16]byte{1, 15: 0xff}, true, math.MaxUint32), 0), "log-010000000000000000000000000000ff-l4294967295-0"},
		{recordid.Marker([16]byte{1, 15: 0xff}), "adopted-010000000000000000000000000000ff"},
		{recordid.User([16]byte{1, 15: 0xff}), "user-010000000000000000000000000000ff"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
		if !recordid.Reserved(test.got) {
			t.Errorf("%q is not reserved", test.got)
		}
	}
}

func TestSpreadReachesEveryShard(t *testing.T) {
	seen := map[string]bool{}
	for id := range recordid.Spread {
		seen[id] = true
		if !recordid.Reserved(id) {
			t.Fatalf("%s may be a session's", id)
		}
	}
	if len(seen) != 256 {
		t.Errorf("got %d IDs, want 256", len(seen))
	}
	for id := range recordid.Spread {
		if id != recordid.Numbered(recordid.Members, 0) {
			t.Errorf("the first is %s", id)
		}
		break
	}
}
