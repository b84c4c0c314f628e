package koa_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/internal/flows"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
)

const file = "koa-sessions.json"

// row is a request to a Koa application.
type row struct {
	vectors.Request
	Seed   map[string]json.RawMessage
	Events [][]*string
}

// request is a row while it runs, with what Koa has of it.
type request struct {
	t       *testing.T
	row     row
	options *script.Object
	jar     *cookies.Jar
	now     time.Time
	store   map[string][]byte
	ops     []string // as JSON
	events  [][]*string
	ids     int
	body    script.Value
	status  int
}

func newRequest(t *testing.T, r row) *request {
	t.Helper()
	keys := flows.Keys(t, &script.Array{Items: []script.Value{"k1", "k0"}})
	q := &request{
		t: t, row: r, options: flows.Options(r.Request), now: r.Time(), status: 404, events: [][]*string{},
		jar: &cookies.Jar{Request: r.CookieHeader, Keys: keys, Now: r.Time()}, store: make(map[string][]byte),
	}
	for key, value := range r.Seed {
		q.store[key] = value
	}
	return q
}

func (q *request) option(name string) script.Value { return script.Member(q.options, name) }

func (q *request) is(name string) bool { return script.Truthy(q.option(name)) }

// newID is the test's id generator.
func (q *request) newID() string {
	q.ids++
	prefix, _ := q.option("prefix").(string)
	return prefix + "ID" + strconv.Itoa(q.ids)
}

// valid is the hook of that name, which the rows do not hold.
func (q *request) valid() bool { return !strings.HasPrefix(q.row.Name, "valid hook says no") }

func (q *request) op(parts ...any) {
	b, err := json.Marshal(parts)
	if err != nil {
		q.t.Fatal(err)
	}
	q.ops = append(q.ops, string(b))
}

func (q *request) event(name string, key *string) {
	q.events = append(q.events, []*string{&name, key})
}

// context returns ctx: get and set are those of session.
func (q *request) context(hidden map[string]script.Value, get func() script.Value, set func(script.Value)) *script.Object {
	hidden["throw"] = script.Func(func(args ...script.Value) script.Value {
		script.Throw(script.Text(args[len(args)-1]))
		return nil
	})
	return &script.Object{
		Hidden: hidden,
		Get: func(name string) (script.Value, bool) {
			if name != "session" {
				return nil, false
			}
			return get(), true
		},
		Set: func(name string, v script.Value) bool {
			switch name {
			case "session":
				set(v)
			case "body":
				q.body, q.status = v, 200
			case "status":
				q.status = int(script.ToNumber(v))
			default:
				return false
			}
			return true
		},
	}
}

// handle runs the handler, then commit in any case, and compares what came of
// it.
func (q *request) handle(ctx *script.Object, commit func(failed bool)) {
	t := q.t
	t.Helper()
	_, err := flows.Run(t, q.row.Request, ctx)
	commit(err != nil)
	if err != nil { // Koa drops the headers
		if q.row.Status != 500 || len(q.row.SetCookie) > 0 {
			t.Errorf("got %v, want status %d and cookies %q", err, q.row.Status, q.row.SetCookie)
		}
	} else {
		if q.status != q.row.Status || script.Text(q.body) != q.row.Body {
			t.Errorf("got %d %s, want %d %s", q.status, script.Text(q.body), q.row.Status, q.row.Body)
		}
		if got := flows.Text(q.jar.Header()); !slices.Equal(got, q.row.SetCookie) {
			t.Errorf("got  %q\nwant %q", got, q.row.SetCookie)
		}
	}
	var want []string
	for _, op := range q.row.StoreOps {
		var parts []any
		if err := json.Unmarshal(op, &parts); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(b))
	}
	if !slices.Equal(q.ops, want) {
		t.Errorf("got store calls\n%s\nwant\n%s", strings.Join(q.ops, "\n"), strings.Join(want, "\n"))
	}
	got, _ := json.Marshal(q.events)
	if wanted, _ := json.Marshal(q.row.Events); string(got) != string(wanted) {
		t.Errorf("got events %s, want %s", got, wanted)
	}
}
