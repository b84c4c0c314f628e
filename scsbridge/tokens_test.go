package scsbridge_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// cookie returns the name and value of the cookie that carries the token.
func (v *visitor) cookie() string {
	v.t.Helper()
	c := v.cookies()
	if len(c) != 1 {
		v.t.Fatalf("cookies %v, want one", c)
	}
	return c[0].Name + "=" + c[0].Value
}

func TestTheTokenStaysUntilItIsRenewedOrDestroyed(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		user := func(v *visitor) (user string) {
			v.do(func(ctx context.Context) { user = s.GetString(ctx, "user") })
			return user
		}
		v.put("user", "bob")
		first := v.cookie()
		v.put("other", 1)
		if v.cookie() != first {
			t.Error("a Put has changed the token")
		}
		thief := v.copy()
		v.do(func(ctx context.Context) {
			if err := s.RenewToken(ctx); err != nil {
				t.Errorf("RenewToken: %v", err)
			}
			s.Put(ctx, "login", true)
		})
		if v.cookie() == first || user(v) != "bob" || user(thief) != "" {
			t.Errorf("after RenewToken the visitor is %q and the old token opens %q", user(v), user(thief))
		}
		thief = v.copy()
		v.do(func(ctx context.Context) {
			if err := s.Destroy(ctx); err != nil {
				t.Errorf("Destroy: %v", err)
			}
			if got := s.Keys(ctx); len(got) != 0 {
				t.Errorf("keys %q after Destroy", got)
			}
		})
		if len(v.cookies()) != 0 || user(v) != "" || user(thief) != "" {
			t.Errorf("after Destroy: cookies %v, user %q and %q", v.cookies(), user(v), user(thief))
		}
	})
}

func TestWhatIsPutAfterDestroyBeginsANewSession(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		v.put("user", "bob")
		first := v.cookie()
		v.do(func(ctx context.Context) {
			if err := s.Destroy(ctx); err != nil {
				t.Errorf("Destroy: %v", err)
			}
			s.Put(ctx, "flash", "bye")
		})
		v.do(func(ctx context.Context) {
			if got := s.Keys(ctx); !slices.Equal(got, []string{"flash"}) || v.cookie() == first {
				t.Errorf("keys %q, cookie %s", got, v.cookie())
			}
		})
	})
}

func TestRenewTokenAndThenPutBeginASession(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		v := s.visitor()
		v.do(func(ctx context.Context) {
			if err := s.RenewToken(ctx); err != nil {
				t.Errorf("RenewToken: %v", err)
			}
			s.Put(ctx, "user", "bob")
		})
		v.do(func(ctx context.Context) {
			if got := s.GetString(ctx, "user"); got != "bob" {
				t.Errorf("got %q", got)
			}
		})
	})
}

func TestASessionEndsByLifetimeAndByIdleTimeout(t *testing.T) {
	for _, c := range []struct {
		name           string
		lifetime, idle time.Duration
		pauses         []time.Duration // with a request after each: the last finds no session
	}{
		{"lifetime", time.Hour, time.Hour, []time.Duration{30 * time.Minute, 29 * time.Minute, 2 * time.Minute}},
		{"idle timeout", 24 * time.Hour, time.Hour, []time.Duration{50 * time.Minute, 50 * time.Minute, 70 * time.Minute}},
	} {
		for name, newSite := range sites(c.lifetime, c.idle) {
			t.Run(c.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t)
					v := s.visitor()
					v.put("user", "bob")
					for i, pause := range c.pauses {
						time.Sleep(pause)
						ended := i == len(c.pauses)-1
						v.do(func(ctx context.Context) {
							if s.Exists(ctx, "user") == ended {
								t.Errorf("after %v: Exists is %v", c.pauses[:i+1], !ended)
							}
						})
					}
				})
			})
		}
	}
}
