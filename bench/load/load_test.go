package load_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/bench/load"
)

func serve(t *testing.T, h http.HandlerFunc) (addr string) {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func arrive(t *testing.T, addr string, n int) load.Visitors {
	t.Helper()
	v, err := load.Arrive(addr, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Leave)
	return v
}

func TestAVisitorKeepsCookiesAsABrowserDoes(t *testing.T) {
	long := strings.Repeat("v", 20_000)
	var got []string
	v := arrive(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Cookie"))
		switch r.URL.Path {
		case "/first":
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: long, HttpOnly: true, Path: "/"})
		case "/second":
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "2"})
			http.SetCookie(w, &http.Cookie{Name: "b", MaxAge: -1})
			http.SetCookie(w, &http.Cookie{Name: "never", MaxAge: -1})
		}
	}), 1)[0]
	var sizes []int
	for _, path := range []string{"/first", "/second", "/third"} {
		a, err := v.Conn.Do(v.Jar, &load.Request{Method: "GET", Path: path})
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, a.SetCookie)
	}
	if want := []string{"", "a=1; b=" + long, "a=2"}; !slices.Equal(got, want) {
		t.Errorf("got %.40q, want %.40q", got, want)
	}
	if want := len("\r\nSet-Cookie: a=1") + len("\r\nSet-Cookie: b=; Path=/; HttpOnly") + len(long); sizes[0] != want || sizes[2] != 0 {
		t.Errorf("bytes of Set-Cookie: got %d, want %d at first and 0 at last", sizes, want)
	}
}

func TestAWrongAnswerIsAnError(t *testing.T) {
	v := arrive(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			http.Error(w, "broken", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "other")
	}), 1)[0]
	if _, err := v.Conn.Do(v.Jar, &load.Request{Method: "GET", Path: "/", Want: []byte("right")}); err == nil {
		t.Error("a wrong body: got no error")
	}
	var status *load.StatusError
	if _, err := v.Conn.Do(v.Jar, &load.Request{Method: "GET", Path: "/broken"}); !errors.As(err, &status) || status.Code != 503 {
		t.Errorf("got %v, want a StatusError of 503", err)
	}
	if _, err := v.Conn.Do(v.Jar, &load.Request{Method: "GET", Path: "/", Want: []byte("other")}); err != nil {
		t.Errorf("the connection goes on: got %v", err)
	}
}

func TestTheLoopCountsWhatTheServerServed(t *testing.T) {
	var served atomic.Int64
	v := arrive(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		time.Sleep(time.Millisecond)
	}), 3)
	s, err := v.Loop(t.Context(), &load.Request{Method: "POST", Path: "/"}, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if int64(s.Requests) != served.Load() || s.Latency.Total() != uint64(s.Requests) {
		t.Errorf("got %d requests, %d latencies, want %d", s.Requests, s.Latency.Total(), served.Load())
	}
	// Three who wait a millisecond each get at most three thousand answers a second.
	if s.Rate <= 0 || s.Rate > 3000 {
		t.Errorf("rate: got %.0f, want at most 3000", s.Rate)
	}
	if p := s.Latency.Quantile(0); p < 950*time.Microsecond {
		t.Errorf("the shortest took %v, want at least a millisecond", p)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Loop(ctx, &load.Request{Method: "GET", Path: "/"}, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: got %v", err)
	}
}

func TestAHistogramIsRightWithinThreePercent(t *testing.T) {
	var h, half, other load.Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("an empty one has a median")
	}
	var all []time.Duration
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		h.Add(d)
		if i%2 == 0 {
			half.Add(d)
		} else {
			other.Add(d)
		}
	}
	slices.Sort(all)
	half.Merge(&other)
	for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.99, 0.9999} {
		want := all[int(q*float64(len(all)))]
		got := h.Quantile(q)
		if off := float64(got-want) / float64(max(want, 1)); off > 0.03 || off < -0.03 {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
		if half.Quantile(q) != got {
			t.Errorf("quantile %v: merged %v, want %v", q, half.Quantile(q), got)
		}
	}
}
