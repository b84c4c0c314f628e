package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
)

// startNginx starts nginx as a proxy in front of a server, with its default
// settings but for the directives given, and returns its URL.
func startNginx(t *testing.T, server, directives string) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path = "/usr/sbin/nginx"; exec.Command(path, "-v").Run() != nil {
			t.Fatal("no nginx on this machine; install it with: apt-get install nginx")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	temp := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path %s; ", name, filepath.Join(dir, name))
	}
	config := fmt.Sprintf("daemon off; pid %s; error_log stderr; events {}\nhttp { access_log off; %s\nserver { listen %s; %s location / { proxy_pass %s; } } }\n",
		filepath.Join(dir, "pid"), temp, address, directives, server)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-p", dir, "-c", file)
	var said bytes.Buffer // to be read once the process has ended
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt) // which ends its worker too
		kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx said: %.2000s", said.String())
		}
	})
	for deadline := time.Now().Add(timeleft.Within(t, patience)); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatal("nginx does not start")
		}
	}
}

// crumbs is a browser's cookie jar for one host, which counts what goes over
// the wire. Several requests may be under way at once.
type crumbs struct {
	t      *testing.T
	url    string
	others string // cookies that are not ours
	held   map[string]string

	line, header int // the longest Cookie line, the largest header of an answer
}

// send sends a request with the cookies that are there now. What the answer sets
// is taken in later.
func (c *crumbs) send(method, path, body string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	var pairs []string
	for name, value := range c.held {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	if c.others != "" {
		pairs = append(pairs, c.others)
	}
	if line := strings.Join(pairs, "; "); line != "" {
		r.Header.Set("Cookie", line)
		c.line = max(c.line, len("Cookie: \r\n")+len(line))
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	size := len("HTTP/1.1 200 OK\r\n\r\n")
	for name, lines := range answer.Header {
		for _, line := range lines {
			size += len(name) + len(": ") + len(line) + len("\r\n")
		}
	}
	c.header = max(c.header, size)
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer
}

func (c *crumbs) take(answer *http.Response) {
	for _, cookie := range answer.Cookies() {
		if cookie.MaxAge < 0 {
			delete(c.held, cookie.Name)
		} else {
			c.held[cookie.Name] = cookie.Value
		}
	}
}

// visit sends a request and takes its answer in. Whatever nginx refuses fails.
func (c *crumbs) visit(method, path, body string, want ...int) int {
	c.t.Helper()
	answer := c.send(method, path, body)
	c.take(answer)
	if !slices.Contains(append(want, 200, 303), answer.StatusCode) {
		text, _ := io.ReadAll(answer.Body)
		c.t.Fatalf("%s %s: status %d: %.300s", method, path, answer.StatusCode, text)
	}
	return answer.StatusCode
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

var blob = session.NewKey[string]("blob")

// grower is an application whose session is as large as it is asked to be.
type grower struct {
	*httptest.Server
	gates sync.Map // of requests that wait, by their name
}

func startGrower(t *testing.T, b session.Backup) *grower {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	b.Keys, b.Audience = keys, "e2e"
	m, err := session.New(memstore.New(nil), &session.Options{
		Backup: &b, ReadTimeout: patience, SaveTimeout: patience, Cookie: session.Cookie{Persistent: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	g := new(grower)
	g.Server = httptest.NewServer(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		// What a careful handler sets.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'")
		w.Header().Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		if n, _ := strconv.Atoi(r.FormValue("policy")); n > 0 {
			w.Header().Set("Content-Security-Policy", "default-src 'self' https://"+strings.Repeat("p", n)+".test")
		}
		if name := r.FormValue("wait"); name != "" {
			v, _ := g.gates.Load(name)
			wait := v.(*gate)
			wait.loaded.Done()
			<-wait.open
		}
		switch r.URL.Path {
		case "/set":
			n, _ := strconv.Atoi(r.FormValue("n"))
			blob.Set(s, strings.Repeat("x", n))
		case "/login":
			s.Renew()
			blob.Set(s, "in")
		case "/logout":
			if _, err := s.Destroy(r.Context()); err != nil {
				session.Error(w, r, err)
			}
		}
	})))
	t.Cleanup(g.Close)
	return g
}

type gate struct {
	loaded *sync.WaitGroup
	open   chan struct{}
}

// together sends a request each for sessions of these sizes, all with the same
// cookies. They are answered one after the other, in the order given, and the
// answers arrive in another one.
func (g *grower) together(c *crumbs, round int, sizes ...int) (answers []*http.Response) {
	var loaded sync.WaitGroup
	loaded.Add(len(sizes))
	answers = make([]*http.Response, len(sizes))
	done := make([]chan struct{}, len(sizes))
	gates := make([]chan struct{}, len(sizes))
	for i, n := range sizes {
		name := fmt.Sprint(round, ".", i)
		gates[i], done[i] = make(chan struct{}), make(chan struct{})
		g.gates.Store(name, &gate{&loaded, gates[i]})
		snapshot := &crumbs{t: c.t, url: c.url, others: c.others, held: c.held}
		go func() {
			defer close(done[i])
			answers[i] = snapshot.send("GET", fmt.Sprintf("/set?n=%d&wait=%s", n, name), "")
		}()
	}
	loaded.Wait()
	for i := range sizes {
		close(gates[i])
		<-done[i]
	}
	return answers
}

// The default and the largest budget, each with copies up to the default size:
// nginx as it comes takes all of it, beside 800 bytes of other cookies.
func TestNginxTakesTheLargestJarAndTheLargestAnswer(t *testing.T) {
	for budget, quarter := range map[int]int{6144: 900, 6656: 1028} { // values that fill a quarter, sealed
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
				{quarter, quarter - 1, quarter - 2, quarter - 3}, {quarter, quarter - 1, quarter - 2, quarter - 3}, {1500, 1500, 900, 10}, {10, 900, 1500, 1500}, {1400, 1200, 1300, 1100, 1000},
			} {
				if round == 0 { // in a jar without copies there are four free places
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

// A handler sets a policy of 1.5 KB on every answer, which a copy of the default
// size has no room beside: copies are smaller there, and nginx as it comes takes
// every answer.
func TestNginxTakesTheAnswersOfAHandlerWithALargePolicy(t *testing.T) {
	g := startGrower(t, session.Backup{})
	c := &crumbs{t: t, url: startNginx(t, g.URL, ""), held: map[string]string{}}
	const policy = "policy=1500"
	for range 9 { // so that the list of ended sessions is full
		c.visit("GET", "/login?"+policy, "")
		c.visit("GET", "/login?"+policy, "")
		c.visit("GET", "/logout?"+policy, "")
	}
	for n := range timeleft.Each(t, "steps", 52) { // grows to its limit, and beyond
		c.visit("GET", fmt.Sprintf("/set?n=%d&%s", 50*n, policy), "")
		c.visit("GET", "/?"+policy, "")
	}
	c.visit("GET", "/set?n=10&"+policy, "")
	c.visit("GET", "/logout?"+policy, "")
	t.Logf("the longest Cookie line had %d bytes, the largest header of an answer %d", c.line, c.header)
	if c.header < 3000 {
		t.Error("want a test that fills the header")
	}
}

// What docs/PROXIES.md says of a larger Copy: as it comes nginx refuses the
// answer, and with the directives it takes it.
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
	g := startGrower(t, session.Backup{Audience: "e2e", Budget: 6656, Copy: 6656})
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
