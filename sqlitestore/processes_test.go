package sqlitestore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/sqlitestore"
)

// saveForEver creates sessions and prints the ID of each that is acknowledged.
func saveForEver(path string, _ *bufio.Scanner) {
	s := mustOpen(path)
	pid := os.Getpid()
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				id := session.ID(fmt.Sprintf("%d-%d-%d", pid, w, i))
				if _, err := s.Save(context.Background(), id, record(string(id)), session.Absent); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(id) // one write each
			}
		}()
	}
	select {}
}

// turns is how often each process that shares a file adds to the number in it, at least.
const turns = 1000

// countOn adds to a number in a session, over and over, until there is a line to read,
// and prints how often it did. It prints a line before that, once it has had its turns.
func countOn(path string, in *bufio.Scanner) {
	s := mustOpen(path)
	done := make(chan struct{})
	go func() {
		in.Scan()
		close(done)
	}()
	added, longest := 0, time.Duration(0)
	for {
		select {
		case <-done:
			fmt.Println(added, longest)
			return
		default:
		}
		began := time.Now()
		for {
			err := addOne(s)
			if err == nil {
				break
			}
			if !errors.Is(err, session.ErrConflict) {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		longest = max(longest, time.Since(began))
		if added++; added == turns {
			fmt.Println("on")
		}
	}
}

func addOne(s session.Store) error {
	ctx := context.Background()
	n, over := 0, session.Absent
	r, err := s.Load(ctx, "number")
	switch {
	case err == nil:
		over = r.Version
		if _, err := fmt.Sscan(string(r.Data), &n); err != nil {
			return err
		}
	case !errors.Is(err, session.ErrNotFound):
		return err
	}
	_, err = s.Save(ctx, "number", record(fmt.Sprint(n+1)), over)
	return err
}

func mustOpen(path string) *sqlitestore.Store {
	s, err := sqlitestore.Open(context.Background(), path, &sqlitestore.Options{LosesOnPowerFailure: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return s
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	p := newPlace(t)
	var acknowledged []session.ID
	for round := range 3 {
		saver := start(t, "save", p.path)
		for range 200 + 50*round { // in the middle of a save
			if !saver.out.Scan() {
				t.Fatal("the process has ended")
			}
			acknowledged = append(acknowledged, session.ID(saver.out.Text()))
		}
		_ = saver.cmd.Process.Kill()
		for saver.out.Scan() {
			acknowledged = append(acknowledged, session.ID(saver.out.Text()))
		}
		_ = saver.cmd.Wait()

		s := p.open(t)
		for _, id := range acknowledged {
			r, err := s.Load(t.Context(), id)
			if err != nil || string(r.Data) != string(id) {
				t.Fatalf("round %d, session %s of %d: got %q with error %v", round, id, len(acknowledged), r.Data, err)
			}
		}
	}
	if got := query(t, p.path, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("the file after three kills: %s", got)
	}
	t.Logf("%d saves were acknowledged before the kills", len(acknowledged))
}

func TestTwoProcessesShareAFile(t *testing.T) {
	p := newPlace(t)
	s := p.open(t)
	one, two := start(t, "count", p.path), start(t, "count", p.path)
	ready := make(chan bool, 2)
	for _, other := range []*process{one, two} {
		go func() { ready <- other.out.Scan() }()
	}
	own, waits := 0, 2 // for the two
	for late := timeleft.Half(t); own < turns || waits > 0; {
		if err := addOne(s); err == nil {
			own++
		} else if !errors.Is(err, session.ErrConflict) {
			t.Fatal(err)
		}
		select {
		case ok := <-ready:
			if waits--; !ok {
				t.Fatal("a process has ended")
			}
		default:
		}
		if late() {
			t.Fatalf("a process never had its turns: %d do not say so, and this one had %d", waits, own)
		}
	}
	sum := own
	for _, other := range []*process{one, two} {
		var added int
		var longest string
		if _, err := fmt.Sscan(other.ask(t, "stop"), &added, &longest); err != nil {
			t.Fatal(err)
		}
		t.Logf("a process added %d, the slowest time within %s", added, longest)
		sum += added
	}
	r := mustLoad(t, s, "number")
	if got := string(r.Data); got != fmt.Sprint(sum) {
		t.Errorf("got the number %s, want %d: what the processes have added", got, sum)
	}
}

// A process that was stopped while it wrote has the write lock for as long as it likes.
func TestALockOfAnotherProcessCostsACallerItsBudgetAndNoMore(t *testing.T) {
	p := newPlace(t)
	s := p.open(t)
	v := mustSave(t, s, "x", record("before"), session.Any)
	p.freezeWrites(t)
	for range 3 {
		began := time.Now()
		_, err := s.Save(within(t, 50*time.Millisecond), "x", record("late"), v)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
			t.Errorf("a save while another process writes: got %v after %v, want the deadline's error after 50 ms", err, took)
		}
		if r, err := s.Load(within(t, patience), "x"); err != nil || string(r.Data) != "before" {
			t.Errorf("a load while another process writes: got %q, %v", r.Data, err)
		}
	}
	saved := make(chan error, 1)
	go func() {
		_, err := s.Save(within(t, patience), "x", record("after"), v) // waits
		saved <- err
	}()
	select {
	case err := <-saved:
		t.Fatalf("a save while another process writes: got %v before the lock was free", err)
	case <-time.After(50 * time.Millisecond):
	}
	p.thaw(t)
	if err := <-saved; err != nil { // those that have left have not written
		t.Errorf("a save that waited for the lock: %v", err)
	}
}
