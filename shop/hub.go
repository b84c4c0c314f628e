package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

const (
	maxWatchers = 100
	tick        = 250 * time.Millisecond // how often the state is looked at
	beat        = 4                      // ticks between two events without news
)

// hub sends what changes on the page to all who look at it, as server-sent
// events. There is one goroutine for all of them, and it renders once for all.
type hub struct {
	render func() map[string]string
	watch  func(time.Time)
	news   chan struct{}

	mu       sync.Mutex
	watchers map[chan []byte]bool
	closed   bool
}

func newHub(render func() map[string]string, watch func(time.Time)) *hub {
	return &hub{render: render, watch: watch, news: make(chan struct{}, 1), watchers: map[chan []byte]bool{}}
}

// kick says that there is news.
func (h *hub) kick() {
	select {
	case h.news <- struct{}{}:
	default: // it is known
	}
}

// run works until ctx ends, and then ends all streams.
func (h *hub) run(ctx context.Context) {
	defer h.close()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			h.watch(now)
			if n%beat != 0 {
				continue
			}
		case <-h.news:
		}
		h.send()
	}
}

func (h *hub) send() {
	h.mu.Lock()
	n := len(h.watchers)
	h.mu.Unlock()
	if n == 0 {
		return
	}
	event := h.event()
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		select {
		case w <- event:
		default: // a slow page gets a later event
		}
	}
}

func (h *hub) event() []byte {
	data, err := json.Marshal(h.render())
	if err != nil {
		panic(err) // strings always encode
	}
	return fmt.Appendf(nil, "data: %s\n\n", data)
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watchers {
		close(w)
	}
	clear(h.watchers)
}

// enter returns nil where there is no room.
func (h *hub) enter() chan []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.watchers) >= maxWatchers {
		return nil
	}
	w := make(chan []byte, 1)
	h.watchers[w] = true
	return w
}

func (h *hub) leave(w chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

// ServeHTTP is the stream of one page. Everybody may look on; where the visitor has a
// session the stream ends with it, and the page is told: it may still show a login.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ended <-chan struct{} // nil: there is no session that could end
	if s, err := session.From(r.Context()); err == nil && s.ID() != "" {
		ended = s.Done(r.Context())
	}
	events := h.enter()
	if events == nil {
		w.Header().Set("Retry-After", "60")
		answerError(w, r, &refusal{http.StatusServiceUnavailable, "Too many look on", "The page works, but is not live."})
		return
	}
	defer h.leave(events)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	send := func(event []byte) bool {
		// The server's own deadline is for answers that end.
		if out.SetWriteDeadline(time.Now().Add(5*time.Second)) != nil {
			return false
		}
		_, err := w.Write(event)
		return err == nil && out.Flush() == nil
	}
	for event := h.event(); event != nil && send(event); {
		select {
		case event = <-events: // nil when the shop closes
		case <-ended:
			send([]byte("event: ended\ndata: the session\n\n"))
			return
		case <-r.Context().Done():
			return
		}
	}
}
