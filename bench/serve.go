package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
)

// This program starts itself once more for each contestant. The environment of the
// new process says which one it is.
const (
	serveVar     = "BENCH_SERVE"     // the contestant, or the other work of a process
	redisVar     = "BENCH_REDIS"     // host:port
	memcachedVar = "BENCH_MEMCACHED" // host:port
	postgresVar  = "BENCH_POSTGRES"  // a URL
	mariadbVar   = "BENCH_MARIADB"   // host:port
	dirVar       = "BENCH_DIR"       // for files
	patienceVar  = "BENCH_PATIENCE"  // contestant.Stores.Patience
	profileVar   = "BENCH_PROFILE"   // a directory for cpu.pprof and allocs.pprof
)

// child is what such a process does, until its input ends: it does not outlive
// the one that started it.
func child(what string) error {
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	if dir := os.Getenv(profileVar); dir != "" {
		defer profile(dir)()
	}
	if what == standing {
		return measureStanding(os.Stdout)
	}
	patience, err := time.ParseDuration(os.Getenv(patienceVar))
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		ended <- contestant.Serve(what, &announced{Listener: ln}, contestant.Stores{
			Redis: os.Getenv(redisVar), Memcached: os.Getenv(memcachedVar), Patience: patience,
			Postgres: os.Getenv(postgresVar), MariaDB: os.Getenv(mariadbVar), Dir: os.Getenv(dirVar),
		})
	}()
	return <-ended
}

// announced prints its address when it is first listened to: then the server
// is ready.
type announced struct {
	net.Listener
	done bool
}

func (a *announced) Accept() (net.Conn, error) {
	if !a.done { // only one goroutine accepts
		a.done = true
		fmt.Println(a.Addr())
	}
	return a.Listener.Accept()
}

// profile begins a profile of this process, and returns a function that ends and writes
// it.
func profile(dir string) (stop func()) {
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err == nil {
		err = pprof.StartCPUProfile(cpu)
	}
	return func() {
		pprof.StopCPUProfile()
		allocs, e := os.Create(filepath.Join(dir, "allocs.pprof"))
		if e == nil {
			e = cmp.Or(pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close())
		}
		if err = cmp.Or(err, e); err != nil {
			fmt.Fprintln(os.Stderr, "profile:", err)
		}
	}
}
