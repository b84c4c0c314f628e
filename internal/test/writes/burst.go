package writes

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

var marks = session.NewKey[Marks]("marks")

// world is one visitor of some instances, who sends bursts of requests.
type world struct {
	*testing.T
	place     Place
	setting   setting
	instances []*instance
	visitor   *sessiontest.Visitor
	loaded    func() // called once, when all requests of a burst have loaded

	mu           sync.Mutex // guards visitor and what is below
	sent         int        // writes; their numbers are below
	acknowledged Marks
}

// begin opens a world whose visitor has a session.
func begin(t *testing.T, p Place, s setting) *world {
	t.Helper()
	keys := s.newKeys(t)
	w := &world{T: t, place: p, setting: s, instances: p.open(t, s, keys)}
	w.visitor = sessiontest.NewVisitor(t, p.beside(t, s, keys), func(s *session.Session) {
		marks.Set(s, Marks{N: 1, Bits: []byte{1}})
	})
	w.sent = 1
	w.acknowledged.add(0)
	for _, i := range w.instances {
		i.connect(t, w.visitor.Request(http.MethodGet, "/", nil).Header)
	}
	return w
}

// burst sends n requests at once, each to the next instance and with the cookies that
// the browser has now, and returns how many were answered 200. All load before the
// first of them writes. The answers arrive in any order.
func (w *world) burst(n int) (ok int) {
	requests := make([]*http.Request, n)
	for i := range requests {
		requests[i] = w.visitor.Request(http.MethodPost, "/", nil)
	}
	loaded := w.loaded
	w.loaded = nil
	together := barrier(n, loaded)
	first := w.sent
	w.sent += n
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() {
			answer := httptest.NewRecorder()
			in := w.instances[i%len(w.instances)]
			in.Handler(mark(first+i, together)).ServeHTTP(answer, r)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.visitor.Keep(answer.Result())
			if answer.Code == http.StatusOK {
				ok++
				w.acknowledged.add(first + i)
			}
		})
	}
	wg.Wait()
	return ok
}

// mark makes the write with a number, together with others.
func mark(number int, together func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		together()
		if err != nil {
			session.Error(w, r, err)
			return
		}
		_ = marks.Update(s, func(m *Marks) error { m.add(number); return nil })
	})
}

// barrier returns a function that returns once n goroutines have called it, and then
// was called.
func barrier(n int, then func()) func() {
	var wg sync.WaitGroup
	wg.Add(n)
	var once sync.Once
	return func() {
		wg.Done()
		wg.Wait()
		once.Do(func() {
			if then != nil {
				then()
			}
		})
	}
}

// check compares the store with what was acknowledged. A write that was refused may be
// there.
func (w *world) check() {
	w.Helper()
	for _, i := range w.instances {
		i.settle(w.T)
	}
	s := w.place.beside(w.T, w.setting, nil).Load(w.Context(), w.visitor.Request(http.MethodGet, "/", nil).Header)
	got, err := marks.Get(s)
	if err != nil {
		w.Errorf("the store has no marks: %v", err)
		return
	}
	if lost := got.lacks(w.acknowledged); lost != nil {
		w.Errorf("the store lacks %d of %d writes that were answered 200: %v", len(lost), w.acknowledged.count(), lost)
	}
	if err := got.repeated(); err != nil {
		w.Error(err)
	}
}

// all adds up what the instances' stores have counted.
func (w *world) all(of func(*watched) int64) (n int64) {
	for _, i := range w.instances {
		n += of(i.store)
	}
	return n
}

// downs is how often an instance took the server for away.
func (w *world) downs() (n int64) {
	for _, i := range w.instances {
		n += i.downs.Load()
	}
	return n
}

func (w *world) saves() int64   { return w.all(func(s *watched) int64 { return s.saves.Load() }) }
func (w *world) unsaved() int64 { return w.all(func(s *watched) int64 { return s.unsaved.Load() }) }
func (w *world) unanswered() int64 {
	return w.all(func(s *watched) int64 { return s.unanswered.Load() })
}

// delay makes all lines as slow.
func (w *world) delay(row slowness) {
	for _, i := range w.instances {
		i.line.Delay(row.takes(w.setting.save))
	}
}
