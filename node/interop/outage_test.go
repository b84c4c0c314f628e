package interop_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// impatient is how long a visitor waits here for what never comes.
const impatient = 1500 * time.Millisecond

// hangs reports whether a request of v gets no answer in that time.
func (v *visitor) hangs(url string) bool {
	v.t.Helper()
	twin := v.twin(url)
	twin.client.Timeout = impatient
	status, text, err := twin.try(http.MethodGet, url, nil)
	if err == nil {
		v.t.Logf("%s: %d %.60q", url, status, text)
	}
	return errors.Is(err, os.ErrDeadlineExceeded) || err != nil && os.IsTimeout(err)
}

// short has the budgets that a session has by default.
func short(t testing.TB) func(*session.Options) {
	withBackup := backup(t)
	return func(o *session.Options) {
		withBackup(o)
		o.ReadTimeout, o.SaveTimeout = 0, 0
	}
}

func TestNodeHangsWithoutItsStoreAndGoDoesNot(t *testing.T) {
	type outage struct {
		s          sides
		begin, end func()
	}
	for _, test := range []struct {
		name  string
		begin func(t *testing.T) outage
	}{
		{name: "redis killed", begin: func(t *testing.T) outage {
			s, srv := onRedis(t, short(t), "--appendonly", "yes", "--appendfsync", "always")
			return outage{s, srv.Kill, srv.Restart}
		}},
		{name: "redis frozen", begin: func(t *testing.T) outage {
			s, srv := onRedis(t, short(t))
			return outage{s, srv.Freeze, srv.Thaw}
		}},
		{name: "memcached frozen", begin: func(t *testing.T) outage {
			s, srv := onMemcached(t, short(t), nil)
			return outage{s, srv.Freeze, srv.Thaw}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.begin(t)
			s, v := o.s, newVisitor(t)
			id := v.post(s.node+"/set", map[string]any{"user": "bob", "cart": 1}).ID
			s.givesACopy(t, v)

			o.begin()
			if !v.hangs(s.node + "/read") {
				t.Error("Node: got an answer, want none: NODE.md 10 says otherwise")
			}
			for i := range 20 {
				best := patience // of some, as this machine may be busy
				for n := 0; n < 5 && best > impatient/2; n++ {
					began := time.Now()
					if a := v.get(s.goSide + "/read"); a.ID != id || field(a, "user") != `"bob"` {
						t.Fatalf("Go: got %v, want bob", a)
					}
					best = min(best, time.Since(began))
				}
				if best > impatient/2 {
					t.Errorf("Go: request %d took %v", i, best)
				}
			}
			if a := v.post(s.goSide+"/set", map[string]any{"cart": 2}); a.ID != id {
				t.Fatalf("Go: got id %s, want %s", a.ID, id)
			}
			if a := v.get(s.goSide + "/read"); field(a, "cart") != "2" {
				t.Errorf("Go: got cart %s, want 2", field(a, "cart"))
			}

			// The request that hangs in Node saves what it has read once the store is
			// back, before what Go delivers or after it: Node compares nothing. Where
			// it came last, the visitor's next request to Go puts that right.
			o.end()
			after := eventually(t, "what Go wrote meanwhile, in Node", func() bool {
				twin := v.twin(s.node)
				twin.client.Timeout = impatient
				_, text, err := twin.try(http.MethodGet, s.node+"/read", nil)
				if err == nil && text == `{"id":"`+id+`","fields":{"cart":2,"user":"bob"}}` {
					return true
				}
				v.get(s.goSide + "/read")
				return false
			})
			t.Logf("both agreed %v after the store was back", after.Round(time.Millisecond))
			v.post(s.node+"/set", map[string]any{"user": "eve"})
			after = eventually(t, "what Node wrote since, in Go", func() bool { // after three good probes
				a := v.get(s.goSide + "/read")
				return field(a, "user") == `"eve"` && field(a, "cart") == "2"
			})
			t.Logf("and Go trusted it %v later", after.Round(time.Millisecond))
		})
	}
}

// givesACopy has a visitor read on the Go side until the answer is the store's, which the Go
// side trusts: until then it gives no copy that vouches, because a store that is slow to take
// saves, or new, confirms nothing.
func (s sides) givesACopy(t *testing.T, v *visitor) {
	t.Helper()
	eventually(t, "a copy of what a store has that is trusted", func() bool {
		before := s.manager.Stats()
		status, _, err := v.try(http.MethodGet, s.goSide+"/read", nil)
		after := s.manager.Stats()
		trusted := func(x session.ShardStats) bool { return x.State == session.Serving && x.Quarantine == 0 }
		return err == nil && status == http.StatusOK && before.Degraded == after.Degraded &&
			len(before.Shards) == 1 && trusted(before.Shards[0]) && trusted(after.Shards[0])
	})
}

// A memcached that was killed comes back empty: all visitors are logged out, on both sides, as
// it was with Node alone. Until then Go goes on.
func TestNodeFailsWithoutMemcachedAndGoDoesNot(t *testing.T) {
	s, srv := onMemcached(t, short(t), map[string]any{"retries": 0, "retry": 300})
	v := newVisitor(t)
	id := v.post(s.node+"/set", map[string]any{"user": "bob"}).ID
	s.givesACopy(t, v)
	srv.Kill()
	if status, text, err := v.twin(s.node).try(http.MethodGet, s.node+"/read", nil); err != nil || status != http.StatusInternalServerError {
		t.Errorf("Node: got %d %s, %v, want 500", status, text, err)
	}
	if a := v.get(s.goSide + "/read"); a.ID != id || field(a, "user") != `"bob"` {
		t.Errorf("Go: got %v, want bob", a)
	}
	srv.Restart()
	eventually(t, "a session that has ended for Node", func() bool {
		status, text, err := v.twin(s.node).try(http.MethodGet, s.node+"/read", nil)
		return err == nil && status == http.StatusOK && len(text) > 0
	})
	eventually(t, "a session that has ended for Go", func() bool {
		return v.twin(s.goSide).get(s.goSide+"/read").ID == ""
	})
	v.post(s.node+"/set", map[string]any{"user": "eve"})
	eventually(t, "an answer of Go", func() bool { // without a copy it asks for patience on a busy machine
		status, text, err := v.try(http.MethodGet, s.goSide+"/read", nil)
		if err == nil && status == http.StatusOK && !strings.Contains(text, `"user":"eve"`) {
			t.Fatalf("Go: got %s, want eve", text)
		}
		return err == nil && status == http.StatusOK
	})
}
