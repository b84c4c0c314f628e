package background_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/background"
)

func ExampleDo() {
	var db *sql.DB // of sql.Open
	calls := background.New(20, 5*time.Second)
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)

	load := func(ctx context.Context, id string) ([]byte, error) {
		return background.Do(ctx, calls, func(ctx context.Context) (data []byte, err error) {
			err = db.QueryRowContext(ctx, "SELECT data FROM sessions WHERE id = $1", id).Scan(&data)
			return data, err
		})
	}
	_ = load
}

// A statement ends although its caller has gone, and Close waits for it.
func ExampleCalls() {
	calls := background.New(1, 5*time.Second)
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan string)
	_, err := background.Do(ctx, calls, func(ctx context.Context) (string, error) {
		cancel() // the visitor hangs up while the server is slow
		fmt.Println("statement:", <-answer, ctx.Err())
		return "", nil
	})
	fmt.Println("caller:", err)
	answer <- "1 row"
	calls.Close()
	// Output:
	// caller: context canceled
	// statement: 1 row <nil>
}

func TestACallOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		calls := background.New(1, time.Minute)
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Second)
		defer cancel()
		ended := make(chan error, 1)
		began := time.Now()
		_, err := background.Do(ctx, calls, func(ctx context.Context) (int, error) {
			time.Sleep(10 * time.Second)
			if ctx.Value(key{}) != "value" {
				t.Error("the context has lost its values")
			}
			ended <- ctx.Err()
			return 1, nil
		})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("got %v after %v, want the deadline's error after a second", err, took)
		}
		if err := <-ended; err != nil {
			t.Errorf("the call's own context: got %v, want none", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("the call ended after %v, want 10 s", took)
		}
		calls.Close()
	})
}

func TestACallEndsWithItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := background.New(1, time.Minute)
		began := time.Now()
		_, err := background.Do(t.Context(), calls, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("got %v after %v, want the deadline's error after a minute", err, took)
		}
		calls.Close()
	})
}

func TestACallerWaitsForItsTurnUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := background.New(2, time.Minute)
		left, leave := context.WithCancel(t.Context())
		for range 2 {
			go background.Do(left, calls, func(context.Context) (int, error) {
				time.Sleep(10 * time.Second)
				return 0, nil
			})
		}
		synctest.Wait()
		leave() // both are under way still
		synctest.Wait()

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := background.Do(short, calls, func(context.Context) (int, error) {
			t.Error("a call ran for a caller that had left")
			return 0, nil
		})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("got %v after %v, want the deadline's error after a second", err, took)
		}
		got, err := background.Do(t.Context(), calls, func(context.Context) (int, error) { return 7, nil })
		if took := time.Since(began); got != 7 || err != nil || took != 10*time.Second {
			t.Errorf("got %d, %v after %v, want 7 when the first have ended", got, err, took)
		}
		calls.Close()
	})
}

func TestCloseWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := background.New(1, time.Minute)
		left, leave := context.WithCancel(t.Context())
		ended := false
		go background.Do(left, calls, func(context.Context) (int, error) {
			time.Sleep(10 * time.Second)
			ended = true
			return 0, nil
		})
		synctest.Wait()
		waits := make(chan error, 1)
		go func() {
			_, err := background.Do(t.Context(), calls, func(context.Context) (int, error) { return 0, nil })
			waits <- err
		}()
		synctest.Wait()
		leave()
		calls.Close()
		if !ended {
			t.Error("Close returned before the call had ended")
		}
		if err := <-waits; !errors.Is(err, background.ErrClosed) {
			t.Errorf("a caller that waited: got %v, want ErrClosed", err)
		}
		if _, err := background.Do(t.Context(), calls, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, background.ErrClosed) {
			t.Errorf("after Close: got %v, want ErrClosed", err)
		}
		calls.Close()
	})
}
