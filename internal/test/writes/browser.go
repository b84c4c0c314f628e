package writes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// told is an answer of the application.
type told struct {
	Shown   Marks // that the session has
	Kept    bool  // what was written after the header
	Degrade bool  // the server did not answer
}

// browser is a jar of cookies and what its user knows. Its tabs share it.
type browser struct {
	*testing.T
	client *http.Client

	mu        sync.Mutex // guards all below
	cookies   map[string]cookie
	sent      int   // requests
	arrived   int   // answers
	known     Marks // that were acknowledged or shown, by an answer that has arrived
	writes    int
	displaced int // cookies that were replaced by those of an earlier request
	degraded  int
	failed    int
	refused   int // writes after the header
	late      int // those that were kept
}

type cookie struct {
	value string
	from  int // the request
}

func newBrowser(t *testing.T) *browser {
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{T: t, client: &http.Client{Transport: transport}, cookies: map[string]cookie{}}
}

// headerLocked returns the Cookie header. b.mu is held.
func (b *browser) headerLocked() string {
	var pairs []string
	for name, c := range b.cookies {
		pairs = append(pairs, name+"="+c.value)
	}
	return strings.Join(pairs, "; ")
}

// keepLocked takes the cookies of the answer to a request. b.mu is held.
func (b *browser) keepLocked(answer *http.Response, from int) {
	for _, c := range answer.Cookies() {
		had, ok := b.cookies[c.Name]
		if ok && had.from > from {
			b.displaced++
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = cookie{c.Value, from}
		}
	}
}

// request is what a tab asks for.
type request struct {
	to      string // the server's URL
	write   bool
	after   bool // it writes after the header
	transit int  // so many other answers come before this one, if they come
}

func (r request) path(number int) string {
	switch {
	case r.after:
		return fmt.Sprint("/after/", number)
	case r.write:
		return fmt.Sprint("/mark/", number)
	}
	return "/show"
}

// ask sends a request, and compares the answer with what the browser knew when it was
// sent. It knows what the answer tells once that has arrived.
func (b *browser) ask(r request) {
	b.mu.Lock()
	b.sent++
	from, number := b.sent, b.writes
	if r.write || r.after {
		b.writes++
	}
	knew, header := b.known.clone(), b.headerLocked()
	seen := b.arrived
	b.mu.Unlock()

	q, err := http.NewRequestWithContext(b.Context(), http.MethodGet, r.to+r.path(number), nil)
	if err != nil {
		panic(err)
	}
	q.Header.Set("Cookie", header)
	answer, err := b.client.Do(q)
	if err != nil {
		b.fail(fmt.Sprint(r.path(number), ": ", err))
		return
	}
	if r.transit > 0 {
		b.wait(seen + r.transit)
	}
	b.mu.Lock()
	b.keepLocked(answer, from)
	b.mu.Unlock()
	var a told
	err = json.NewDecoder(answer.Body).Decode(&a)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK {
		b.fail(fmt.Sprint(r.path(number), ": ", answer.Status, " ", err))
		return
	}
	b.learn(r, number, knew, a)
}

// wait returns when so many answers have arrived, or soon.
func (b *browser) wait(answers int) {
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b.mu.Lock()
		arrived := b.arrived
		b.mu.Unlock()
		if arrived >= answers {
			return
		}
	}
}

func (b *browser) learn(r request, number int, knew Marks, a told) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived++
	if a.Degrade {
		b.degraded++
	}
	if backwards := a.Shown.lacks(knew); backwards != nil {
		b.noteLocked("%s is shown nothing of %v, which was told before it was sent (degraded: %v)", r.path(number), backwards, a.Degrade)
	}
	b.known.join(a.Shown)
	switch {
	case !r.after && r.write:
		b.known.set(number)
	case r.after && !a.Kept:
		b.refused++
	case r.after:
		b.late++
		b.known.set(number)
	}
}

func (b *browser) fail(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noteLocked("%s", what)
}

// noteLocked fails the test, for some of the first failures aloud. b.mu is held.
func (b *browser) noteLocked(format string, a ...any) {
	b.failed++
	if b.failed <= 10 {
		b.Errorf(format, a...)
	}
}

// application marks writes and shows what is marked.
func application(m *session.Manager) http.Handler {
	write := func(s *session.Session, number int) {
		_ = marks.Update(s, func(m *Marks) error { m.add(number); return nil })
	}
	show := func(w http.ResponseWriter, s *session.Session, kept bool) {
		shown, _ := marks.Get(s) // nothing is less than what was known
		_ = json.NewEncoder(w).Encode(told{shown, kept, s.Source() == session.FromBackup})
	}
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		what, arg, _ := strings.Cut(r.URL.Path[1:], "/")
		var number int
		_, _ = fmt.Sscan(arg, &number)
		switch what {
		case "begin":
			padding.Set(s, strings.Repeat("x", 1000))
			write(s, number)
		case "mark":
			write(s, number)
		case "after":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			write(s, number)
			_, err := s.Save(r.Context())
			show(w, s, err == nil || errors.Is(err, session.ErrPending))
			return
		}
		show(w, s, false)
	}))
}

// padding makes copies so large that two fit the jar. It is as large there.
var padding = session.NewKey[string]("padding", session.Uncompressed())
