package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/metrics"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/storetest"
)

var cart = session.NewKey[[]string]("cart")

// site is a shop with metrics, on a store that fails on request.
type site struct {
	*testing.T
	store    *storetest.Faulty
	orders   override.Value
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
	m, err := session.New(s.figures.Store(s.store, "memory"), &session.Options{
		Switch: &s.orders,
		Cookie: session.Cookie{Insecure: true}, ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond,
		Backup: &session.Backup{Keys: keys, Audience: "test"}, Hooks: s.figures.Hooks(next),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		late, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the store may be away
		defer cancel()
		_ = m.Close(late)
	})
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
	aboutLine  = regexp.MustCompile(`^# (HELP|TYPE) ((?:session|db_client)_[a-z_]+) (.+)$`)
	sampleLine = regexp.MustCompile(`^(((?:session|db_client)_[a-z_]+)(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) ([0-9.e+-]+)$`)
)

// parse checks that a page is what Prometheus reads: each metric has its kind before its
// samples, which stand together, and none stands there twice.
func parse(t *testing.T, page string) map[string]string {
	t.Helper()
	samples := map[string]string{}
	kinds := map[string]string{}
	current := ""
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
		if kinds[current] == "histogram" {
			m[2] = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(m[2], "_bucket"), "_sum"), "_count")
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
	h.Login(ctx, "id", "", "ann")
	h.Revoked(ctx, "ann", session.Pending)
	h.PlainHTTP(ctx, "shop.test")
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
		"session_logins_total":                                              "1",
		`session_revocations_total{durability="pending"}`:                   "1",
		`session_revocations_total{durability="durable"}`:                   "0",
		"session_plain_http_total":                                          "1",
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

// A counter of a shard is there before its first event, because increase() does not see a
// series begin at 1.
func TestTheCountersOfAShardBeginAtZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, session.Hooks{})
		s.buy()
		time.Sleep(5 * time.Second)
		s.want(s.read(), map[string]string{
			`session_outages_total{shard=""}`:         "0",
			`session_shard_losses_total{shard=""}`:    "0",
			`session_shard_evictions_total{shard=""}`: "0",
		})
		s.store.Replace(memstore.New(nil))
		time.Sleep(10 * time.Second)
		s.want(s.read(), map[string]string{`session_shard_losses_total{shard=""}`: "1"})
	})
}

func TestTheCallsOfTheStoreAreTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, session.Hooks{})
		const load = `db_operation_name="load",error_type=""`
		calls := func(kind, labels string) string {
			return "db_client_operation_duration_seconds" + kind + `{db_system_name="memory",` + labels + "}"
		}
		first := s.read()
		if got := first[calls("_count", load)]; got == "" {
			t.Error("there is no series of loads before the first one")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.buy()
		before := s.read()
		s.store.Delay(7 * time.Millisecond)
		s.buy()
		s.store.Heal()
		after := s.read()
		for bucket, more := range map[string]bool{`,le="0.005"`: false, `,le="0.01"`: true, `,le="10"`: true, `,le="+Inf"`: true} {
			n := number(t, after[calls("_bucket", load+bucket)]) - number(t, before[calls("_bucket", load+bucket)])
			if n != 0 != more {
				t.Errorf("%s: %v more after a load of 7 ms", bucket, n)
			}
		}
		if n := number(t, after[calls("_sum", load)]) - number(t, before[calls("_sum", load)]); n < .0069 || n > .0151 {
			t.Errorf("the sum is %v s more, want 7 ms or 14 ms", n)
		}
		if after[calls("_count", load)] != after[calls("_bucket", load+`,le="+Inf"`)] {
			t.Error("the count is not that of the last bucket")
		}
		time.Sleep(1500 * time.Millisecond) // between two exchanges
		synctest.Wait()
		s.store.Fail(errors.New("refused"))
		s.buy()
		if n := s.read()[calls("_count", `db_operation_name="save",error_type="_OTHER"`)]; n != "1" {
			t.Errorf("%s saves have failed, want 1", n)
		}
	})
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Error(err)
	}
	return n
}

func TestTheOrderShowsWithItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, session.Hooks{})
		const end = "session_override_end_seconds"
		s.buy()
		got := s.read()
		s.want(got, map[string]string{`session_override_mode{mode="auto"}`: "1", `session_override_mode{mode="backup_only"}`: "0"})
		if v, ok := got[end]; ok {
			t.Errorf("no order is in force, and it ends in %s s", v)
		}
		s.orders.SetUntil(session.Override{Mode: session.BackupOnly, Lease: time.Hour}, time.Now().Add(90*time.Second))
		time.Sleep(30 * time.Second)
		s.want(s.read(), map[string]string{
			`session_override_mode{mode="auto"}`: "0", `session_override_mode{mode="backup_only"}`: "1",
			"session_override_lease_seconds": "3600", end: "60",
		})
	})
}

func TestTheBackupAndTheExchangeShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, session.Hooks{})
		s.buy()
		time.Sleep(10 * time.Second)
		got := s.read()
		s.want(got, map[string]string{
			"session_copies_total": "1", "session_backup_keys": "1",
			`session_shard_members{shard=""}`: "1", "session_journal_bound_bytes": "6.7108864e+07",
			"session_journal_oldest_seconds": "0", "session_journal_tombstones_refused": "0",
		})
		if n := number(t, got["session_copy_bytes_total"]); n < 100 || n > 2048 {
			t.Errorf("a copy has %v bytes", n)
		}
		for _, lag := range []string{"heard", "told"} {
			if n := number(t, got["session_shard_"+lag+`_seconds{shard=""}`]); n > 2 {
				t.Errorf("the last exchange is %v s old (%s)", n, lag)
			}
		}
		s.store.Fail(errors.New("refused"))
		s.buy()
		time.Sleep(time.Minute)
		got = s.read()
		s.want(got, map[string]string{"session_journal_oldest_seconds": "60"})
		for _, lag := range []string{"heard", "told"} {
			if n := number(t, got["session_shard_"+lag+`_seconds{shard=""}`]); n < 59 || n > 62 {
				t.Errorf("the last exchange is %v s old, want a minute (%s)", n, lag)
			}
		}
	})
}

// All figures are there from the beginning, so that a program may register them once.
func TestTheFiguresAreAlwaysTheSame(t *testing.T) {
	names := func(s *site) (names []string) {
		for _, f := range s.figures.Figures(s.sessions) {
			names = append(names, f.Name)
			if unit := f.Unit(); strings.Contains(f.Name, "seconds") != (unit == "s") || strings.Contains(f.Name, "bytes") != (unit == "By") {
				t.Errorf("%s has the unit %q", f.Name, unit)
			}
		}
		return names
	}
	bare, err := session.New(memstore.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, session.Hooks{})
	first := names(s)
	s.buy()
	s.orders.SetUntil(session.Override{Mode: session.BackupOnly}, time.Now().Add(time.Hour))
	s.figures.Hooks(session.Hooks{}).BadValue(t.Context(), "id", &session.ValueError{Key: "cart"})
	if later := names(s); !slices.Equal(first, later) {
		t.Errorf("got %v, and before that %v", later, first)
	}
	if without := names(&site{T: t, sessions: bare}); !slices.Equal(first, without) {
		t.Errorf("without a backup: got %v, with one %v", without, first)
	}
}

// A timed call allocates nothing.
func TestTimedCallsAllocateNothing(t *testing.T) {
	var figures metrics.Metrics
	store := memstore.New(nil)
	timed := figures.Store(store, "memory")
	_, err := store.Save(t.Context(), "a", session.Record{Data: []byte("a"), Expires: time.Now().Add(time.Hour)}, session.Absent)
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(session.Store){
		"a load": func(s session.Store) { _, _ = s.Load(t.Context(), "a") },
		"a miss": func(s session.Store) { _, _ = s.Load(t.Context(), "b") },
		"a conflict": func(s session.Store) {
			_, _ = s.Save(t.Context(), "a", session.Record{Expires: time.Now().Add(time.Hour)}, session.Absent)
		},
		"another save": func(s session.Store) {
			_, _ = s.Save(t.Context(), "c", session.Record{Expires: time.Now().Add(time.Hour)}, session.Any)
		},
	} {
		plain := testing.AllocsPerRun(100, func() { call(store) })
		if got := testing.AllocsPerRun(100, func() { call(timed) }); got > plain {
			t.Errorf("%s: %v allocations, and %v where it is not timed", name, got, plain)
		}
	}
}
