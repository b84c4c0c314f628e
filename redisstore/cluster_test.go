package redisstore

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session"
)

// The values are the specification's, and what CLUSTER KEYSLOT says.
func TestSlotOf(t *testing.T) {
	for key, want := range map[string]int{
		"123456789": 0x31c3, "": 0, "foo": 12182, "session:{a}": 15495, "session:{b}x": 3300,
		"{}foo": 9500, "foo{}{bar}": 8363, "foo{{bar}}zap": 4015, "foo{bar}{zap}": 5061, "{": 4092,
	} {
		if got := slotOf(key); got != want {
			t.Errorf("slotOf(%q): got %d, want %d", key, got, want)
		}
	}
}

func TestShardsAreFixedRangesOfSlots(t *testing.T) {
	for i, want := range map[int]string{0: "0-1023", 1: "1024-2047", 9: "9216-10239", 15: "15360-16383"} {
		if got := shardNames[i]; got != want {
			t.Errorf("shard %d: got %q, want %q", i, got, want)
		}
	}
	for _, layout := range [][]slotRange{nil, {{0, 16383, "a"}}, {{0, 8000, "a"}, {8001, 16383, "b"}}} {
		s := &Store{prefix: "", cluster: newCluster(layout)}
		for id, want := range map[session.ID]string{"123456789": "12288-13311", "foo": "11264-12287", "{": "3072-4095"} {
			if got := s.Shard(id); got != want {
				t.Errorf("with the layout %v Shard(%q): got %q, want %q", layout, id, got, want)
			}
		}
	}
}

func TestPrimariesOfAShard(t *testing.T) {
	c := newCluster([]slotRange{{100, 1023, "b"}, {0, 99, "a"}, {1024, 2047, "a"}, {2048, 15359, "c"}})
	for shard, want := range map[int]string{0: "a b", 1: "a", 2: "c", 14: "c", 15: ""} {
		if got := strings.Join(c.primaries(shard), " "); got != want {
			t.Errorf("primaries of %s: got %q, want %q", shardNames[shard], got, want)
		}
	}
	if c.doubts(0) || c.doubts(15) {
		t.Error("with a layout: a shard is in doubt before its first probe")
	}
	c.learn([]slotRange{{0, 8000, "b"}, {8001, 16383, "a"}})
	for shard, want := range map[int]string{0: "b", 7: "a b", 8: "a", 15: "a"} {
		if got := strings.Join(c.primaries(shard), " "); got != want {
			t.Errorf("after slots have moved, primaries of %s: got %q, want %q", shardNames[shard], got, want)
		}
	}
	if c = newCluster(nil); !c.doubts(0) || !c.doubts(15) || c.primaries(3) != nil {
		t.Error("without a layout: a shard is not in doubt, or has a primary")
	}
}

func BenchmarkSlotOf(b *testing.B) {
	for b.Loop() {
		slotOf("session:0123456789abcdef0123456789abcdef")
	}
}
