package peer

import (
	"net/http"
	"sync"
	"time"
)

// The lab's own routes, on a port of their own.
const (
	ReadyPath   = "/ready"   // GET: 204 once the peer trusts its store
	ArrivedPath = "/arrived" // GET ?gate=: answers when a request stands at the gate
	ReleasePath = "/release" // POST ?gate=: lets it go on
)

// patience is how long a request, or the lab, waits at a gate.
const patience = 20 * time.Second

// gates hold requests between the reading of their session and what follows, until the
// lab lets them go. So a slow request overlaps a logout in each run, however fast the
// machine is. The zero value is ready for use.
type gates struct {
	mu  sync.Mutex
	all map[string]*gate
}

type gate struct{ arrived, released chan struct{} }

func (g *gates) of(name string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all = map[string]*gate{}
	}
	if g.all[name] == nil {
		g.all[name] = &gate{make(chan struct{}), make(chan struct{})}
	}
	return g.all[name]
}

// hold waits at the gate of that name, which one request passes. Without a name it
// returns at once.
func (g *gates) hold(name string) {
	if name == "" {
		return
	}
	gate := g.of(name)
	close(gate.arrived)
	wait(gate.released)
}

func wait(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-time.After(patience):
		return false
	}
}

func (g *gates) control(ready func() bool) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, ok bool) {
		if !ok {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	mux.HandleFunc("GET "+ReadyPath, func(w http.ResponseWriter, _ *http.Request) { answer(w, ready == nil || ready()) })
	mux.HandleFunc("GET "+ArrivedPath, func(w http.ResponseWriter, r *http.Request) {
		answer(w, wait(g.of(r.FormValue("gate")).arrived))
	})
	mux.HandleFunc("POST "+ReleasePath, func(w http.ResponseWriter, r *http.Request) {
		close(g.of(r.FormValue("gate")).released)
		answer(w, true)
	})
	return mux
}
