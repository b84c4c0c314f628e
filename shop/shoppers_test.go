package main

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// SHOP_OUTAGE=20s makes the outages of these tests as long, with 50 shoppers:
//
//	SHOP_OUTAGE=20s go test -run Shoppers -v -timeout 30m ./shop
var fullSize = os.Getenv("SHOP_OUTAGE")

// The heart of it all: real servers, stopped in every way under load.
func TestShoppersDoNotNoticeThatTheStoreStops(t *testing.T) {
	late := timeleft.Half(t)
	kill, freeze := storeProcess.kill, storeProcess.freeze
	restart, back := storeProcess.restart, storeProcess.back
	for _, c := range []struct {
		name, store string
		stop, start func(storeProcess) error
		long        bool // only with SHOP_OUTAGE
	}{
		{"memcached is killed, and restarted empty", "spawn:memcached", kill, restart, false},
		{"Redis is killed, and restarted empty", "spawn:redis", kill, restart, false},
		{"memcached is frozen, and restarted empty", "spawn:memcached", freeze, restart, true},
		{"Redis is frozen, and restarted empty", "spawn:redis", freeze, restart, false},
		{"memcached is frozen, and thawed", "spawn:memcached", freeze, back, false},
		{"Redis is frozen, and thawed", "spawn:redis", freeze, back, true},
		{"one memcached of three is killed, and restarted empty", "three", kill, restart, false},
		{"one memcached of three is frozen, and restarted empty", "three", freeze, restart, true},
		{"the store in memory is killed, and restarted empty", "memory:", kill, restart, true},
	} {
		if c.long && fullSize == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			outage, count := 2*time.Second, 16
			if fullSize != "" {
				var err error
				if outage, err = time.ParseDuration(fullSize); err != nil {
					t.Fatal(err)
				}
				count = 50
			} else {
				t.Parallel() // a few at a time
			}
			if late() {
				t.Logf("no time for more: 6 shoppers come instead of %d; -timeout gives more", count)
				count = 6
			}
			address, one := c.store, storeProcess(nil)
			if c.store == "three" {
				all := []*memcachedtest.Server{memcachedtest.Start(t), memcachedtest.Start(t), memcachedtest.Start(t)}
				address, one = memcachedScheme+all[0].Addr+","+all[1].Addr+","+all[2].Addr, node{all[1]}
			}
			s := openLive(t, address, func(o *session.Options) {
				if fullSize == "" { // a busy machine is no outage
					o.ReadTimeout, o.SaveTimeout = 400*time.Millisecond, 400*time.Millisecond
				}
			})
			if one != nil {
				s.process = one
			}
			stay, leave := s.panel.shoppers, newShoppers(s.url)
			for _, group := range []*shoppers{stay, leave} {
				t.Cleanup(group.close)
				if fullSize == "" {
					group.pause = 100 * time.Millisecond
				}
				if err := group.let(count / 2); err != nil {
					t.Fatal(err)
				}
			}
			s.wait("some requests", time.Minute, func() bool {
				return s.count(func(x sample) bool { return x.source == session.FromStore }) > 15*count
			})

			stopped := time.Now()
			if err := c.stop(s.process); err != nil {
				t.Fatal(err)
			}
			gone := time.Now() // what is sent from now on finds no store
			s.wait("the outage to be noticed", time.Minute, func() bool { return s.panel.worst(s.sessions.Stats()) == away })
			noticed := s.down()
			if noticed.Before(stopped) {
				noticed = stopped // it was taken for away before
			}
			s.wait("the outage to last, to be served from the backup, and to leave something to deliver", time.Minute, func() bool {
				return time.Since(stopped) >= outage && s.sessions.Stats().Journal.States > 0 &&
					s.count(func(x sample) bool { return x.source == session.FromBackup }) > 0
			})
			changed := func(before time.Time) (l []*shopper) {
				for _, group := range []*shoppers{stay, leave} {
					group.mu.Lock()
					for _, x := range group.departed {
						if x.wrote.After(gone) && x.wrote.Before(before) && len(x.jar.named) > 0 {
							l = append(l, x)
						}
					}
					group.mu.Unlock()
				}
				return l
			}
			leave.sendHome()                                                          // only the journal brings back what these did meanwhile
			for late := timeleft.Half(t); len(changed(time.Now())) == 0 && !late(); { // a busy machine lets few through
				if err := leave.let(count / 2); err != nil {
					t.Fatal(err)
				}
				before := leave.requests.Load()
				s.wait("more requests of those who leave", time.Minute, func() bool { return leave.requests.Load()-before > int64(2*count) })
				leave.sendHome()
			}
			owed := s.sessions.Stats().Journal
			if err := c.start(s.process); err != nil {
				t.Fatal(err)
			}
			started := time.Now()

			gave := changed(started)
			if len(gave) == 0 || owed.States == 0 {
				t.Fatalf("%d shoppers who left had changed something, the journal holds %d: this proves nothing", len(gave), owed.States)
			}
			direct := s.direct()
			var arrived time.Duration
			var missing string
			s.wait("all that was owed to arrive", time.Minute, func() bool {
				missing = ""
				for _, x := range gave {
					if err := direct.has(x); err != nil {
						missing = fmt.Sprintf("%s: %v", x.name, err)
						return false
					}
				}
				st := s.sessions.Stats()
				arrived = time.Since(started)
				return st.Journal.States == 0 && st.Journal.Tombstones == 0
			}, &missing)
			s.wait("the store to serve again", time.Minute, func() bool { return s.panel.worst(s.sessions.Stats()) == serving })
			served := time.Since(started)
			before := stay.requests.Load()
			s.wait("more requests", time.Minute, func() bool { return stay.requests.Load()-before > int64(4*count) })
			stay.sendHome()
			for _, x := range stay.departed { // by now all are in the store, or were seen to be
				if x.wrote.After(gone) {
					if err := direct.has(x); err != nil {
						t.Errorf("at the end: %s: %v", x.name, err)
					}
				}
			}

			for _, group := range []*shoppers{stay, leave} {
				failed, out := group.failed.Load(), group.logouts.Load()
				lost, revived := group.lost.Load(), group.revived.Load()
				if failed+out+lost+revived > 0 {
					t.Errorf("%d requests failed, %d shoppers were logged out, %d things were lost, %d logouts revived:\n%s", failed, out, lost, revived, group.complaints())
				}
			}
			if arrived > 10*time.Second && fullSize != "" {
				t.Errorf("what was owed arrived %v after the restart, want 10 s at most", arrived)
			}
			if d := noticed.Sub(stopped); d > time.Second && fullSize != "" {
				t.Errorf("the outage was noticed after %v, want a second at most", d)
			}
			if s.count(func(x sample) bool { return x.source == session.FromBackup }) == 0 {
				t.Error("nothing was served from the backup: this proves nothing")
			}
			t.Logf("outage %v, noticed after %v; %d requests, %d served from the backup; the journal owed %d sessions and %d tombstones, all there %v after the restart (%d shoppers who had left checked); serving again after %v; restored by visitors %d",
				outage, noticed.Sub(stopped).Round(time.Millisecond), stay.requests.Load()+leave.requests.Load(),
				s.count(func(x sample) bool { return x.source == session.FromBackup }),
				owed.States, owed.Tombstones, arrived.Round(time.Millisecond), len(gave), served.Round(time.Millisecond), s.sessions.Stats().Restores)
			for _, p := range []struct {
				name     string
				from, to time.Time
			}{{"healthy", time.Time{}, stopped}, {"not noticed yet", stopped, noticed}, {"from the backup", noticed, started}, {"afterwards", started.Add(served), time.Now()}} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					t.Log(s.latency(p.name, method, p.from, p.to))
				}
			}
		})
	}
}

// No outage that anything could notice, but an empty store, again and again.
func TestShoppersDoNotNoticeThatTheStoreIsEmptied(t *testing.T) {
	for _, address := range []string{"memory:", "spawn:memcached", "spawn:redis"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			s := openLive(t, address, func(o *session.Options) {
				o.ReadTimeout, o.SaveTimeout = 400*time.Millisecond, 400*time.Millisecond // a busy machine is no outage
			})
			c := s.panel.shoppers
			c.pause = 50 * time.Millisecond
			if err := c.let(10); err != nil {
				t.Fatal(err)
			}
			for range timeleft.Each(t, "restarts", 3) {
				before := c.requests.Load()
				s.wait("requests", time.Minute, func() bool { return c.requests.Load()-before > 100 })
				if err := s.process.restart(); err != nil {
					t.Fatal(err)
				}
			}
			s.wait("all to arrive", time.Minute, func() bool {
				st := s.sessions.Stats()
				return s.panel.worst(st) == serving && st.Journal.States == 0 && st.Journal.Tombstones == 0
			})
			before := c.requests.Load()
			s.wait("requests", time.Minute, func() bool { return c.requests.Load()-before > 200 })
			c.sendHome()
			if c.failed.Load()+c.logouts.Load()+c.lost.Load()+c.revived.Load() > 0 {
				t.Errorf("%d requests failed, %d shoppers were logged out, %d things were lost, %d logouts revived:\n%s",
					c.failed.Load(), c.logouts.Load(), c.lost.Load(), c.revived.Load(), c.complaints())
			}
			direct := s.direct()
			for _, x := range c.departed[max(0, len(c.departed)-10):] { // those who were sent home
				if err := direct.has(x); err != nil {
					t.Errorf("%s: %v", x.name, err)
				}
			}
		})
	}
}
