package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// standing is the work of a process which holds many sessions in memory.
const (
	standing    = "standing"
	standingVar = "BENCH_STANDING" // how many at most
)

// standingRow is what sessions in memory cost beside so many others.
type standingRow struct {
	Sessions          int
	Bytes             float64 // of memory that each takes, over the data that is stored
	Data              int     // of each
	Load, Save        time.Duration
	Read, Write, Bare time.Duration // of a whole request, without a network; and of one without a session
}

// runStanding measures in a process of its own, so that no other work's memory counts.
func runStanding(ctx context.Context, f *field, r *results) (string, error) {
	cmd, err := command(ctx, standing)
	if err != nil {
		return "", err
	}
	cmd.Env = append(cmd.Env, standingVar+"="+strconv.Itoa(f.plan.standing))
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	defer func() { _ = input.Close() }()
	out, err := cmd.Output()
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(out, &r.standing); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, standingText, r.standing[0].Data)
	for _, row := range r.standing {
		fmt.Fprintf(&b, "| %d | %.0f | %d ns | %d ns | %d ns | %d ns |\n", row.Sessions, row.Bytes,
			row.Load.Nanoseconds(), row.Save.Nanoseconds(), row.Read.Nanoseconds(), row.Write.Nanoseconds())
	}
	b.WriteString("\n")
	return b.String(), nil
}

const standingText = `## Sessions in memory

Each session in memstore has %d bytes of data; the memory over the data includes the ID. The order of the visitors is random,
so that the processor's cache does not hold the next session; with a thousand sessions it holds them all. Read and write are
whole requests, without a network.

| sessions | bytes over the data | Load | Save | read | write |
|--:|--:|--:|--:|--:|--:|
`

// measureStanding prints the rows, as JSON.
func measureStanding(out io.Writer) error {
	most, err := strconv.Atoi(os.Getenv(standingVar))
	if err != nil {
		return err
	}
	ctx := context.Background()
	store := memstore.New(&memstore.Options{MaxBytes: math.MaxInt64})
	sessions, err := session.New(store, &session.Options{ReadTimeout: time.Minute, SaveTimeout: time.Minute})
	if err != nil {
		return err
	}
	value, count := session.NewKey[string]("value"), session.NewKey[int]("count")
	cookies := make([]string, 0, most)
	ids := make([]session.ID, 0, most)
	create := func() error {
		s := sessions.Load(ctx, http.Header{})
		err := s.Err()
		if err != nil {
			return err
		}
		value.Set(s, strings.Repeat("v", 256))
		count.Set(s, 1000)
		header := http.Header{}
		if err := sessions.Commit(ctx, s, header); err != nil {
			return err
		}
		cookie, _, _ := strings.Cut(header.Get("Set-Cookie"), ";")
		cookies, ids = append(cookies, strings.Clone(cookie)), append(ids, session.ID(strings.Clone(string(s.ID()))))
		return nil
	}
	read := sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		if _, err := count.Get(s); err != nil {
			session.Error(w, r, err)
		}
	}))
	write := sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		count.Update(s, func(n *int) error { *n = 1000 + (*n+1)%1000; return nil })
		w.WriteHeader(http.StatusOK)
	}))
	var rows []standingRow
	empty := heap()
	for n := 1000; n <= most; n *= 10 {
		for len(ids) < n {
			if err := create(); err != nil {
				return err
			}
		}
		row := standingRow{Sessions: n}
		r, err := store.Load(ctx, ids[0])
		if err != nil {
			return err
		}
		row.Data = len(r.Data)
		row.Bytes = float64(heap()-empty)/float64(n) - float64(row.Data) - (64 + 32) // the size classes of the two strings
		// An ID and a cookie were just received when they are used: they are copied
		// to where the processor has them.
		hot := make([]session.ID, 0, batch)
		lines := make([]string, 0, batch)
		bring := func(order []int) {
			hot, lines = hot[:0], lines[:0]
			for _, i := range order {
				hot, lines = append(hot, session.ID(strings.Clone(string(ids[i])))), append(lines, strings.Clone(cookies[i]))
			}
		}
		w, in := quiet{http.Header{}}, &http.Request{Header: http.Header{"Cookie": {""}}}
		bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
		serve := func(h http.Handler) func(i int) error {
			return func(i int) error {
				clear(w.header)
				in.Header["Cookie"][0] = lines[i]
				h.ServeHTTP(w, in)
				return nil
			}
		}
		for _, step := range []struct {
			to *time.Duration
			do func(i int) error
		}{
			{&row.Bare, serve(bare)},
			{&row.Load, func(i int) error { _, err := store.Load(ctx, hot[i]); return err }},
			{&row.Save, func(i int) error {
				fresh := session.Record{Data: r.Data, Expires: time.Now().Add(time.Hour)}
				_, err := store.Save(ctx, hot[i], fresh, session.Any)
				return err
			}},
			{&row.Read, serve(read)},
			{&row.Write, serve(write)},
		} {
			if *step.to, err = each(n, bring, step.do); err != nil {
				return err
			}
		}
		rows = append(rows, row)
	}
	return json.NewEncoder(out).Encode(rows)
}

// batch is how many random ones come before the next are drawn.
const batch = 100

// each is what do takes with random ones of n, which bring has brought: the
// median of eleven slices.
func each(n int, bring func([]int), do func(i int) error) (time.Duration, error) {
	const batches = 100
	order := make([]int, batch)
	var all []time.Duration
	for range 11 {
		var took time.Duration
		for range batches {
			for i := range order {
				order[i] = rand.IntN(n)
			}
			bring(order)
			start := time.Now()
			for i := range order {
				if err := do(i); err != nil {
					return 0, err
				}
			}
			took += time.Since(start)
		}
		all = append(all, took/(batches*batch))
	}
	return median(all), nil
}

// heap is what lives in it.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
