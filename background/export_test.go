package background

// Waiting is how many callers are in the queue.
func (c *Calls) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.waiting.Len()
}
