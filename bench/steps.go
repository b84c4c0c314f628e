package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/memstore"
)

// steps are what a request takes in the process itself, without a network:
// handlers are called as a server calls them.
type steps struct {
	bare, untouched, read, oneKey, manyKeys pace
}

// pace is what one call takes.
type pace struct {
	time   time.Duration // the median of the rounds
	allocs float64
}

// measureSteps lets a bare handler and the same one under Holdfast take turns.
func measureSteps(ctx context.Context, f *field, r *results) (string, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		return "", err
	}
	name := session.NewKey[string]("name")
	visitor := func(keys int) (*http.Request, error) {
		s := sessions.Load(ctx, http.Header{})
		err := s.Err()
		if err != nil {
			return nil, err
		}
		out := http.Header{}
		content := contestant.Shape{Bytes: contestant.Usual.Bytes, Keys: keys}.New()
		name.Set(s, content.Name)
		for _, item := range content.Items {
			session.NewKey[string](item.Key).Set(s, item.Value)
		}
		if err := sessions.Commit(ctx, s, out); err != nil {
			return nil, err
		}
		cookie, _, _ := strings.Cut(out.Get("Set-Cookie"), ";")
		in, err := http.NewRequestWithContext(ctx, http.MethodGet, contestant.User, http.NoBody)
		if err == nil {
			in.Header.Set("Cookie", cookie)
		}
		return in, err
	}
	w := quiet{http.Header{}}
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	read := sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err == nil {
			_, err = name.Get(s)
		}
		if err != nil {
			session.Error(w, r, err)
			return
		}
		w.WriteHeader(http.StatusOK)
	}))
	call := func(h http.Handler, r *http.Request) func() {
		return func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	}
	var requests [3]*http.Request
	for i, keys := range []int{contestant.Usual.Keys, 1, 200} {
		if requests[i], err = visitor(keys); err != nil {
			return "", err
		}
	}
	r.untouched = new(steps)
	u := r.untouched
	err = takeTurns(ctx, f.plan, []stepLane{
		{call(bare, requests[0]), &u.bare},
		{call(sessions.Handler(bare), requests[0]), &u.untouched},
		{call(read, requests[0]), &u.read},
		{call(read, requests[1]), &u.oneKey},
		{call(read, requests[2]), &u.manyKeys},
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(stepsText)
	for _, row := range []struct {
		name string
		pace
	}{{"bare handler", u.bare}, {"untouched", u.untouched}, {"read one key, 6 others", u.read}, {"read one key, 1 other", u.oneKey}, {"read one key, 200 others", u.manyKeys}} {
		fmt.Fprintf(&b, "| %s | %d ns | %d ns | %.0f |\n", row.name, row.time.Nanoseconds(), (row.time - u.bare.time).Nanoseconds(), row.allocs)
	}
	b.WriteString("\n")
	return b.String(), sessions.Close(ctx)
}

const stepsText = `## The steps of a request, in the process

Holdfast on memory, its handler called as a server calls it, without a network; a session of 5 KB. ` + "`go test -bench Step .`" + ` has
more of them.

| | time | over the bare handler | allocations |
|---|--:|--:|--:|
`

// stepLane is what is called, and where the outcome goes.
type stepLane struct {
	call func()
	to   *pace
}

func takeTurns(ctx context.Context, p plan, lanes []stepLane) error {
	const perTurn = 2000
	times := make([][]time.Duration, len(lanes))
	allocs := make([]uint64, len(lanes))
	for range 5 * p.rounds {
		for i, l := range lanes {
			if err := ctx.Err(); err != nil {
				return err
			}
			runtime.GC()
			for range perTurn / 10 {
				l.call()
			}
			before, start := mallocs(), time.Now()
			for range perTurn {
				l.call()
			}
			times[i] = append(times[i], time.Since(start)/perTurn)
			allocs[i] += mallocs() - before
		}
	}
	for i, l := range lanes {
		*l.to = pace{median(times[i]), float64(allocs[i]) / float64(5*p.rounds*perTurn)}
	}
	return nil
}

// quiet is a server's writer that costs nothing.
type quiet struct{ header http.Header }

func (w quiet) Header() http.Header         { return w.header }
func (w quiet) Write(p []byte) (int, error) { return len(p), nil }
func (w quiet) WriteHeader(int)             {}
