//go:build unix

package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// ahead is a store whose instance has a clock that is ahead: it leaves such times in its record.
type ahead struct {
	session.Store
	by time.Duration
}

func (s ahead) Save(ctx context.Context, id session.ID, r session.Record, v session.Version) (session.Version, error) {
	var said map[string]any
	if strings.HasPrefix(string(id), "~instance-") && json.Unmarshal(r.Data, &said) == nil {
		if text, ok := said["written"].(string); ok {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return v, err
			}
			said["written"] = at.Add(s.by)
			r.Data, _ = json.Marshal(said)
		}
	}
	return s.Store.Save(ctx, id, r, v)
}

// process starts an instance that leaves word in a store every second, and returns the URL of its page.
func process(t *testing.T, name string, store session.Store) string {
	t.Helper()
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	page, err := admin.New(sessions, func(*http.Request) (string, admin.Access) { return "ann", admin.MayLook },
		&admin.Options{Store: store, Name: name, Every: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(page)
	t.Cleanup(func() {
		server.Close()
		page.Close(context.WithoutCancel(t.Context()))
		sessions.Close(context.WithoutCancel(t.Context()))
	})
	return server.URL
}

// The clocks of instances, by what they leave in a real Redis and by a page.
func TestClocksOfInstances(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, good...)
	o, err := redisstore.ClientOption(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	open := func(context.Context) (session.Store, func(), error) {
		client, err := rueidis.NewClient(o)
		if err != nil {
			return nil, nil, err
		}
		return redisstore.New(client), client.Close, nil
	}
	store, closeStore, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeStore)
	inStore := func() *Report {
		return examine(t, Options{Stores: []string{s.URL()}, Boards: []Board{StoreBoard(s.URL(), open)}})
	}
	inStore().finds(t) // there are no instances
	url := process(t, "a", store)
	process(t, "b", ahead{store, 2 * time.Second})
	listed := func(n int) {
		until(t, func() bool {
			found, err := admin.Instances(t.Context(), store)
			return err == nil && len(found) == n
		})
	}
	onPage := func() *Report {
		return examine(t, Options{Boards: []Board{PageBoard(&admin.Client{URL: url})}})
	}
	listed(2)
	inStore().finds(t)
	onPage().finds(t)
	if r := onPage(); len(r.Looked) != 1 || r.Looked[0] != url {
		t.Errorf("it has looked at %q", r.Looked)
	}

	process(t, "c", ahead{store, -30 * time.Second})
	process(t, "d", ahead{store, 5 * time.Minute})
	listed(4)
	for _, look := range []func() *Report{inStore, onPage} {
		var r *Report
		until(t, func() bool { // an instance of a busy machine that does not write anew in time is left out
			r = look()
			return r.has("instance-clock") && r.has("instance-clock-far")
		})
		r.finds(t, "instance-clock", "instance-clock-far")
		for _, f := range r.Findings {
			if want := map[string]string{"instance-clock": "c", "instance-clock-far": "d"}[f.Check]; f.Subject != want {
				t.Errorf("%s is found at %s, want %s: %s", f.Check, f.Subject, want, f.Found)
			}
		}
	}
}

func TestCompareClocks(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		is      string
		offsets []time.Duration // of a, b, c, …
		store   time.Duration
		known   bool // the store's
		want    string
	}{
		{"all alike", []time.Duration{0, s, -s}, 0, true, ""},
		{"this machine's alone is wrong", []time.Duration{40 * s, 41 * s, 40 * s}, 41 * s, true, ""},
		{"the store's alone is wrong", []time.Duration{0, 0}, 20 * s, true, "a: its clock is 20s behind the store's; b: its clock is 20s behind the store's"},
		{"one is ahead", []time.Duration{0, 0, 20 * s}, 0, true, "c: its clock is 20s ahead of the store's"},
		{"one is far behind, and nobody knows the store's", []time.Duration{0, -80 * s, 0}, 0, false, "b: its clock is 1m20s behind those of the other instances"},
		{"two that are apart, each not far from the store", []time.Duration{-3 * s, 3 * s}, 0, true, "b: its clock is 6s ahead of that of a"},
		{"one alone", []time.Duration{-9 * s}, 0, false, "a: its clock is 9s behind this machine's"},
		{"at the limit", []time.Duration{0, 0, 5 * s}, 0, true, "c: its clock is 5s ahead of the store's"},
		{"below the limit", []time.Duration{0, 0, 5*s - 1}, 0, true, ""},
	} {
		r := Report{skews: map[string]time.Duration{}}
		if test.known {
			r.skews["store"] = test.store
		}
		var clocks []clock
		for i, offset := range test.offsets {
			clocks = append(clocks, clock{string(rune('a' + i)), offset})
		}
		r.compareClocks("store", clocks)
		var said []string
		for _, f := range r.Findings {
			said = append(said, f.Subject+": "+f.Found)
		}
		if got := strings.Join(said, "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.is, got, test.want)
		}
	}
}

// A page that refuses is no finding, and instances that have gone are not waited for.
func TestClocksThatAreNotToBeHad(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	r := examine(t, Options{Boards: []Board{PageBoard(&admin.Client{URL: server.URL})}})
	if len(r.Blind) != 1 || r.Exit() != 2 {
		t.Errorf("got %+v", r)
	}
	gone := Board{name: "gone", read: func(context.Context) ([]admin.Instance, error) {
		return []admin.Instance{{Name: "a", ID: 1, Written: time.Unix(1, 0), Every: time.Second}, {Name: "b", ID: 2, Written: time.Now(), Every: time.Hour}}, nil
	}}
	r = examine(t, Options{Boards: []Board{gone}})
	r.finds(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if r := Examine(ctx, Options{Boards: []Board{gone}}); len(r.Blind) != 1 {
		t.Errorf("without the time to look: got %+v", r)
	}
}
