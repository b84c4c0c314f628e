package deadline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
)

func TestAContextEnds(t *testing.T) {
	cause := errors.New("cause")
	for _, test := range []struct {
		name   string
		parent func() (context.Context, func())
		end    func(c *deadline.Context)
		want   error
		after  time.Duration
	}{
		{"at its deadline", none, func(*deadline.Context) {}, context.DeadlineExceeded, time.Second},
		{"by Cancel", none, func(c *deadline.Context) { c.Cancel() }, context.Canceled, 0},
		{"by its parent's cancel", func() (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(context.Background())
			return ctx, func() { cancel(cause) }
		}, nil, context.Canceled, 0},
		{"at its parent's earlier deadline", func() (context.Context, func()) {
			return context.WithTimeout(context.Background(), time.Millisecond)
		}, func(*deadline.Context) {}, context.DeadlineExceeded, time.Millisecond},
		{"at its own, before its parent's", func() (context.Context, func()) {
			return context.WithTimeout(context.Background(), time.Minute)
		}, func(*deadline.Context) {}, context.DeadlineExceeded, time.Second},
	} {
		for _, waits := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := test.parent()
				defer cancel()
				c := deadline.After(parent, time.Second)
				defer c.Cancel()
				begun := time.Now()
				if err := c.Err(); err != nil {
					t.Fatalf("%s: ended at once: %v", test.name, err)
				}
				if waits {
					select {
					case <-c.Done():
						t.Fatalf("%s: ended at once", test.name)
					default:
					}
				}
				if test.end == nil {
					cancel()
				} else {
					test.end(c)
				}
				if waits {
					<-c.Done()
				} else {
					time.Sleep(test.after)
				}
				if got := time.Since(begun); got != test.after {
					t.Errorf("%s: ended after %v, want %v", test.name, got, test.after)
				}
				if err := c.Err(); err != test.want {
					t.Errorf("%s: Err = %v, want %v", test.name, err, test.want)
				}
				<-c.Done() // closed, whenever it is asked for
				c.Cancel()
				if err := c.Err(); err != test.want {
					t.Errorf("%s: after Cancel Err = %v, want still %v", test.name, err, test.want)
				}
			})
		}
	}
}

func none() (context.Context, func()) { return context.Background(), func() {} }

func TestChildrenEndToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := deadline.After(context.Background(), time.Second)
		defer c.Cancel()
		child, cancel := context.WithTimeout(c, time.Hour)
		defer cancel()
		<-child.Done()
		if err := child.Err(); err != context.DeadlineExceeded {
			t.Errorf("child ended with %v", err)
		}
	})
}
