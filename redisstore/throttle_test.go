package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/relay"
)

// throttle gives a process a share of one processor.
type throttle struct {
	name  string
	begin func(t *testing.T, p *os.Process, share float64)
}

// A container's quota is what production has. Where this machine lets a test make no cgroup,
// and beside it, the process is stopped and continued in that ratio.
func throttles() []throttle {
	all := []throttle{{"stopped and continued", stopAndContinue}}
	if syscall.Access(cpuGroups, 2) == nil {
		all = append(all, throttle{"a cgroup", inCgroup})
	}
	return all
}

const (
	cpuGroups = "/sys/fs/cgroup/cpu" // of version 1; below version 2 a test owns no group with a processor's quota
	period    = 100 * time.Millisecond
)

func stopAndContinue(t *testing.T, p *os.Process, share float64) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var over sync.WaitGroup
	runs := time.Duration(share * float64(period))
	over.Go(func() {
		defer func() { _ = p.Signal(syscall.SIGCONT) }()
		for ctx.Err() == nil && p.Signal(syscall.SIGCONT) == nil {
			time.Sleep(runs)
			_ = p.Signal(syscall.SIGSTOP)
			time.Sleep(period - runs)
		}
	})
	t.Cleanup(func() { cancel(); over.Wait() })
}

func inCgroup(t *testing.T, p *os.Process, share float64) {
	dir, err := os.MkdirTemp(cpuGroups, "holdfast")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil { // the kernel removes the files in it
			t.Error(err)
		}
	})
	for _, file := range []struct {
		name  string
		value int64
	}{
		{"cpu.cfs_period_us", period.Microseconds()},
		{"cpu.cfs_quota_us", int64(share * float64(period.Microseconds()))},
		{"cgroup.procs", int64(p.Pid)},
	} {
		if err := os.WriteFile(filepath.Join(dir, file.name), []byte(strconv.FormatInt(file.value, 10)), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// silence is how long the server may let another process wait, half of the default
// ReadTimeout: where it does for longer, it has itself too little processor, and what it
// owes the throttled one says nothing.
func silence(backup bool) time.Duration {
	if backup {
		return 25 * time.Millisecond
	}
	return 125 * time.Millisecond
}

// witness asks the server all the time, so that the test knows how it answers. longest ends
// that, and returns how long an answer took at most.
func witness(t *testing.T, server *redistest.Server) (longest func() time.Duration) {
	var most time.Duration
	end := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for pause := time.NewTicker(5 * time.Millisecond); ; <-pause.C {
			select {
			case <-end:
				return
			default:
			}
			began := time.Now()
			server.Command("PING")
			most = max(most, time.Since(began))
		}
	})
	stop := sync.OnceFunc(func() { close(end); asking.Wait() })
	t.Cleanup(stop)
	return func() time.Duration { stop(); return most }
}

// crowd is visitors who send requests in a process of their own.
type crowd struct {
	visitors, requests int
	backup             bool
	takes              time.Duration // about how long each call is on its way
}

// run starts the process, and lets begin throttle it. The visitors go on at least until begin,
// or what it has started, calls enough. It logs what came of the visits, and fails where
// something went wrong that is not the server's fault.
func (c crowd) run(t *testing.T, begin func(t *testing.T, p *os.Process, enough func())) {
	server := redistest.Start(t)
	url := server.URL()
	if c.takes > 0 {
		wait := func(b []byte) []byte { time.Sleep(c.takes / 2); return b }
		url = "redis://" + relay.Relay{Up: wait, Down: wait}.Start(t, server.Addr())
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAProcessWithoutProcessorDoesNotBlameTheStore$", "-test.v")
	child.Env = append(os.Environ(), throttledURL+"="+url, fmt.Sprint(throttledVisitors, "=", c.visitors), fmt.Sprint(throttledRequests, "=", c.requests))
	if c.backup {
		child.Env = append(child.Env, throttledBackup+"=1")
	}
	var out bytes.Buffer // to be read once the process has ended
	child.Stdout, child.Stderr = &out, &out
	goOn, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	longest := witness(t, server)
	var ended error
	t.Run("visits", func(t *testing.T) {
		begin(t, child.Process, func() { _ = goOn.Close() })
		ended = child.Wait()
	})
	waited := longest()
	figures := regexp.MustCompile(`\d+ requests: .*`).FindString(out.String())
	t.Logf("%s; another process waited %v for the server at most", figures, waited.Round(time.Millisecond))
	switch {
	case figures == "":
		t.Errorf("no figures in %q", out.String())
	case ended != nil && waited < silence(c.backup):
		t.Errorf("%v: %s", ended, out.String())
	}
}
