package session_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// pages is one visitor who opens pages of many parallel calls, on instances
// whose middleware rotates a token that is a minute old.
type pages struct {
	*testing.T
	r     *rand.Rand
	links []*storetest.Faulty
	ms    []*session.Manager

	mu      sync.Mutex // guards all below
	v       *sessiontest.Visitor
	tokens  []string             // that the visitor had, in their order
	since   map[string]time.Time // when each was first seen
	written map[string]bool      // keys that were answered 200
	refused int
	out     int // answers that showed no session
}

func (p *pages) learnLocked() {
	if t := cookieOf(p.v); t != "" && !slices.Contains(p.tokens, t) {
		p.tokens = append(p.tokens, t)
		p.since[t] = time.Now()
	}
}

// call sends one request, and keeps its answer when it has come.
func (p *pages) call(n, instance int, write bool, think, down time.Duration) {
	p.mu.Lock()
	r := p.v.Request(http.MethodPost, "/", nil)
	p.mu.Unlock()
	name := fmt.Sprint("k", n)
	w := httptest.NewRecorder()
	shown := true
	p.ms[instance].Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if shown = s.ID() != ""; !shown {
			return
		}
		time.Sleep(think)
		if time.Since(s.Issued()) > time.Minute {
			s.Rotate()
		}
		if write {
			session.NewKey[int](name).Set(s, n)
		}
	})).ServeHTTP(w, r)
	time.Sleep(down)
	answer := w.Result()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.v.Keep(answer)
	p.learnLocked()
	switch {
	case answer.StatusCode != http.StatusOK:
		p.refused++
	case !shown:
		p.out++
	case write:
		p.written[name] = true
	}
}

// visit opens pages for a while; disturb is called before each.
func (p *pages) visit(many int, disturb func()) {
	n := 0
	for range many {
		disturb()
		var page sync.WaitGroup
		for range 1 + p.r.IntN(10) {
			n++
			i := n
			instance := p.r.IntN(len(p.ms))
			write := p.r.IntN(2) == 0
			think, down := time.Duration(p.r.IntN(50_000_001)), time.Duration(p.r.IntN(2_000_000_001))
			page.Go(func() { p.call(i, instance, write, think, down) })
		}
		page.Wait()
		time.Sleep(time.Duration(1+p.r.IntN(40)) * time.Second)
	}
}

// shows is what instance m shows under a token alone.
func (p *pages) shows(m *session.Manager, token string) *session.Session {
	s := m.Load(p.Context(), http.Header{"Cookie": {"__Host-session=" + token}})
	if err := s.Err(); err != nil {
		p.Errorf("under a token: %v", err)
	}
	return s
}

func (p *pages) check() {
	s := p.v.Session()
	for name := range p.written {
		if _, err := session.NewKey[int](name).Get(s); err != nil {
			p.Errorf("what was written to %s, and answered 200, is %v", name, err)
		}
	}
	if p.out > 0 {
		p.Errorf("%d answers showed no session, and nobody had logged out", p.out)
	}
	// A token is worthless once another one is older than the grace.
	for i, token := range p.tokens[:len(p.tokens)-1] {
		if time.Since(p.since[p.tokens[i+1]]) < 15*time.Second {
			continue
		}
		for _, m := range p.ms {
			if old := p.shows(m, token); old.Source() != session.FromNowhere {
				p.Errorf("token %d of %d still shows %v", i, len(p.tokens), old)
			}
		}
	}
}

// logout ends the session under one of its tokens, and looks at all.
func (p *pages) logout(token string) {
	m := p.ms[p.r.IntN(len(p.ms))]
	s := p.shows(m, token)
	if d, err := s.Destroy(p.Context()); d != session.Durable || err != nil {
		p.Errorf("Destroy: %v, %v", d, err)
	}
	for i, token := range p.tokens {
		for _, m := range p.ms {
			if s := p.shows(m, token); s.Source() != session.FromNowhere {
				p.Errorf("after the logout token %d of %d shows %v", i, len(p.tokens), s)
			}
		}
	}
	if s := p.v.Session(); s.Source() != session.FromNowhere {
		p.Errorf("after the logout the visitor's cookies show %v", s)
	}
}

func testPages(t *testing.T, seed uint64, backup bool, run func(p *pages)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pages{T: t, r: rand.New(rand.NewPCG(seed, 11)), since: map[string]time.Time{}, written: map[string]bool{}}
		store, keys := memstore.New(nil), mustKeys(t, seal.NewKey())
		for range 3 {
			link := storetest.NewFaulty(store)
			o := &session.Options{SaveTimeout: time.Second}
			if backup {
				o.Backup = &session.Backup{Audience: "test", Keys: keys, Budget: 6656, Copy: 6656, ProxyBuffer: 8704}
			}
			p.links, p.ms = append(p.links, link), append(p.ms, mustNew(t, link, o))
			link.Delay(time.Duration(p.r.IntN(3_000_001)))
		}
		time.Sleep(10 * time.Second)
		p.v = sessiontest.NewVisitor(t, p.ms[0], bob)
		p.learnLocked()
		run(p)
		for _, link := range p.links {
			link.Heal()
		}
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
}

func TestPagesWhoseTokenIsRotatedLoseNothing(t *testing.T) {
	for _, backup := range []bool{false, true} {
		t.Run(fmt.Sprint("backup ", backup), func(t *testing.T) {
			for seed := range seeds(t, 60) {
				testPages(t, seed, backup, func(p *pages) {
					p.visit(20, func() {})
					time.Sleep(10 * time.Second)
					if p.check(); p.refused > 0 {
						p.Errorf("%d requests were refused", p.refused)
					}
					if len(p.tokens) < 4 {
						p.Errorf("%d tokens in all", len(p.tokens))
					}
					young := slices.DeleteFunc(slices.Clone(p.tokens), func(t string) bool { return time.Since(p.since[t]) > 3*time.Minute })
					p.logout(young[p.r.IntN(len(young))])
				})
			}
		})
	}
}

// The links between instances and store fail, hang and lose answers meanwhile.
// Some requests are refused; no visitor is logged out, and what was answered
// stays.
func TestPagesWhoseTokenIsRotatedSurviveFaults(t *testing.T) {
	refused, tokens := 0, 0
	for seed := range seeds(t, 60) {
		testPages(t, seed, true, func(p *pages) {
			p.visit(20, func() {
				link := p.links[p.r.IntN(len(p.links))]
				switch p.r.IntN(6) {
				case 0:
					link.Fail(errRefused)
				case 1:
					link.Hang()
				case 2:
					link.LoseAcks()
				case 3:
					link.Delay(time.Duration(p.r.IntN(200_000_001)))
				default:
					for _, link := range p.links {
						link.Heal()
					}
				}
			})
			for _, link := range p.links {
				link.Heal()
			}
			time.Sleep(30 * time.Second)
			p.check()
			refused, tokens = refused+p.refused, tokens+len(p.tokens)
			p.logout(p.tokens[len(p.tokens)-1])
		})
	}
	t.Logf("%d requests refused, %d tokens", refused, tokens)
}

// seeds yields so many seeds, fewer in a short test, or where time is short.
func seeds(t *testing.T, n int) iter.Seq[uint64] {
	if testing.Short() {
		n /= 4
	}
	return func(yield func(uint64) bool) {
		for seed := range timeleft.Each(t, "seeds", n) {
			if !yield(uint64(seed)) {
				return
			}
		}
	}
}
