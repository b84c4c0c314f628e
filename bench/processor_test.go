package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
	"github.com/redis/rueidis"
)

const processorRedis, processorBackup = "BENCH_PROCESSOR_REDIS", "BENCH_PROCESSOR_BACKUP"

// item is a thing in the cart of the shop.
type item struct {
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Cents int    `json:"cents"`
	Note  string `json:"note"`
}

var cartKey = session.NewKey[[]item]("cart")

// cartOf returns a cart of about n bytes as JSON.
func cartOf(n int) (cart []item) {
	names := []string{"Rye bread", "Smoked mackerel", "Plum cake", "Barley soup", "Salted butter"}
	for size := 0; size < n; {
		i := len(cart)
		cart = append(cart, item{fmt.Sprintf("%s-%d", strings.Fields(names[i%5])[0], i*7919%1000), names[i%5], 120 + i*37%900, fmt.Sprintf("for the %d. of May, %d pieces", 1+i*11%30, i%9)})
		text, err := json.Marshal(cart)
		if err != nil {
			panic(err)
		}
		size = len(text)
	}
	return cart
}

// BenchmarkProcessor is the processor time of a server's process for a request, the kernel's
// part included, over 32 connections, each of a visitor with a session of its own. What the cookies of a copy cost net/http by themselves is
// in the rows of the bare handler that gets them.
//
//	go test -run '^$' -bench Processor -benchtime 50000x ./bench
func BenchmarkProcessor(b *testing.B) {
	if redis := os.Getenv(processorRedis); redis != "" {
		if err := serveProcessor(redis, os.Getenv(processorBackup) != ""); err != nil {
			b.Fatal(err)
		}
		return
	}
	redis := redistest.Start(b)
	without, with := startProcessor(b, redis.Addr(), false), startProcessor(b, redis.Addr(), true)
	rows := []struct {
		name    string
		server  *processor
		path    string
		size    int // of the session whose cookies are sent; 0: none are
		cookies [visitors]string
	}{
		{name: "bare, no cookies", server: with, path: "/bare"},
		{name: "bare, cookies of 500 bytes", server: with, path: "/bare", size: 500},
		{name: "bare, cookies of 5 KB", server: with, path: "/bare", size: 5000},
		{name: "untouched, no cookies", server: with, path: "/untouched"},
		{name: "untouched, cookies of 500 bytes", server: with, path: "/untouched", size: 500},
		{name: "untouched, cookies of 5 KB", server: with, path: "/untouched", size: 5000},
		{name: "read of 500 bytes, no backup", server: without, path: "/read", size: 500},
		{name: "read of 500 bytes, backup", server: with, path: "/read", size: 500},
		{name: "read of 5 KB, no backup", server: without, path: "/read", size: 5000},
		{name: "read of 5 KB, backup", server: with, path: "/read", size: 5000},
	}
	for i, row := range rows {
		for k := range row.cookies {
			rows[i].cookies[k] = row.server.cookies(b, row.size)
		}
	}
	time.Sleep(lately)
	for _, row := range rows {
		b.Run(row.name, func(b *testing.B) { row.server.measure(b, row.path, row.cookies) })
	}
}

// visitors is how many connections there are, each of a visitor with a session of its own.
const visitors = 32

// lately is more than the time in which a process keeps the copy of a session that it has saved,
// for requests that were sent before the answer came. A read in that time joins it in.
const lately = failover.Lately + time.Second

// processor is a process that serves.
type processor struct {
	addr string
	pid  int
}

func startProcessor(b *testing.B, redis string, backup bool) *processor {
	b.Helper()
	child := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkProcessor$", "-test.benchtime=1x")
	child.Env = append(os.Environ(), processorRedis+"="+redis)
	if backup {
		child.Env = append(child.Env, processorBackup+"=1")
	}
	out, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	stop, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stop.Close(); _, _ = io.Copy(io.Discard, out); _ = child.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "serves "); ok {
			return &processor{addr, child.Process.Pid}
		}
	}
	b.Fatal("the server does not start")
	return nil
}

// serveProcessor serves until standard input ends.
func serveProcessor(redis string, backup bool) error {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis}, DisableCache: true})
	if err != nil {
		return err
	}
	defer client.Close()
	o := &session.Options{ReadTimeout: time.Minute, SaveTimeout: time.Minute} // a busy machine is no outage
	if backup {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			return err
		}
		o.Backup = &session.Backup{Keys: keys, Audience: "bench"}
	}
	m, err := session.New(redisstore.New(client), o)
	if err != nil {
		return err
	}
	defer m.Close(context.Background())
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	mux := http.NewServeMux()
	mux.HandleFunc("/bare", answer)
	mux.Handle("/untouched", m.HandlerFunc(answer))
	mux.Handle("/read", m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if len(cartKey.Or(s, nil)) == 0 {
			http.Error(w, "no cart", http.StatusNotFound)
			return
		}
		answer(w, r)
	}))
	mux.Handle("/begin", m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		n, _ := strconv.Atoi(r.FormValue("size"))
		cartKey.Set(s, cartOf(n))
		answer(w, r)
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux}
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); server.Close() }()
	fmt.Println("serves", l.Addr())
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// cookies returns the Cookie header of a new session of that size.
func (p *processor) cookies(b *testing.B, size int) string {
	b.Helper()
	if size == 0 {
		return ""
	}
	answer, err := http.Get("http://" + p.addr + "/begin?size=" + strconv.Itoa(size))
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	var pairs []string
	for _, c := range answer.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return "Cookie: " + strings.Join(pairs, "; ") + "\r\n"
}

func (p *processor) measure(b *testing.B, path string, cookies [visitors]string) {
	request := "GET " + path + " HTTP/1.1\r\nHost: " + p.addr + "\r\nUser-Agent: bench\r\nAccept: */*\r\n"
	var left atomic.Int64
	left.Store(int64(b.N))
	var clients sync.WaitGroup
	before := cpuOf(p.pid)
	for _, own := range cookies {
		clients.Go(func() {
			conn, err := net.Dial("tcp", p.addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			from := bufio.NewReader(conn)
			for left.Add(-1) >= 0 {
				if _, err := io.WriteString(conn, request+own+"\r\n"); err != nil {
					b.Error(err)
					return
				}
				answer, err := http.ReadResponse(from, nil)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				if answer.StatusCode != http.StatusOK {
					b.Errorf("status %d", answer.StatusCode)
					return
				}
			}
		})
	}
	clients.Wait()
	b.ReportMetric(float64(cpuOf(p.pid)-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(len(cookies[0])), "cookie-bytes")
	b.ReportMetric(0, "ns/op")
}
