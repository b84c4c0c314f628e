package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// smallStore refuses records with a long text.
type smallStore struct {
	session.Store
	takes time.Duration
}

func (s *smallStore) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	time.Sleep(s.takes)
	if len(r.Data) > 2000 {
		return session.Absent, session.ErrTooLarge
	}
	return s.Store.Save(ctx, id, r, over)
}

// together sends requests that a session's store gets together: the first is being
// saved when the others commit, in their order.
func (w *updates) together(handlers ...func(*session.Session)) (codes []int) {
	codes = make([]int, len(handlers))
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i, h := range handlers {
		r := w.visitor.Request(http.MethodGet, "/", nil)
		wg.Go(func() {
			answer := httptest.NewRecorder()
			w.m.Handler(ask(w.T, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
				_ = s.ID()
				time.Sleep(time.Duration(i) * time.Millisecond)
				h(s)
			})).ServeHTTP(answer, r)
			mu.Lock()
			defer mu.Unlock()
			codes[i] = answer.Code
			w.visitor.Keep(answer.Result())
		})
	}
	wg.Wait()
	return codes
}

// A value that is too large for the store does not take the others of its save with
// it.
func TestAMemberThatIsTooLargeSparesTheOthers(t *testing.T) {
	text := session.NewKey[string]("text")
	synctest.Test(t, func(t *testing.T) {
		w := newUpdates(t, false)
		small := &smallStore{Store: w.store.Store}
		w.store.Store = small
		w.store.takes.Store(int64(20 * time.Millisecond))
		inc := func(s *session.Session) { _ = count.Update(s, increment) }
		codes := w.together(inc, func(s *session.Session) { text.Set(s, strings.Repeat("x", 5000)) }, inc, inc)
		w.store.takes.Store(0)
		for i, code := range codes {
			if i != 1 && code != http.StatusOK {
				t.Errorf("request %d was answered %d", i, code)
			}
		}
		w.want(3)
	})
}

// A change of a request that was answered 503 is not in what another one saves.
func TestAChangeThatWasRefusedIsNotSavedWithOthers(t *testing.T) {
	secret := session.NewKey[string]("secret", session.ServerOnly())
	synctest.Test(t, func(t *testing.T) {
		w := newUpdates(t, true)
		lever := &lever{}
		m, err := session.New(w.store, &session.Options{ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond,
			Switch: lever, Backup: &session.Backup{Keys: mustKeys(t, seal.NewKey()), Audience: "shop-test"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close(context.Background()) })
		_ = w.m.Close(context.Background())
		time.Sleep(time.Minute)
		w.m = m
		w.visitor = sessiontest.NewVisitor(t, m, bob)
		w.store.takes.Store(int64(20 * time.Millisecond))
		time.AfterFunc(10*time.Millisecond, func() { lever.set(session.Override{Mode: session.BackupOnly}) })
		inc := func(s *session.Session) { _ = count.Update(s, increment) }
		codes := w.together(inc,
			func(s *session.Session) { _ = count.Update(s, increment); secret.Set(s, "of the refused one") },
			inc)
		w.store.takes.Store(0)
		lever.set(session.Override{})
		time.Sleep(time.Minute)
		var got int
		var sec string
		var serr error
		w.visitor.Get(w.m.RequireStore(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			got = count.Or(s, -1)
			sec, serr = secret.Get(s)
		})), "/")
		ok := 0
		for _, code := range codes {
			if code == http.StatusOK {
				ok++
			}
		}
		if got != ok {
			t.Errorf("the store counts %d, and %d were answered 200: %v", got, ok, codes)
		}
		if !errors.Is(serr, session.ErrNoValue) {
			t.Errorf("secret = %q, %v, of a request that was refused", sec, serr)
		}
	})
}

// planned is a store whose saves take what a plan says: how long each is on its way
// to the store, and how long its answer is.
type planned struct {
	session.Store
	mu   sync.Mutex
	plan []trip
}

func (p *planned) set(plan []trip) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = plan
}

// next takes the next trip, if there is one.
func (p *planned) next() (t trip, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.plan) == 0 {
		return t, false
	}
	t = p.plan[0]
	p.plan = p.plan[1:]
	return t, true
}

func (p *planned) planning() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.plan) > 0
}

type trip struct{ there, back time.Duration }

func (p *planned) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if reserved(id) {
		return p.Store.Save(ctx, id, r, over)
	}
	at, ok := p.next()
	if !ok {
		return p.Store.Save(ctx, id, r, over)
	}
	if err := pause(ctx, at.there); err != nil {
		return session.Absent, err
	}
	v, err := p.Store.Save(ctx, id, r, over)
	if err := pause(ctx, at.back); err != nil {
		return session.Absent, err
	}
	return v, err
}

func (p *planned) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if !reserved(id) && p.planning() {
		if err := pause(ctx, 45*time.Millisecond); err != nil {
			return session.Record{}, err
		}
	}
	return p.Store.Load(ctx, id)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A commit that gave up waiting while its changes were being saved is in doubt:
// another Save finds out, and does not repeat it.
func TestACommitThatGaveUpIsNotRepeated(t *testing.T) {
	for _, backup := range []bool{false, true} {
		t.Run(fmt.Sprint("backup ", backup), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &planned{Store: memstore.New(nil)}
				w := newUpdatesOn(t, p, backup)
				const lost = time.Hour
				inc := func(s *session.Session) { _ = count.Update(s, increment) }
				errs := make([]error, 3)
				saves := func(i int) func(*session.Session) {
					return func(s *session.Session) {
						inc(s)
						_, errs[i] = s.Save(context.Background())
						time.Sleep(time.Second)
						_, _ = s.Save(context.Background())
					}
				}
				plan := []trip{
					{lost, 0}, // of the first, then a look
					{95 * time.Millisecond, 0},
					{0, lost}, // of the two others, done and not answered, then a look
					{0, 0},
				}
				w.together(
					func(s *session.Session) { time.Sleep(time.Microsecond); p.set(plan); inc(s) },
					saves(1), saves(2),
				)
				p.set(nil)
				time.Sleep(time.Minute)
				var got int
				w.visitor.Get(w.m.RequireStore(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { got = count.Or(s, -1) })), "/")
				if got != 3 {
					t.Errorf("count = %d after three increments; %v", got, errs)
				}
				if errs[2] == nil && errs[1] == nil {
					t.Error("nobody gave up: the test tests nothing")
				}
			})
		})
	}
}

// gate lets a handler wait for its turn.
func (w *updates) handle(v *sessiontest.Visitor, h func(http.ResponseWriter, *session.Session)) func() int {
	r := v.Request(http.MethodGet, "/", nil)
	return func() int {
		answer := httptest.NewRecorder()
		w.m.Handler(ask(w.T, func(rw http.ResponseWriter, _ *http.Request, s *session.Session) { h(rw, s) })).ServeHTTP(answer, r)
		w.keeping.Lock()
		defer w.keeping.Unlock()
		v.Keep(answer.Result())
		return answer.Code
	}
}

func (w *updates) again(store session.Store, o *session.Options) *session.Manager {
	w.Helper()
	m, err := session.New(store, o)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = m.Close(context.Background()) })
	time.Sleep(time.Minute)
	return m
}

// A crew makes its changes on top of every write of another instance that one of its
// members has read, also where the store stops answering.
func TestACrewKnowsWhatItsMembersHaveRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newUpdates(t, true)
		other := w.again(w.store.Store, nil)
		inc := func(_ http.ResponseWriter, s *session.Session) { _ = count.Update(s, increment) }
		carried, last := w.visitor.Request(http.MethodGet, "/", nil), w.visitor.Request(http.MethodGet, "/", nil)
		newer := w.handle(w.visitor, func(rw http.ResponseWriter, s *session.Session) {
			_ = s.ID()
			time.Sleep(302*time.Millisecond - 10*time.Millisecond)
			inc(rw, s)
		})
		ok := 0
		var wg sync.WaitGroup
		var mu sync.Mutex
		run := func(f func() int) {
			wg.Go(func() {
				if f() == 200 {
					mu.Lock()
					ok++
					mu.Unlock()
				}
			})
		}
		// The older request has read before the other instance writes.
		run(w.handle(w.visitor, func(_ http.ResponseWriter, s *session.Session) {
			_ = s.ID()
			time.Sleep(301 * time.Millisecond)
			_ = count.Update(s, increment)
		}))
		time.Sleep(10 * time.Millisecond)
		for range 5 {
			o := other.Load(t.Context(), carried.Header)
			_ = count.Update(o, increment)
			if _, err := o.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// The newer one reads what stands then.
		run(newer)
		// And one that is RequireStore, and fails, when the store goes away.
		wg.Go(func() {
			answer := httptest.NewRecorder()
			w.m.RequireStore(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
				_ = s.ID()
				time.Sleep(280 * time.Millisecond)
				w.store.takes.Store(int64(time.Hour))
				_ = count.Update(s, increment)
			})).ServeHTTP(answer, last)
			if answer.Code == 200 {
				t.Error("RequireStore was answered 200")
			}
		})
		time.Sleep(310 * time.Millisecond)
		w.store.away.Store(true)
		wg.Wait()
		time.Sleep(time.Second)
		w.store.takes.Store(0)
		w.store.away.Store(false)
		time.Sleep(time.Minute)
		w.want(5 + ok)
	})
}
