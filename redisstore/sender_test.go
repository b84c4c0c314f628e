package redisstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
)

// scripted is a client whose n-th answer, counted from 0, is answer's.
type scripted struct {
	rueidis.Client
	answer func(ctx context.Context, n int) error
	sent   int
}

func (c *scripted) Do(ctx context.Context, _ rueidis.Completed) rueidis.RedisResult {
	n := c.sent
	c.sent++
	if err := c.answer(ctx, n); err != nil {
		return rueidis.NewErrorResult(err)
	}
	return rueidis.NewResult(rueidis.RedisMessage{}, nil)
}

func TestOnlyWhatWasNeverSentIsSentAgain(t *testing.T) {
	canceled := fmt.Errorf("dial: %w", context.Canceled)
	expired := fmt.Errorf("dial: %w", context.DeadlineExceeded)
	broken := errors.New("EOF")
	tests := []struct {
		name    string
		read    bool
		answers []error // the last one stays
		sent    int
		want    error
	}{
		{"an answer", false, []error{nil}, 1, nil},
		{"a read whose connection broke", true, []error{broken}, 1, broken},
		{"a write whose connection broke", false, []error{broken}, 1, broken},
		{"a read that waited for one who gave up", true, []error{canceled, nil}, 2, nil},
		{"a write that waited for one who gave up", false, []error{canceled, nil}, 2, nil},
		{"a read that waited for one whose deadline passed", true, []error{expired, canceled, nil}, 3, nil},
		{"a write that waited for one whose deadline passed", false, []error{expired, nil}, 1, expired},
		{"others who give up without end", true, []error{canceled}, attempts, canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := &scripted{answer: func(_ context.Context, n int) error { return tt.answers[min(n, len(tt.answers)-1)] }}
			got := new(sender).send(t.Context(), request{client: client, read: tt.read}).Error()
			if !errors.Is(got, tt.want) || client.sent != tt.sent {
				t.Errorf("got %v after %d attempts, want %v after %d", got, client.sent, tt.want, tt.sent)
			}
		})
	}
}

func TestWhoeverGivesUpIsNotSentFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := &scripted{answer: func(context.Context, int) error { cancel(); return context.Canceled }}
	s := new(sender)
	for range 2 { // while it is under way, and before
		if err := s.send(ctx, request{client: client, read: true}).Error(); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	}
	if client.sent != 1 {
		t.Errorf("sent %d times, want once", client.sent)
	}
}

// The client waits, and no context wakes it.
func TestACallerLeavesAClientThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var asked error
		var gaveUp time.Duration
		client := &scripted{answer: func(ctx context.Context, n int) error {
			if _, ok := ctx.Deadline(); ok {
				t.Error("the client connects under the caller's deadline")
			}
			time.Sleep(60 * time.Millisecond) // it is connecting
			asked = ctx.Err()                 // it asks before it sends
			<-ctx.Done()
			gaveUp = time.Since(start)
			return ctx.Err()
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := new(sender).send(ctx, request{client: client}).Error()
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 50*time.Millisecond {
			t.Errorf("got %v after %v, want the deadline's error at the deadline", err, took)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !errors.Is(asked, context.DeadlineExceeded) {
			t.Errorf("the client may still send: its context says %v", asked)
		}
		if want := 50*time.Millisecond + connecting; gaveUp != want {
			t.Errorf("the client gave up after %v, want %v", gaveUp, want)
		}
	})
}

func TestACallIsMadeWithCareUnlessTheServerHasBeenAnswering(t *testing.T) {
	var s sender
	careful := func(answer error) (got bool) {
		client := &scripted{answer: func(ctx context.Context, n int) error {
			_, got = ctx.(patient)
			return answer
		}}
		s.send(t.Context(), request{client: client})
		return got
	}
	for i := range familiar {
		if !careful(nil) {
			t.Fatalf("call %d was made directly, perhaps on a connection that is not there yet", i)
		}
	}
	steps := []struct {
		name   string
		before func()
		answer error
		want   bool
	}{
		{"after many answers", func() {}, nil, false},
		{"after a long silence", func() { s.goodBefore.Store(0) }, nil, true},
		{"as many at once as the client's queue must hold", func() { s.calls.Store(directCalls) }, nil, true},
		{"fewer again", func() { s.calls.Store(0) }, nil, false},
		{"a caller gives up", func() {}, context.Canceled, false},
		{"after he has, which says nothing of the server", func() {}, errors.New("EOF"), false},
		{"after a failure", func() {}, nil, true},
		{"soon after it, whatever other nodes say", func() { s.answers.Store(familiar) }, nil, true},
		{"long after it", func() { s.badBefore.Store(0) }, nil, false},
	}
	for _, step := range steps {
		step.before()
		if got := careful(step.answer); got != step.want {
			t.Errorf("%s: careful: got %v, want %v", step.name, got, step.want)
		}
	}
	if got := s.calls.Load(); got != 0 {
		t.Errorf("calls under way: got %d, want none", got)
	}
}
