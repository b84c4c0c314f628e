package memcached

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

// role says which goroutine reads from a connection.
type role uint8

const (
	byNobody role = iota
	byReader      // the goroutine read
	byCaller      // a lone caller, its own reply
)

// maxLead is about how long a lone caller reads itself. Then the reader takes
// over and the caller waits for its context as well as for the reply.
const maxLead = 2 * time.Millisecond

// claimReadLocked makes sure that some goroutine reads. lead reports whether the caller has
// to do it. c.mu is held.
//
// A reply that its caller reads costs one change of goroutines less, and no
// second processor woken for it: with one caller that is a quarter of the time.
func (c *conn) claimReadLocked(alone bool) (lead bool) {
	if c.reads != byNobody {
		return false
	}
	if !alone || c.node.tls != nil { // TLS may block within a record
		c.reads = byReader
		c.toRead <- struct{}{} // never blocks: the reader sleeps
		return false
	}
	c.reads = byCaller
	c.leads++
	c.setTendLocked()
	return true
}

// lead waits for the first byte of the oldest call's reply, and reads the reply if all
// of it is there. The reader reads what is left.
func (c *conn) lead() {
	_, err := c.br.Peek(1)
	switch {
	case err == nil && c.replyIsHere():
		if !c.readOne() {
			return
		}
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		c.lose(nil, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if c.kicked {
		c.kicked = false
		_ = c.nc.SetReadDeadline(time.Time{})
	}
	if c.reads = byNobody; c.inFlight.Load() > 0 || c.br.Buffered() > 0 {
		c.reads = byReader
		c.toRead <- struct{}{}
	}
}

// tendLeads is called each maxLead while lone callers read. It ends a turn that has
// lasted as long, and lets the reader watch an idle connection, to notice its end.
func (c *conn) tendLeads() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tended = false
	switch {
	case c.err != nil || c.reads == byReader:
	case c.leads != c.seen:
		c.seen = c.leads
		c.setTendLocked()
	case c.reads == byNobody:
		c.reads = byReader
		c.toRead <- struct{}{}
	case c.reads == byCaller:
		c.kicked = true
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *conn) setTendLocked() {
	if !c.tended {
		c.tended = true
		c.tend.Reset(maxLead)
	}
}

// read is the goroutine that reads. It sleeps while callers read themselves.
func (c *conn) read() {
	for {
		select {
		case <-c.toRead:
		case <-c.dead:
			return
		}
		for more := true; more; {
			if !c.readOne() {
				return
			}
			c.mu.Lock()
			if c.inFlight.Load() == 0 && c.br.Buffered() == 0 {
				more, c.reads = false, byNobody
				c.setTendLocked()
			}
			c.mu.Unlock()
		}
	}
}

// readOne reads one reply and finishes its call. It returns false where that
// ended the connection.
func (c *conn) readOne() bool {
	cl, err := c.readReply()
	if err != nil {
		c.lose(cl, err)
	}
	return err == nil
}

// lose ends the connection for the goroutine that reads, and finishes the call that
// it had taken.
func (c *conn) lose(cl *call, err error) {
	if errors.Is(err, io.EOF) {
		err = errHungUp
	}
	c.fail(err)
	if cl != nil {
		cl.finish(result{err: c.node.failed(c.cause())})
	}
}

// readReply returns, with an error, the call that it took and did not finish,
// if any.
func (c *conn) readReply() (*call, error) {
	limit := maxValue
	if c.peer.itemMax > 0 {
		limit = c.peer.itemMax
	}
	var r reply
	if err := readReply(c.br, limit, &r); err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.calls.len == 0 {
		c.mu.Unlock()
		return nil, protocolError("nothing was asked")
	}
	cl := c.calls.pop() // now only its caller holds it
	others := c.calls.len > 0
	c.mu.Unlock()

	if err := match(cl, &r); err != nil {
		return cl, err
	}
	if r.code == codeError && others && cl.state.Load() == abandoned {
		// It names no request. So it may be the reply to a later one, where that to cl was
		// lost. Where no other call waits, as many replies have come as there were calls.
		return cl, protocolError("an error for a caller who has left, or for a later one")
	}
	res := result{code: r.code, flags: r.flags, cas: r.cas}
	var err error
	switch {
	case r.code == codeError:
		res.err = c.node.failed(serverError(r.line))
	case r.code != codeValue:
	case cl.state.Load() == abandoned:
		err = skipValue(c.br, r.size)
	default:
		res.value, err = readValue(c.br, r.size)
	}
	if err != nil {
		return cl, err
	}
	c.inFlight.Add(-1)
	c.replies.Add(1)
	cl.finish(res)
	if r.code == codeError && !isServerError(r.line) {
		// This client sends nothing malformed, so the two ends are out of step.
		return nil, protocolError("the server did not understand a request")
	}
	return nil, nil
}

// match returns an error where r cannot be the reply to cl.
func match(cl *call, r *reply) error {
	switch {
	case !cl.op.answers(r.code):
		return protocolError("of another kind than the request")
	case r.code == codeError: // has no opaque
		return nil
	case !r.hasOpaque || r.opaque != cl.opaque:
		return protocolError("not the request's opaque")
	case r.code == codeValue && (!r.hasCAS || !r.hasFlags):
		return protocolError("value without flags or CAS")
	case r.code == codeDone && !r.hasCAS && (cl.op == opSet || cl.op == opAdd):
		return protocolError("stored without CAS")
	}
	return nil
}

// replyIsHere reports whether the whole next reply is in the read buffer, so
// that reading it cannot block.
func (c *conn) replyIsHere() bool {
	here, _ := c.br.Peek(c.br.Buffered())
	line, rest, ok := bytes.Cut(here, []byte{'\n'})
	if !ok || !bytes.HasPrefix(line, []byte("VA ")) {
		return ok
	}
	size, _ := nextWord(line[len("VA "):])
	n, ok := parseUint(size)
	return ok && n < readSize && int(n)+len("\r\n") <= len(rest)
}
