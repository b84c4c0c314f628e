package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// directCalls may be under way at once without a goroutine of their own. It
	// is half of the queue that the client has for each connection: a caller that
	// finds the queue full waits there, and no context wakes it.
	directCalls = 512

	// familiar is the number of answers in a row after which the client is taken to
	// have made all its connections. It makes each when it is first needed.
	familiar = 256

	// silence is how long after its last answer a connection is believed to
	// stand. The client gives up one that is silent for longer than this only.
	silence = time.Second

	// trouble is how long after a failure calls are made with care.
	trouble = time.Second

	// connecting is how long the client may go on making a connection for a
	// caller that has left, so that the next callers find it, however short their
	// deadlines.
	connecting = time.Second

	// attempts are made where the client reports the end of a context that is not
	// the caller's own: the caller waited for another one to connect, or to fetch
	// what the cache lacks, and that one gave up. The command was never sent. Once
	// it may have been sent, only a read is sent again, where its connection broke: a
	// server or a proxy has hung up, and the client has as many connections as this.
	attempts = 4
)

// sender sends commands and returns when the caller's context ends. The client does
// that too where its connection stands; it does not while it connects (all callers
// wait for the one that does it, on that one's context) and when its queue is full,
// after a second or two on a server that is frozen. So a call is made in a
// goroutine of its own, which the caller may leave, unless the server has been
// answering. The goroutine costs about a microsecond, and the check next to
// nothing.
type sender struct {
	calls      atomic.Int32 // under way without a goroutine
	answers    atomic.Int32 // since the last failure, up to familiar
	goodBefore atomic.Int64 // nanoseconds since epoch: believed to stand until then
	badBefore  atomic.Int64 // believed to be in trouble until then
}

var epoch = time.Now()

// request is what is sent: command, or cached where ttl is not 0.
type request struct {
	client  rueidis.Client
	command rueidis.Completed
	cached  rueidis.Cacheable
	ttl     time.Duration
	read    bool // changes nothing, so that it may be sent twice
}

func (r request) run(ctx context.Context) rueidis.RedisResult {
	if r.ttl > 0 {
		return r.runCached(ctx)
	}
	return r.client.Do(ctx, r.command)
}

// runCached returns an error where the client panics: it takes an answer to EXEC of less
// than two elements for one of two. The cache's entry that it has begun would never be
// filled then, so the connections are closed, and with them their cached entries are
// dropped.
func (r request) runCached(ctx context.Context) (reply rueidis.RedisResult) {
	defer func() {
		if p := recover(); p != nil {
			hangUp(r.client, time.Now())
			reply = rueidis.NewErrorResult(fmt.Errorf("the server, or a proxy before it, sent an answer that makes no sense: %v", p))
		}
	}()
	return r.client.DoCache(ctx, r.cached, r.ttl)
}

func (s *sender) send(ctx context.Context, r request) (reply rueidis.RedisResult) {
	for n := 0; n < attempts; n++ {
		began := time.Now()
		if err := endedBy(ctx, began); err != nil {
			return rueidis.NewErrorResult(err)
		}
		now := int64(began.Sub(epoch))
		if s.enter(now) {
			reply = r.run(ctx)
			s.calls.Add(-1)
		} else {
			reply = r.runApart(ctx)
		}
		err := reply.NonRedisError()
		s.note(now, err)
		if err == nil { // an answer, even where it says no
			break
		}
		if errors.Is(err, errUnsent) {
			n-- // the client has noticed one more of the connections that were given up
			continue
		}
		notSent := errors.Is(err, context.Canceled) || r.read && errors.Is(err, context.DeadlineExceeded)
		again := notSent || r.read && isBroken(err)
		if !again {
			break
		}
	}
	return reply
}

// isBroken reports whether the connection broke over which a command was sent.
func isBroken(err error) bool {
	op := new(net.OpError)
	failed := errors.As(err, &op) && op.Op != "dial" && !op.Timeout()
	return failed || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// enter reports whether the caller may make the call itself. Then the call counts
// until it has returned.
func (s *sender) enter(now int64) bool {
	if s.answers.Load() < familiar || now >= s.goodBefore.Load() || now < s.badBefore.Load() {
		return false
	}
	if s.calls.Add(1) > directCalls {
		s.calls.Add(-1)
		return false
	}
	return true
}

// note remembers the outcome of a call that began at now.
func (s *sender) note(now int64, err error) {
	if err == nil {
		if s.answers.Load() < familiar {
			s.answers.Add(1)
		}
		if good := now + int64(silence); good-s.goodBefore.Load() > int64(silence/8) {
			s.goodBefore.Store(good)
		}
	} else if !errors.Is(err, context.Canceled) {
		s.answers.Store(0)
		s.badBefore.Store(int64(time.Since(epoch) + trouble))
	}
}

// runApart lets the caller leave when its context ends, and the client go on
// for a while.
func (r request) runApart(ctx context.Context) rueidis.RedisResult {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	reply := make(chan rueidis.RedisResult, 1)
	go func() {
		defer cancel()
		reply <- r.run(patient{longer, ctx})
	}()
	select {
	case got := <-reply:
		return got
	case <-ctx.Done():
		time.AfterFunc(connecting, cancel)
		return rueidis.NewErrorResult(ctx.Err())
	}
}

// patient is a context that outlives its caller's, so that the client goes on
// connecting. But its Err, which the client asks before it sends a command,
// tells at once that the caller has left.
type patient struct {
	context.Context
	caller context.Context
}

func (p patient) Err() error {
	if err := p.caller.Err(); err != nil {
		return err
	}
	return p.Context.Err()
}

func (s *Store) do(ctx context.Context, c rueidis.Completed) rueidis.RedisResult {
	return s.sender.send(ctx, request{client: s.client, command: c})
}

func (s *Store) doRead(ctx context.Context, c rueidis.Completed) rueidis.RedisResult {
	return s.sender.send(ctx, request{client: s.client, command: c, read: true})
}

func (s *Store) doCached(ctx context.Context, c rueidis.Cacheable) rueidis.RedisResult {
	return s.sender.send(ctx, request{client: s.client, cached: c, ttl: s.ttl, read: true})
}

// ended is ctx.Err, and the deadline's error from the moment when it passed,
// which the client may notice before the context does.
func ended(ctx context.Context) error { return endedBy(ctx, time.Now()) }

func endedBy(ctx context.Context, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !now.Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
