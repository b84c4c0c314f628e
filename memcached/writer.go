package memcached

import "runtime"

// inlineMax is the most that a lone caller writes itself.
const inlineMax = 8 << 10

// claimWriteLocked makes sure that some goroutine writes the bytes in out. c.mu is held,
// and is not afterwards.
func (c *conn) claimWriteLocked(alone bool) {
	if c.writing {
		c.mu.Unlock()
		return
	}
	c.writing = true
	if alone && len(c.out) <= inlineMax {
		// A lone caller writes itself, which saves waking the writer. It is
		// not held up: the server has answered, hence read, all that was
		// written before, so the socket's buffer is empty.
		if !c.writeOutLocked() || len(c.out) == 0 {
			c.writing = false
			c.mu.Unlock()
			return
		}
	}
	c.mu.Unlock()
	c.toWrite <- struct{}{} // never blocks, because writing was false, so the writer sleeps
}

// write is the goroutine that writes.
func (c *conn) write() {
	for {
		select {
		case <-c.toWrite:
		case <-c.dead:
			return
		}
		for more := true; more; {
			if c.inFlight.Load() > 1 {
				// Let callers that are about to send do so: one system call for all.
				runtime.Gosched()
			}
			c.mu.Lock()
			if !c.writeOutLocked() {
				c.mu.Unlock()
				return
			}
			more = len(c.out) > 0
			c.writing = more
			c.mu.Unlock()
		}
	}
}

// writeOutLocked writes the bytes in out, and reports whether the connection is still
// usable. c.mu is held, but not during the write.
func (c *conn) writeOutLocked() bool {
	buf := c.out
	c.out, c.spare = c.spare, nil
	c.mu.Unlock()
	_, err := c.nc.Write(buf)
	if err != nil {
		c.fail(err)
	}
	c.mu.Lock()
	if cap(buf) <= chunk {
		c.spare = buf[:0]
	}
	return err == nil
}
