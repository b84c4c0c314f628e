package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// startNginx starts nginx in front of a server, with its default settings but for the
// directives given, and returns its URL.
func startNginx(t *testing.T, server, directives string) string {
	t.Helper()
	return startProxy(t, nginxWith(directives), server)
}

// The shop as it comes, behind nginx as it comes: a session that grows to its
// limit, shrinks, and overlaps with itself.
func TestNginxTakesEveryCookieAndEveryAnswerOfTheShop(t *testing.T) {
	// Six answers at once are more than there are slots, and copies of one cookie
	// and of two take each other's place: half a copy counts as none.
	url := startNginx(t, startShopThatSays(t, `msg="session backup: (partial|incomplete)"`, "-insecure"), "")
	c := &crumbs{t: t, url: url, held: map[string]string{}}
	random := rand.NewChaCha8([32]byte{1})
	item := func(size int) string {
		b := make([]byte, size/2)
		_, _ = random.Read(b)
		return fmt.Sprintf(`{"sku":"rye","noise":"%x"}`, b)
	}
	for round := range timeleft.Each(t, "rounds", 3) {
		c.visit("POST", "/login", fmt.Sprintf(`{"name":"Visitor %d"}`, round))
		grown := 0
		for n := range 200 {
			if c.visit("POST", "/user/shoppingcart", item(100), 409, 413, 422) != 200 {
				break // the cart is full
			}
			grown++
			c.visit("GET", "/user", "", 409)
			if n%10 == 0 {
				c.visit("GET", "/", "")
			}
		}
		// Pages that write at once: what they set arrives in another order.
		for range 20 {
			var answers []*http.Response
			var mu sync.Mutex
			var sent sync.WaitGroup
			for i := range 6 {
				snapshot := &crumbs{t: t, url: url, held: c.held}
				path, body := "/user/shoppingcart", item(40*i)
				if i == 0 {
					path, body = "/user/shoppingcart/clear", ""
				}
				sent.Go(func() {
					answer := snapshot.send("POST", path, body)
					mu.Lock()
					defer mu.Unlock()
					answers = append(answers, answer)
				})
			}
			sent.Wait()
			for _, i := range rand.Perm(len(answers)) {
				if s := answers[i].StatusCode; s == http.StatusBadRequest || s == http.StatusBadGateway || s == 494 {
					t.Fatalf("an answer that overlaps others: status %d", s)
				}
				c.take(answers[i])
				c.visit("GET", "/user", "", 409)
			}
		}
		c.visit("POST", "/user/shoppingcart/clear", "")
		c.visit("GET", "/", "")
		c.visit("POST", "/logout", "")
		c.visit("GET", "/", "")
		t.Logf("round %d: a cart of %d things; the longest Cookie line had %d bytes, the largest header of an answer %d", round, grown, c.line, c.header)
	}
}

// The default and the largest budget, each with copies up to the default size:
// nginx as it comes takes all of it, beside 800 bytes of other cookies.
func TestNginxTakesTheLargestJarAndTheLargestAnswer(t *testing.T) {
	for budget, share := range map[int]int{6144: 900, 6656: 1028} { // values that fill a quarter, sealed
		t.Run(fmt.Sprint("budget ", budget), func(t *testing.T) {
			g := startGrower(t, session.Backup{Audience: "e2e", Budget: budget})
			c := &crumbs{t: t, url: startNginx(t, g.URL, ""), held: map[string]string{}, others: "_ga=" + strings.Repeat("9", 796)}
			largest := 0
			measure := func() {
				n := 0
				for name, value := range c.held {
					if strings.Contains(name, "-b") {
						n += len(name) + len("=") + len(value) + len("; ")
					}
				}
				if largest = max(largest, n); n > budget {
					t.Fatalf("the jar holds %d bytes of copies, the budget is %d", n, budget)
				}
			}
			for range 9 { // so that the list of ended sessions is full
				c.visit("GET", "/login", "")
				c.visit("GET", "/login", "") // the new one supersedes the old one
				c.visit("GET", "/logout", "")
			}
			for n := 0; n < 2600; n += 50 { // grows to its limit, and beyond
				c.visit("GET", fmt.Sprint("/set?n=", n), "")
				c.visit("GET", "/", "")
				measure()
			}
			for n := 2600; n > 0; n -= 300 {
				c.visit("GET", fmt.Sprint("/set?n=", n), "")
				measure()
			}
			// Four copies, each a quarter of the budget; then any.
			for round, sizes := range [][]int{
				{share, share - 1, share - 2, share - 3}, {share, share - 1, share - 2, share - 3}, {1500, 1500, 900, 10}, {10, 900, 1500, 1500}, {1400, 1200, 1300, 1100, 1000},
			} {
				if round == 0 { // in a jar without copies all places are free
					maps.DeleteFunc(c.held, func(name, _ string) bool { return strings.Contains(name, "-b") })
				}
				answers := g.together(c, round, sizes...)
				for _, i := range rand.Perm(len(answers)) {
					if answers[i].StatusCode != http.StatusOK {
						t.Fatalf("an answer that overlaps others: status %d", answers[i].StatusCode)
					}
					c.take(answers[i])
					measure()
					c.visit("GET", "/", "")
				}
			}
			c.visit("GET", "/logout", "")
			c.visit("GET", "/", "")
			t.Logf("the largest jar held %d bytes of copies; the longest Cookie line had %d bytes, the largest header of an answer %d", largest, c.line, c.header)
			if largest < budget*8/10 || c.line < budget {
				t.Error("want a test that fills the jar")
			}
		})
	}
}

// A handler sets a policy on every answer. Beside one of 1 KB a copy of the default size
// has room. Beside larger ones copies are smaller, and nginx as it comes takes every answer.
func TestNginxTakesTheAnswersOfAHandlerWithALargePolicy(t *testing.T) {
	for _, size := range []int{1000, 1500, 2500} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) { growBesideAPolicy(t, size) })
	}
}

func growBesideAPolicy(t *testing.T, size int) {
	g := startGrower(t, session.Backup{})
	c := &crumbs{t: t, url: startNginx(t, g.URL, ""), held: map[string]string{}}
	policy := fmt.Sprint("policy=", size)
	for range 9 { // so that the list of ended sessions is full
		c.visit("GET", "/login?"+policy, "")
		c.visit("GET", "/login?"+policy, "")
		c.visit("GET", "/logout?"+policy, "")
	}
	for n := range timeleft.Each(t, "steps", 32) { // grows to its limit, and beyond
		c.visit("GET", fmt.Sprintf("/set?n=%d&%s", 50*n, policy), "")
		c.visit("GET", "/?"+policy, "")
	}
	c.visit("GET", "/set?n=10&"+policy, "")
	c.visit("GET", "/logout?"+policy, "")
	t.Logf("the longest Cookie line had %d bytes, the largest header of an answer %d", c.line, c.header)
	if c.header < 3000 || c.header > 3800 {
		t.Errorf("the largest header of an answer had %d bytes, want 3000 to 3800", c.header)
	}
}

// docs/PROXIES.md says of a larger Copy that nginx refuses the answer with its defaults, and
// takes it with the directives of that page.
func TestALargerCopyNeedsTheDirectivesOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/PROXIES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(page), "```nginx\n")
	directives, _, end := strings.Cut(block, "```")
	if !ok || !end {
		t.Fatal("docs/PROXIES.md has no block for nginx")
	}
	g := startGrower(t, session.Backup{Audience: "e2e", Budget: 6656, Copy: 6656, ProxyBuffer: 16 << 10})
	c := &crumbs{t: t, url: startNginx(t, g.URL, ""), held: map[string]string{}}
	if got := c.send("GET", "/set?n=4000", "").StatusCode; got != http.StatusBadGateway {
		t.Errorf("with its defaults nginx answers %d, want 502: the page would be wrong", got)
	}
	c.url = startNginx(t, g.URL, directives)
	for n := 0; n <= 5000; n += 250 {
		c.visit("GET", fmt.Sprint("/set?n=", n), "")
		c.visit("GET", "/", "")
	}
	t.Logf("the longest Cookie line had %d bytes, the largest header of an answer %d", c.line, c.header)
}
