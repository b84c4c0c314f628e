package memcached

import (
	"math"
	"testing"
	"time"
)

func TestExptime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	const day = 24 * time.Hour
	for _, test := range []struct {
		name   string
		left   time.Duration
		server int64 // its clock beside ours
		want   int64
	}{
		{"now", 0, 0, -1},
		{"past", -time.Nanosecond, 0, -1},
		{"long past", -100 * 365 * day, 0, -1},
		{"a nanosecond", 1, 0, 2},
		{"half a second", time.Second / 2, 0, 2},
		{"a second", time.Second, 0, 2},
		{"a second and a bit", time.Second + 1, 0, 3},
		{"a minute", time.Minute, 0, 61},
		{"the last that is relative", 30*day - time.Second, 0, 30 * 24 * 3600},
		{"the first that is absolute", 30 * day, 0, 1_800_000_000 + 30*24*3600 + 2},
		{"31 days", 31 * day, 0, 1_800_000_000 + 31*24*3600 + 2},
		{"31 days, by a clock a year behind", 31 * day, -365 * 24 * 3600, 1_800_000_000 - 334*24*3600 + 2},
		{"a minute, by a clock a year behind", time.Minute, -365 * 24 * 3600, 61},
		{"beyond 2038", 100 * 365 * day, 0, math.MaxInt32},
	} {
		got := exptime(now.Add(test.left), clock{now: now, server: now.Unix() + test.server})
		if got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
	if got := exptime(time.Time{}, clock{now: now}); got != 0 {
		t.Errorf("never: got %d, want 0", got)
	}
}
