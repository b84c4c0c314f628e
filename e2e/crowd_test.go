package e2e_test

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/timeleft"
)

var crowdRounds = flag.Int("rounds", 1, "how many `rounds` each shopper behind a proxy makes before, in and after an outage")

const shoppers = 50

// tally is what the shoppers behind one proxy have seen.
type tally struct {
	mu               sync.Mutex
	answers, refused int
	failed, large    int // answered 503, of shoppers with small and with large carts
	waits            int // changes that the store does not have yet
	line, header     int
	refusal, failure string // the first of each
}

func (a *tally) add(answer *http.Response, c *crumbs, what string, small bool) {
	text, _ := io.ReadAll(answer.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers++
	a.line, a.header = max(a.line, c.line), max(a.header, c.header)
	switch {
	case !isOurs(answer.Header.Get("Content-Security-Policy")):
		a.refused++
		a.refusal = cmp.Or(a.refusal, fmt.Sprintf("%s: status %d: %.300s", what, answer.StatusCode, text))
	case answer.StatusCode == http.StatusAccepted:
		a.waits++
	case answer.StatusCode >= 500 && small:
		a.failed++
		a.failure = cmp.Or(a.failure, fmt.Sprintf("%s: status %d: %.300s", what, answer.StatusCode, text))
	case answer.StatusCode >= 500:
		a.large++
	}
}

// Four proxies with their default settings, 50 shoppers, and a store that is killed and comes
// back: each answer of the shop passes, and so does each request of its visitors.
func TestProxiesTakeEveryCookieAndEveryAnswerInAnOutage(t *testing.T) {
	for _, proxy := range proxies {
		t.Run(proxy.name, func(t *testing.T) {
			shop := startShopThatSays(t, `msg="session `, "-insecure", "-store", "spawn:redis")
			url := startProxy(t, proxy.config, shop)
			var all tally
			crowd := make([]*shopper, shoppers)
			for i := range crowd {
				crowd[i] = &shopper{crumbs: &crumbs{t: t, url: url, held: map[string]string{}, alone: true}, name: fmt.Sprint("Shopper ", i), small: i%2 == 0, all: &all}
			}
			began := time.Now()
			rounds := func() (waits int) {
				before := all.waits
				var shop sync.WaitGroup
				for _, s := range crowd {
					shop.Go(func() {
						for range *crowdRounds {
							s.round()
						}
					})
				}
				shop.Wait()
				return all.waits - before
			}
			press := func(button string) {
				t.Helper()
				(&crumbs{t: t, url: shop}).visit("POST", "/store/"+button, "")
			}
			rounds()
			press("kill")
			away := rounds()
			press("back")
			for end := time.Now().Add(timeleft.Within(t, patience)); rounds() > 0; {
				if time.Now().After(end) {
					t.Fatal("the store is back, and changes go on waiting for it")
				}
			}
			t.Logf("%d answers in %v, %d of changes in the outage; refused by the proxy %d, failed %d and %d of large carts; the longest Cookie line had %d bytes, the largest header of an answer %d",
				all.answers, time.Since(began).Round(time.Millisecond), away, all.refused, all.failed, all.large, all.line, all.header)
			if all.refused > 0 {
				t.Errorf("%d answers are the proxy's own; the first: %s", all.refused, all.refusal)
			}
			// Where the machine is busy the store is slow at times, and that is not away.
			if all.failed*100 > all.answers {
				t.Errorf("%d requests of sessions that fit into their copies fail; the first: %s", all.failed, all.failure)
			}
			if away < shoppers/2 {
				t.Errorf("%d changes waited for the store, want a test with an outage", away)
			}
			if all.line > 8192 || all.header > 4096 {
				t.Error("a default nginx would refuse that")
			}
		})
	}
}

// shopper is a visitor with several tabs.
type shopper struct {
	*crumbs
	name  string
	small bool // the cart fits into the copy
	all   *tally
}

func (s *shopper) do(method, path, body string) {
	answer := s.send(method, path, body)
	s.take(answer)
	s.all.add(answer, s.crumbs, method+" "+path, s.small)
}

// round is a login, things for the cart, pages that write at once, and a logout in every
// other round. A large cart grows over the rounds until it does not fit into its copy.
func (s *shopper) round() {
	s.do("POST", "/login", fmt.Sprintf(`{"name":%q}`, s.name))
	for range 3 {
		s.do("POST", "/user/shoppingcart", s.item())
	}
	s.do("GET", "/", "")
	var answers [3]*http.Response
	var tabs sync.WaitGroup
	for i := range answers {
		tab := &crumbs{t: s.t, url: s.url, held: s.held, alone: true}
		tabs.Go(func() {
			answers[i] = tab.send("POST", "/user/shoppingcart", s.item())
			s.all.add(answers[i], tab, "a tab", s.small)
		})
	}
	tabs.Wait()
	for _, i := range rand.Perm(len(answers)) {
		s.take(answers[i])
		s.do("GET", "/user", "")
	}
	if s.small {
		s.do("POST", "/user/shoppingcart/clear", "")
	}
	if rand.N(2) == 0 {
		s.do("POST", "/logout", "")
		s.do("GET", "/", "")
	}
}

// item is a thing, for a large cart with up to 400 bytes that hardly compress.
func (s *shopper) item() string {
	if s.small {
		return `{"sku":"rye"}`
	}
	noise := make([]byte, rand.N(200))
	for i := range noise {
		noise[i] = byte(rand.N(256))
	}
	return fmt.Sprintf(`{"sku":"rye","noise":"%x"}`, noise)
}
