package admin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/store"
)

// source is a fleet's order in a store, and what stands there.
func source(t *testing.T) (*store.Source, func() string) {
	t.Helper()
	s, err := store.New(memory(), "shop/override", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() string {
		t.Helper()
		text, _, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// An order shows who has given it, why, and its end; the log has a line of it.
func TestAnOrderIsGivenAndEnded(t *testing.T) {
	orders, stands := source(t)
	f := open(t, memory(), admin.Options{Orders: orders})
	if s, err := f.client.Status(t.Context()); err != nil || !s.Orders {
		t.Errorf("got %+v, %v, want a page that gives orders", s, err)
	}
	before := time.Now().Add(-time.Second)
	given, err := f.client.SetOrder(t.Context(), admin.NewOrder{Mode: "backup-only", Shard: "10.0.0.7:11211", Lease: "2h", For: "30m", Reason: "a new disk"})
	if err != nil {
		t.Fatal(err)
	}
	o, err := override.Parse(stands())
	if err != nil {
		t.Fatal(err)
	}
	want := session.Override{Mode: session.BackupOnly, Shard: "10.0.0.7:11211", Lease: 2 * time.Hour}
	if o.Override != want || o.By != "ann: a new disk" {
		t.Errorf("got %+v, want %+v by ann: a new disk", o, want)
	}
	if length := o.Until.Sub(before); length < 30*time.Minute-time.Second || length > 31*time.Minute {
		t.Errorf("it ends after %v, want 30 minutes", length)
	}
	if given.Mode != "backup-only" || given.By != o.By || !given.Until.Equal(o.Until) {
		t.Errorf("the answer is %+v, want what stands: %+v", given, o)
	}
	for _, words := range []string{"by=ann act=/api/order mode=backup-only until=", `reason="a new disk" shard=10.0.0.7:11211 lease=2h0m0s outcome=given`} {
		if line := f.log.take(); !strings.Contains(line, words) {
			t.Errorf("the log has %q, want %q", line, words)
		} else {
			f.log.Write([]byte(line))
		}
	}
	f.log.take()
	if err := f.client.ClearOrder(t.Context(), "the disk is there"); err != nil {
		t.Fatal(err)
	}
	if got := stands(); got != "" {
		t.Errorf("%q stands still", got)
	}
	if line := f.log.take(); !strings.Contains(line, `by=ann act=/api/clear-order reason="the disk is there" outcome=given`) {
		t.Errorf("the log has %q", line)
	}
}

func TestOrdersThatAreNotGiven(t *testing.T) {
	orders, stands := source(t)
	asked := &counted{Writer: orders}
	f := open(t, memory(), admin.Options{Orders: asked})
	well := admin.NewOrder{Mode: "store-only", For: "30m", Reason: "a drill"}
	for is, change := range map[string]func(*admin.NewOrder){
		"no mode":                        func(o *admin.NewOrder) { o.Mode = "" },
		"a mode that there is not":       func(o *admin.NewOrder) { o.Mode = "off" },
		"no end":                         func(o *admin.NewOrder) { o.For = "" },
		"an end that is none":            func(o *admin.NewOrder) { o.For = "tomorrow" },
		"an end before now":              func(o *admin.NewOrder) { o.For = "-1h" },
		"an end in ten days":             func(o *admin.NewOrder) { o.For = "240h" },
		"no reason":                      func(o *admin.NewOrder) { o.Reason = " " },
		"a reason that a terminal obeys": func(o *admin.NewOrder) { o.Reason = "a\x1b[2J" },
		"a reason as long as a book":     func(o *admin.NewOrder) { o.Reason = strings.Repeat("x", 96) },
		"a lease of no time":             func(o *admin.NewOrder) { o.Lease = "0s" },
		"a lease that is none":           func(o *admin.NewOrder) { o.Lease = "long" },
		"a shard without backup-only":    func(o *admin.NewOrder) { o.Shard = "10.0.0.7:11211" },
	} {
		o := well
		change(&o)
		e := (*admin.Error)(nil)
		if _, err := f.client.SetOrder(t.Context(), o); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
			t.Errorf("%s: got %v, want 400", is, err)
		}
	}
	e := (*admin.Error)(nil)
	if err := f.client.ClearOrder(t.Context(), ""); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		t.Errorf("an end without a reason: got %v, want 400", err)
	}
	if got := f.request("POST", "/api/order", `{"mode":"auto","for":"1h","reason":"x","by":"bob"}`, "Content-Type", "application/json", "Operator", "ann").StatusCode; got != http.StatusBadRequest {
		t.Errorf("in another's name: got %d, want 400", got)
	}
	for name, header := range map[string][]string{
		"a form of another site":   {"Content-Type", "text/plain"},
		"a page of another site":   {"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"},
		"an old browser":           {"Content-Type", "application/json", "Origin", "https://evil.test"},
		"an operator who may look": {"Content-Type", "application/json", "Operator", "lou"},
		"nobody":                   {"Content-Type", "application/json", "Operator", ""},
	} {
		for _, path := range []string{"/api/order", "/api/clear-order"} {
			answer := f.request("POST", path, `{"mode":"auto","for":"1h","reason":"x"}`, append([]string{"Operator", "ann"}, header...)...)
			if answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusUnsupportedMediaType {
				t.Errorf("%s at %s: got %d", name, path, answer.StatusCode)
			}
		}
	}
	if n := asked.writes.Load(); n > 0 || stands() != "" {
		t.Errorf("the source got %d of them, and %q stands", n, stands())
	}
	if _, err := f.client.SetOrder(t.Context(), well); err != nil || stands() == "" {
		t.Errorf("a good one: %v", err)
	}
}

// A page without a source gives none, and one that is read-only neither.
func TestPagesThatGiveNoOrders(t *testing.T) {
	orders, stands := source(t)
	for is, c := range map[string]struct {
		options admin.Options
		want    int
	}{
		"no source":     {admin.Options{}, http.StatusNotImplemented},
		"read-only":     {admin.Options{Orders: orders, ReadOnly: true}, http.StatusForbidden},
		"a source away": {admin.Options{Orders: away{}}, http.StatusServiceUnavailable},
	} {
		f := open(t, memory(), c.options)
		_, set := f.client.SetOrder(t.Context(), admin.NewOrder{Mode: "auto", For: "1h", Reason: "x"})
		for _, err := range []error{set, f.client.ClearOrder(t.Context(), "x")} {
			if e := (*admin.Error)(nil); !errors.As(err, &e) || e.Status != c.want {
				t.Errorf("%s: got %v, want %d", is, err, c.want)
			}
		}
		if c.want == http.StatusServiceUnavailable && strings.Count(f.log.take(), `outcome=failed error="no answer"`) != 2 {
			t.Errorf("%s: the log does not tell of both", is)
		}
	}
	if got := stands(); got != "" {
		t.Errorf("%q stands", got)
	}
}

// counted counts what a source is asked to write.
type counted struct {
	override.Writer
	writes atomic.Int64
}

func (c *counted) Write(ctx context.Context, o override.Order) error {
	c.writes.Add(1)
	return c.Writer.Write(ctx, o)
}

// away is a source that does not answer.
type away struct{}

func (away) Write(context.Context, override.Order) error { return errors.New("no answer") }
func (away) Remove(context.Context) error                { return errors.New("no answer") }
