package redisstore

import "testing"

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

func TestNewClusterMakesAShardOfEachPrimary(t *testing.T) {
	c := newCluster([]slotRange{{100, 16000, "b"}, {0, 99, "a"}, {16001, 16100, "a"}})
	if got := c.names; len(got) != 2 || got[0] != "0-99,16001-16100" || got[1] != "100-16000" {
		t.Errorf("names: got %q", got)
	}
	for slot, want := range map[int]uint16{0: 0, 99: 0, 100: 1, 16000: 1, 16001: 0, 16383: 0} {
		if got := c.shardOf[slot]; got != want {
			t.Errorf("slot %d: got shard %d, want %d", slot, got, want)
		}
	}
	if c = newCluster(nil); len(c.names) != 1 || c.names[0] != "0-16383" || !c.doubts(0) {
		t.Errorf("without a layout: got %q, in doubt %v, want one shard, in doubt", c.names, c.doubts(0))
	}
	c.learn([]slotRange{{0, 8000, "b"}, {8001, 16383, "a"}})
	if got := c.primaries(0); len(got) != 2 || got[0] != "a" || got[1] != "b" {
		t.Errorf("primaries: got %q, want a and b", got)
	}
}

func BenchmarkSlotOf(b *testing.B) {
	for b.Loop() {
		slotOf("session:0123456789abcdef0123456789abcdef")
	}
}
