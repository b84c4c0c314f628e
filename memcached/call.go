package memcached

import (
	"context"
	"sync"
	"sync/atomic"
)

// result is what a reply says to its caller.
type result struct {
	code  code
	value []byte
	flags uint32
	cas   uint64
	err   error // a *NodeError, instead of all the above
}

// call is one request in the pipeline of a connection. It stays there until
// its reply has come or the connection ends, also where its caller has left.
type call struct {
	op     op
	opaque uint64
	node   *node

	state  atomic.Uint32 // waiting, then answered or abandoned, once
	done   chan struct{} // has one element once result is set
	result result
}

const (
	waiting uint32 = iota
	answered
	abandoned
)

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

func newCall(n *node, o op) *call {
	cl := calls.Get().(*call)
	cl.op, cl.node = o, n
	cl.state.Store(waiting)
	return cl
}

// wait returns the result, or the context's error as soon as ctx is done.
func (cl *call) wait(ctx context.Context) (result, error) {
	n := cl.node
	if done := ctx.Done(); done == nil {
		<-cl.done
	} else {
		select {
		case <-cl.done:
		case <-done:
			if cl.state.CompareAndSwap(waiting, abandoned) {
				// From here on cl belongs to the goroutine that will finish it.
				return result{}, n.failed(ctx.Err())
			}
			<-cl.done // at once: it is being answered
		}
	}
	r := cl.result
	cl.recycle()
	return r, r.err
}

// finish hands r to the caller, if it still waits. It is called once per call,
// by the goroutine that took it out of the pipeline.
func (cl *call) finish(r result) {
	cl.node.load.Add(-1)
	if !cl.state.CompareAndSwap(waiting, answered) {
		cl.recycle()
		return
	}
	cl.result = r
	cl.done <- struct{}{}
}

func (cl *call) recycle() {
	cl.result, cl.node = result{}, nil
	calls.Put(cl)
}

// pipeline is a queue of calls, the oldest first: a ring buffer that grows.
type pipeline struct {
	buf  []*call // its length is a power of two
	head int
	len  int
}

func (p *pipeline) push(cl *call) {
	if p.len == len(p.buf) {
		grown := make([]*call, max(16, 2*p.len))
		n := copy(grown, p.buf[p.head:])
		copy(grown[n:], p.buf[:p.head])
		p.buf, p.head = grown, 0
	}
	p.buf[(p.head+p.len)&(len(p.buf)-1)] = cl
	p.len++
}

func (p *pipeline) pop() *call {
	cl := p.buf[p.head]
	p.buf[p.head] = nil
	p.head = (p.head + 1) & (len(p.buf) - 1)
	p.len--
	return cl
}
