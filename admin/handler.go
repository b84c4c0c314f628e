package admin

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

// Access is what an operator may do.
type Access uint8

// The degrees of access.
const (
	Denied  Access = iota // the answer is 403
	MayLook               // the operator sees everything that the page shows
	MayAct                // the operator may also end sessions and give orders
)

// Options are the options of New. Nil means all defaults.
type Options struct {
	// Store is where the instances exchange their status: the store of the Manager, or any
	// other that all of them reach. Each writes a record of some KB every few seconds in
	// the background, into up to three shards. Nil: the page shows this instance alone.
	Store session.Store

	// Every is how often that record is written, from a second to an hour. It defaults to
	// 5 s. An instance that has not written for three intervals is shown as gone.
	Every time.Duration

	// Name is what the instance is called, in up to 100 bytes. It defaults to the name of
	// the host and the number of the process.
	Name string

	// Hosts are the names under which operators reach the page, without ports. A request
	// for any other Host is refused, because a page of another site could give its own name
	// the address of this server, and read (DNS rebinding). The address of a machine and
	// localhost are always served, since no site has such a name.
	Hosts []string

	// ReadOnly refuses every act, whatever an operator may do.
	ReadOnly bool

	// Values are the values of sessions that operators may see.
	Values []Value

	// Order returns the override in force: the method Order of override.Value,
	// override.File or override.Follower. Nil: the page shows each shard's mode alone.
	Order func() override.Order

	// Orders takes the orders that operators give on the page: the Source that Order follows,
	// where it is an override.Writer. An order given here has an end and a reason. Nil: the
	// page shows orders, and gives none.
	Orders override.Writer

	// Events are the calls of the Manager's hooks: see Events.Hooks. Nil: none are shown.
	Events *Events

	// Log gets a line for each act: the operator, the act, its session or user, and
	// the outcome. It defaults to slog.Default().
	Log *slog.Logger
}

// Handler serves the page and the API. Any number of goroutines may use it.
type Handler struct {
	sessions *session.Manager
	allow    func(*http.Request) (string, Access)
	options  Options
	routes   *http.ServeMux
	started  time.Time
	id       uint32
	board    *board // nil: the others are not known
	streams  streams
}

//go:embed web
var web embed.FS

const (
	usual    = 5 * time.Second
	mostName = 100
)

// New returns the Handler of a Manager. allow says for each request which operator sends it,
// for the log, and what that operator may; it checks a cookie, a certificate or a header of a
// proxy that it trusts, and is called by many goroutines at once.
//
// New fails without a Manager or without allow, and for options that make no sense. Where
// there is a Store it starts a goroutine, which Close ends.
func New(m *session.Manager, allow func(*http.Request) (by string, may Access), o *Options) (*Handler, error) {
	h := &Handler{sessions: m, allow: allow, started: time.Now(), streams: newStreams()}
	if o != nil {
		h.options = *o
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	h.routes = http.NewServeMux()
	for _, r := range h.table() {
		h.routes.Handle(r.pattern, h.answer(r.do))
	}
	if h.options.Store != nil {
		var err error
		if h.board, err = openBoard(h.options.Store, h.self); err != nil {
			return nil, err
		}
		h.id = h.board.id
		h.board.start()
	}
	return h, nil
}

// check joins what is wrong with the options, and sets the defaults.
func (h *Handler) check() error {
	var wrong []error
	if h.sessions == nil {
		wrong = append(wrong, errors.New("admin: no Manager"))
	}
	if h.allow == nil {
		wrong = append(wrong, errors.New("admin: no check of who may: pass a function that says who asks and what they may; the page ends anybody's sessions"))
	}
	o := &h.options
	switch {
	case o.Every == 0:
		o.Every = usual
	case o.Every < time.Second || o.Every > time.Hour:
		wrong = append(wrong, fmt.Errorf("admin: Every is %v; from a second to an hour makes sense", o.Every))
	}
	for _, host := range o.Hosts {
		if host == "" || strings.ContainsAny(host, "/:*@ ") {
			wrong = append(wrong, fmt.Errorf("admin: Hosts has %q; write names alone, like ops.shop.example", host))
		}
	}
	if o.Name == "" {
		host, _ := os.Hostname()
		o.Name = fmt.Sprintf("%.80s-%d", host, os.Getpid())
	}
	if len(o.Name) > mostName {
		wrong = append(wrong, fmt.Errorf("admin: Name has %d bytes; write at most %d", len(o.Name), mostName))
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return errors.Join(wrong...)
}

// Close ends the open streams, and removes this instance from the page of the others, unless
// ctx ends before. Call it before the server's Shutdown, which waits for streams.
func (h *Handler) Close(ctx context.Context) error {
	h.streams.close()
	if h.board == nil {
		return nil
	}
	return h.board.close(ctx)
}

// route is a path below the one at which the Handler is mounted.
type route struct {
	pattern string
	do      func(w http.ResponseWriter, r *http.Request, by operator) error
}

// table returns all routes. A route that is not a GET changes something, and needs Access
// MayAct.
func (h *Handler) table() []route {
	return []route{
		{"GET /{$}", h.file("page.html")},
		{"GET /admin.css", h.file("admin.css")},
		{"GET /admin.js", h.file("admin.js")},
		{"GET /api/status", h.showStatus},
		{"GET /api/sessions", h.showSessions},
		{"GET /api/session", h.showSession},
		{"GET /api/events", h.streamEvents},
		{"POST /api/end", h.end},
		{"POST /api/end-user", h.endUser},
		{"POST /api/end-before", h.endBefore},
		{"POST /api/order", h.setOrder},
		{"POST /api/clear-order", h.clearOrder},
	}
}

// ServeHTTP implements http.Handler. It answers nothing about the page, not even whether a path
// exists, before the request has passed every check.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	by, err := h.admit(r)
	if err != nil {
		reply(w, statusOf(err), failure{err.Error()})
		return
	}
	if r.URL.Path == "" { // as StripPrefix leaves it; the page's links need the slash
		asked, _, _ := strings.Cut(r.RequestURI, "?")
		w.Header().Set("Location", "./"+path.Base(asked)+"/")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	h.routes.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, by)))
}

// answer makes a route's function a handler, with a fitting answer for its error.
func (h *Handler) answer(do func(http.ResponseWriter, *http.Request, operator) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		by, _ := r.Context().Value(operatorKey{}).(operator)
		if err := do(w, r, by); err != nil {
			reply(w, statusOf(err), failure{err.Error()})
		}
	})
}

func (h *Handler) file(name string) func(http.ResponseWriter, *http.Request, operator) error {
	content, err := web.ReadFile("web/" + name)
	if err != nil {
		panic(err) // go:embed has it, or the package would not build
	}
	kinds := map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
	kind := kinds[path.Ext(name)] + "; charset=utf-8"
	return func(w http.ResponseWriter, _ *http.Request, _ operator) error {
		w.Header().Set("Content-Type", kind)
		w.Write(content)
		return nil
	}
}

// reply answers in JSON.
func reply(w http.ResponseWriter, status int, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "admin: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(text, '\n'))
}
