package express_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/express"
)

// The Go forms of express-session's own tests, by their numbers in
// testdata/express-session-suite.txt. A test of the suite is found by
//
//	go test ./node/express -run 'TestExpressSessionSuite/^39_'
var suite = map[int]func(t *testing.T){}

// in adds tests to the suite. Several numbers are one test where the suite asks
// the same of several stores or options.
func in(test func(t *testing.T), numbers ...int) bool { //nolint:unparam // a package variable takes the result
	for _, n := range numbers {
		if suite[n] != nil {
			panic(fmt.Sprintf("test %d is there twice", n))
		}
		suite[n] = test
	}
	return true
}

type suiteRow struct {
	number     int
	mark, name string
}

func suiteRows(t *testing.T) (rows []suiteRow) {
	text, err := os.ReadFile("testdata/express-session-suite.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		fields := strings.SplitN(strings.TrimSpace(line), " ", 3)
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, suiteRow{n, fields[1], fields[2]})
	}
	return rows
}

func TestExpressSessionSuite(t *testing.T) {
	for _, row := range suiteRows(t) {
		if test := suite[row.number]; test != nil {
			t.Run(fmt.Sprintf("%d %s", row.number, row.name), func(t *testing.T) { synctest.Test(t, test) })
		}
	}
}

func TestTheSuiteIsComplete(t *testing.T) {
	marks := map[string]int{}
	for _, row := range suiteRows(t) {
		marks[row.mark]++
		if portable := row.mark != "N"; portable != (suite[row.number] != nil) {
			t.Errorf("%d %s, marked %s: got a test %v, want %v", row.number, row.name, row.mark, !portable, portable)
		}
	}
	if got, want := fmt.Sprint(marks), "map[A:47 N:15 P:98]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(suite) != 99+46 {
		t.Errorf("got %d tests, want %d", len(suite), 99+46)
	}
}

// testStore is memstore, with counters and with faults to order.
type testStore struct {
	*memstore.Store
	loads, saves     int
	delay            time.Duration
	loadErr, saveErr error
}

func (s *testStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	s.loads++
	if s.loadErr != nil {
		return session.Record{}, s.loadErr
	}
	return s.Store.Load(ctx, id)
}

func (s *testStore) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	s.saves++
	time.Sleep(s.delay)
	if s.saveErr != nil {
		return session.Absent, s.saveErr
	}
	return s.Store.Save(ctx, id, r, over)
}

// app is an application with sessions, as the suite's createServer makes it:
// with a maxAge of a minute.
type app struct {
	t       *testing.T
	p       *express.Profile
	store   *testStore
	m       *session.Manager
	failed  error // what Options.Error was told
	handler http.Handler
}

var (
	user = session.NewKey[string]("user")
	hits = session.NewKey[int]("hits")
)

const minute = `{"maxAge":60000}`

func newApp(t *testing.T, change func(*express.Profile), h http.HandlerFunc) *app {
	t.Helper()
	s, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{t: t, p: &express.Profile{Secrets: s, Cookie: minute}, store: &testStore{Store: memstore.New(nil)}}
	if change != nil {
		change(a.p)
	}
	o, err := a.p.Options()
	if err != nil {
		t.Fatal(err)
	}
	o.SaveTimeout = time.Second
	o.Error = func(w http.ResponseWriter, r *http.Request, err error) {
		a.failed = err
		session.Error(w, r, err)
	}
	if a.m, err = session.New(a.store, o); err != nil {
		t.Fatal(err)
	}
	a.handler = a.p.Handler(a.m, h)
	return a
}

// reply is an answer, with the session's cookie in it.
type reply struct {
	*httptest.ResponseRecorder
	cookie string // the whole header; "" where there is none
}

func (a *app) do(r *http.Request) reply {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	synctest.Wait() // for what is done in the background
	out := reply{ResponseRecorder: w}
	for _, h := range w.Header()["Set-Cookie"] {
		if strings.HasPrefix(h, a.name()+"=") {
			if out.cookie != "" {
				a.t.Errorf("got two cookies: %s and %s", out.cookie, h)
			}
			out.cookie = h
		}
	}
	return out
}

func (a *app) name() string {
	if a.p.Name != "" {
		return a.p.Name
	}
	return "connect.sid"
}

// get sends a request with what an earlier answer has set.
func (a *app) get(path string, last ...reply) reply {
	a.t.Helper()
	return a.do(request(path, last...))
}

func request(path string, last ...reply) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for _, l := range last {
		pair, _, _ := strings.Cut(l.cookie, ";")
		r.Header.Set("Cookie", pair)
	}
	return r
}

// id is the session's, of a cookie that must be there.
func (a *app) id(r reply) session.ID {
	a.t.Helper()
	pair, _, _ := strings.Cut(r.cookie, ";")
	id, _, ok := a.p.Secrets.Read(pair, a.name())
	if !ok {
		a.t.Fatalf("got cookie %q, want one that is signed", r.cookie)
	}
	return session.ID(id)
}

// stored is the JSON of a session, and "" where there is none.
func (a *app) stored(id session.ID) string {
	a.t.Helper()
	r, err := a.store.Store.Load(a.t.Context(), id)
	if errors.Is(err, session.ErrNotFound) {
		return ""
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return string(r.Data)
}

func (a *app) entries() (n int) {
	a.t.Helper()
	for _, err := range a.store.List(a.t.Context()) {
		if err != nil {
			a.t.Fatal(err)
		}
		n++
	}
	return n
}

func from(r *http.Request) *session.Session {
	s, _ := session.From(r.Context())
	return s
}

// attribute returns what a Set-Cookie header says of name.
func attribute(header, name string) (string, bool) {
	for part := range strings.SplitSeq(header, "; ") {
		if key, value, _ := strings.Cut(part, "="); strings.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

func expires(t *testing.T, header string) time.Time {
	t.Helper()
	text, _ := attribute(header, "Expires")
	at, err := time.Parse(http.TimeFormat, text)
	if err != nil {
		t.Fatalf("%q: %v", header, err)
	}
	return at
}

func wantCookie(t *testing.T, r reply, want bool) {
	t.Helper()
	if got := r.cookie != ""; got != want {
		t.Errorf("got cookie %q, want one: %v", r.cookie, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// uninitialized is the default of the middleware's options in the suite.
func uninitialized(p *express.Profile) { p.SaveUninitialized = true }

func silent(http.ResponseWriter, *http.Request) {}

// counts is a handler that counts a visitor's requests.
func counts(w http.ResponseWriter, r *http.Request) {
	s := from(r)
	if err := hits.Update(s, func(n *int) error { *n++; return nil }); err != nil {
		session.Error(w, r, err)
		return
	}
	fmt.Fprint(w, hits.Or(s, 0))
}

// httptestGet sends a request with a Cookie header as it is.
func httptestGet(a *app, cookie string) *httptest.ResponseRecorder {
	r := request("/")
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	return w
}
