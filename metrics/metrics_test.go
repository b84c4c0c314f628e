package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/metrics"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

var cart = session.NewKey[[]string]("cart")

// site is a shop with metrics, on a store that fails on request.
type site struct {
	*testing.T
	store    *storetest.Faulty
	sessions *session.Manager
	figures  metrics.Metrics
	shop     http.Handler
	cookies  []*http.Cookie
}

func newSite(t *testing.T, next session.Hooks) *site {
	t.Helper()
	s := &site{T: t, store: storetest.NewFaulty(memstore.New(nil))}
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	m, err := session.New(s.store, &session.Options{
		Cookie: session.Cookie{Insecure: true}, ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond,
		Backup: &session.Backup{Keys: keys, Audience: "test"}, Hooks: s.figures.Hooks(next),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	s.sessions = m
	s.shop = m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		_ = cart.Update(v, func(c *[]string) error { *c = append(*c, "tofu"); return nil })
	}))
	return s
}

// buy is a visitor's request, which must succeed.
func (s *site) buy() {
	s.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.shop.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		s.Errorf("status %d", w.Code)
	}
	if set := w.Result().Cookies(); len(set) > 0 {
		s.cookies = set
	}
}

// read returns the samples, each under its name and labels as they are written.
func (s *site) read() map[string]string {
	s.Helper()
	w := httptest.NewRecorder()
	s.figures.Handler(s.sessions).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if got := w.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		s.Errorf("Content-Type: %q", got)
	}
	return parse(s.T, w.Body.String())
}

var (
	aboutLine  = regexp.MustCompile(`^# (HELP|TYPE) (session_[a-z_]+) (.+)$`)
	sampleLine = regexp.MustCompile(`^((session_[a-z_]+)(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) ([0-9.e+-]+)$`)
)

// parse checks that a page is what Prometheus reads: each metric has its kind before its
// samples, which stand together, and none stands there twice.
func parse(t *testing.T, page string) map[string]string {
	t.Helper()
	samples, kinds, current := map[string]string{}, map[string]string{}, ""
	for line := range strings.SplitSeq(strings.TrimSuffix(page, "\n"), "\n") {
		if m := aboutLine.FindStringSubmatch(line); m != nil {
			if _, twice := kinds[m[2]]; m[1] == "TYPE" && twice {
				t.Errorf("%s is described twice", m[2])
			}
			if m[1] == "TYPE" {
				kinds[m[2]], current = m[3], m[2]
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("not in Prometheus's format: %q", line)
			continue
		}
		if m[2] != current {
			t.Errorf("%s stands among the samples of %s", m[2], current)
		}
		if total := strings.HasSuffix(m[2], "_total"); total != (kinds[m[2]] == "counter") {
			t.Errorf("%s is a %s", m[2], kinds[m[2]])
		}
		if _, twice := samples[m[1]]; twice {
			t.Errorf("%s stands there twice", m[1])
		}
		samples[m[1]] = m[3]
	}
	return samples
}

func (s *site) want(samples map[string]string, want map[string]string) {
	s.Helper()
	for name, value := range want {
		if got := samples[name]; got != value {
			s.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
}

func TestAnOutageShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, session.Hooks{})
		s.buy()
		s.want(s.read(), map[string]string{
			"session_store_failing":                                 "0",
			`session_store_operations_total{operation="save"}`:      "1",
			`session_shard_state{shard="",state="serving"}`:         "1",
			`session_shard_mode{shard="",mode="auto"}`:              "1",
			`session_shard_mode{shard="",mode="backup_only"}`:       "0",
			"session_journal_states":                                "0",
			`session_backup_faults_total{fault="another_audience"}`: "0",
		})
		s.store.Fail(errors.New("refused"))
		time.Sleep(10 * time.Second)
		s.buy()
		time.Sleep(30 * time.Second)
		out := s.read()
		s.want(out, map[string]string{
			"session_store_failing":                           "1",
			`session_shard_state{shard="",state="serving"}`:   "0",
			`session_shard_state{shard="",state="away"}`:      "1",
			`session_outages_total{shard=""}`:                 "1",
			"session_degraded_loads_total":                    "1",
			"session_journal_states":                          "1",
			"session_journal_delivered_total":                 "0",
			`session_dropped_changes_total{reason="ended"}`:   "0",
			`session_shard_state{shard="",state="returning"}`: "0",
		})
		if got := out[`session_shard_state_seconds{shard=""}`]; got == "0" || got == "" {
			t.Errorf("the shard has been away for %q s", got)
		}
		s.store.Heal()
		time.Sleep(30 * time.Second)
		s.want(s.read(), map[string]string{
			"session_store_failing":                         "0",
			`session_shard_state{shard="",state="serving"}`: "1",
			"session_journal_states":                        "0",
			"session_journal_delivered_total":               "1",
		})
	})
}

// Every hook of an application is called as without metrics.
func TestHooksArePassedOn(t *testing.T) {
	var called []string
	var next session.Hooks
	v := reflect.ValueOf(&next).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			called = append(called, name)
			return nil
		}))
	}
	for _, given := range []session.Hooks{next, {}} {
		called = nil
		var figures metrics.Metrics
		h := reflect.ValueOf(figures.Hooks(given))
		want := 0
		for i := range h.NumField() {
			f := h.Field(i)
			if f.IsNil() {
				continue
			}
			args := make([]reflect.Value, f.Type().NumIn())
			for j := range args {
				args[j] = reflect.Zero(f.Type().In(j))
			}
			if f.Type().NumIn() == 3 && f.Type().In(2) == reflect.TypeFor[*session.ValueError]() {
				args[2] = reflect.ValueOf(&session.ValueError{Key: "cart"})
			}
			f.Call(args)
			want++
		}
		if given.Down == nil {
			want = 0
		}
		if len(called) != want {
			t.Errorf("%d hooks of the application were called, want %d: %v", len(called), want, called)
		}
	}
}

func TestWhatHooksTellIsCounted(t *testing.T) {
	s := newSite(t, session.Hooks{})
	h, ctx := s.figures.Hooks(session.Hooks{}), t.Context()
	h.Down(ctx, "a", nil)
	h.Down(ctx, "a", nil)
	h.Forgot(ctx, "say \"b\"\\\n\xff")
	h.Backup(ctx, "id", session.BackupForged, nil)
	h.Overflow(ctx, "id")
	h.Failed(ctx, session.OperationDeliver, "id", nil)
	h.BadValue(ctx, "id", &session.ValueError{Key: "cart"})
	for _, err := range []error{session.ErrEnded, session.ErrLost, session.ErrTooLarge, session.ErrUnavailable, errors.New("else")} {
		h.Dropped(ctx, "id", fmt.Errorf("wrapped: %w", err))
	}
	s.want(s.read(), map[string]string{
		`session_outages_total{shard="a"}`:                                  "2",
		`session_shard_losses_total{shard="say \"b\"\\\n` + "\uFFFD" + `"}`: "1",
		`session_backup_faults_total{fault="forged"}`:                       "1",
		"session_journal_overflows_total":                                   "1",
		`session_store_failed_operations_total{operation="deliver"}`:        "1",
		`session_store_failed_operations_total{operation="load"}`:           "0",
		`session_bad_values_total{key="cart"}`:                              "1",
		`session_dropped_changes_total{reason="ended"}`:                     "1",
		`session_dropped_changes_total{reason="lost"}`:                      "1",
		`session_dropped_changes_total{reason="too_large"}`:                 "1",
		`session_dropped_changes_total{reason="unavailable"}`:               "1",
		`session_dropped_changes_total{reason="other"}`:                     "1",
	})
}

// A metric that no store needs is there without a backup too.
func TestWithoutABackup(t *testing.T) {
	m, err := session.New(memstore.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{T: t, sessions: m}
	s.want(s.read(), map[string]string{"session_store_failing": "0", "session_degraded_loads_total": "0"})
}
