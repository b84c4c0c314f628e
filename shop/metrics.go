package main

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// metrics count the requests that used a session, second by second, for as long
// as the chart reaches back. Any number of goroutines may use it.
type metrics struct {
	mu      sync.Mutex
	seconds [reach]second // a ring, by the Unix second

	tap func(sample) // for tests; nil else
}

const reach = 180 // seconds

// second is what happened in one.
type second struct {
	unix     int64 // which one; another than asked for: nothing happened
	requests int
	stored   int // of them, served from the store
	backed   int // and from the backup
	failed   int
	took     histogram
	store    lane
}

// lane is the state of the store in a second: that of its worst shard, at the worst
// moment.
type lane uint8

const (
	unseen lane = iota
	serving
	returning
	away
)

func (l lane) String() string { return [...]string{"unseen", "serving", "returning", "away"}[l] }

// sample is one request.
type sample struct {
	method, path string
	status       int
	used         bool // a session
	source       session.Source
	began        time.Time
	took         time.Duration
}

// measure wraps Handler, whose answer may be another than that of the handler
// inside. source wraps that one.
func (m *metrics) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &sample{method: r.Method, path: r.URL.Path, began: time.Now()}
		a := &answer{ResponseWriter: w}
		next.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), sampleKey{}, s)))
		if s.used {
			s.status, s.took = a.status, time.Since(s.began)
			m.add(*s)
		}
	})
}

// source notes where the session was from. A request that does without one is
// not measured.
func (m *metrics) source(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if session, ok := session.Loaded(r.Context()); ok {
			s := r.Context().Value(sampleKey{}).(*sample)
			s.used, s.source = true, session.Source()
		}
	})
}

type sampleKey struct{}

func (m *metrics) add(s sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.atLocked(s.began.Add(s.took))
	at.requests++
	switch s.source {
	case session.FromStore:
		at.stored++
	case session.FromBackup:
		at.backed++
	case session.FromNowhere, session.Unknown:
	}
	if s.status >= http.StatusInternalServerError {
		at.failed++
	}
	at.took.add(s.took)
	if m.tap != nil {
		m.tap(s)
	}
}

// see notes how the store does.
func (m *metrics) see(now time.Time, l lane) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.atLocked(now)
	at.store = max(at.store, l)
}

// atLocked returns the second to write to.
func (m *metrics) atLocked(t time.Time) *second {
	s := &m.seconds[t.Unix()%reach]
	if s.unix != t.Unix() {
		*s = second{unix: t.Unix()}
	}
	return s
}

// last returns the n whole seconds before now, the oldest first.
func (m *metrics) last(now time.Time, n int) []second {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]second, 0, n)
	for unix := now.Unix() - int64(n); unix < now.Unix(); unix++ {
		s := m.seconds[unix%reach]
		if s.unix != unix {
			s = second{unix: unix}
		}
		out = append(out, s)
	}
	return out
}

// histogram counts durations in steps of a tenth, from 10 µs to a minute.
type histogram [160]uint16

const shortest = 10 * time.Microsecond

func (h *histogram) add(d time.Duration) {
	i := 0
	if d > shortest {
		i = min(len(h)-1, int(math.Log(float64(d)/float64(shortest))/math.Log(1.1)))
	}
	if h[i] < math.MaxUint16 {
		h[i]++
	}
}

// quantile returns what the share q of the durations is below, to a tenth; zero
// where there are none.
func (h *histogram) quantile(q float64) time.Duration {
	total := 0
	for _, n := range h {
		total += int(n)
	}
	if total == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(total)))
	for i, n := range h {
		if rank -= int(n); rank <= 0 {
			return time.Duration(float64(shortest) * math.Pow(1.1, float64(i)+.5))
		}
	}
	return time.Minute
}
