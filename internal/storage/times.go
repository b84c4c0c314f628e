package storage

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Times are the durations among the options of a Manager.
type Times struct {
	Idle, Lifetime, Refresh  time.Duration
	MaxLifetime              time.Duration
	ReadTimeout, SaveTimeout time.Duration
}

// Complete fills in the defaults and reports every mistake. local reports whether the
// store is in this process, and backup whether a request goes on without its answer.
func (t *Times) Complete(local, backup bool) error {
	read, save := defaultTimeouts(local, backup)
	t.Idle = cmp.Or(t.Idle, 30*time.Minute)
	t.Lifetime = cmp.Or(t.Lifetime, 24*time.Hour)
	// A mistake in one of them is not reported again for those that follow from it.
	if t.Lifetime >= time.Second {
		t.Idle = min(t.Idle, t.Lifetime)
	}
	t.MaxLifetime = cmp.Or(t.MaxLifetime, t.Lifetime)
	t.Refresh = cmp.Or(t.Refresh, max(t.Idle, 0)/10)
	t.ReadTimeout = cmp.Or(t.ReadTimeout, read)
	t.SaveTimeout = cmp.Or(t.SaveTimeout, save)
	return t.check()
}

// defaultTimeouts returns the defaults of ReadTimeout and SaveTimeout. Without a backup
// they are longer, because the alternative to an answer is an error.
func defaultTimeouts(local, backup bool) (read, save time.Duration) {
	switch {
	case local:
		return 10 * time.Second, 10 * time.Second
	case backup:
		return 50 * time.Millisecond, 100 * time.Millisecond
	default:
		return 250 * time.Millisecond, 500 * time.Millisecond
	}
}

// check reports every mistake.
func (t *Times) check() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("session: "+format, a...)) }
	for _, x := range []struct {
		name string
		d    time.Duration
	}{
		{"Idle", t.Idle}, {"Lifetime", t.Lifetime}, {"Refresh", t.Refresh},
		{"ReadTimeout", t.ReadTimeout}, {"SaveTimeout", t.SaveTimeout},
	} {
		counted := x.name == "Idle" || x.name == "Lifetime"
		switch {
		case x.d < 0:
			bad("%s is negative: %v", x.name, x.d)
		case counted && 0 < x.d && x.d < time.Second:
			bad("%s %v is shorter than a second, which is as fine as stores count", x.name, x.d)
		}
	}
	switch {
	case t.Lifetime > Century:
		bad("Lifetime %v is longer than a hundred years", t.Lifetime)
	case t.MaxLifetime > Century:
		bad("MaxLifetime %v is longer than a hundred years", t.MaxLifetime)
	case t.MaxLifetime < t.Lifetime && t.MaxLifetime >= 0:
		bad("MaxLifetime %v is shorter than Lifetime %v", t.MaxLifetime, t.Lifetime)
	}
	if t.Refresh > t.Idle && t.Idle >= 0 {
		bad("Refresh %v is longer than Idle %v: sessions in use would expire", t.Refresh, t.Idle)
	}
	if t.MaxLifetime < 0 && t.Lifetime >= 0 {
		bad("MaxLifetime is negative: %v", t.MaxLifetime)
	}
	return errors.Join(errs...)
}

// CheckStay reports what is wrong with how long a session is to last.
func (s *Stay) CheckStay(lifetime, idle time.Duration) error {
	switch {
	case lifetime < 0 || idle < 0:
		return fmt.Errorf("session: Remember: Lifetime %v or Idle %v is negative", lifetime, idle)
	case isShort(lifetime) || isShort(idle):
		return fmt.Errorf("session: Remember: Lifetime %v or Idle %v is shorter than a second, which is as fine as stores count", lifetime, idle)
	case lifetime > s.MaxLifetime:
		return fmt.Errorf("session: Remember: Lifetime %v is longer than Options.MaxLifetime, %v", lifetime, s.MaxLifetime)
	}
	return nil
}

func isShort(d time.Duration) bool { return 0 < d && d < time.Second }
