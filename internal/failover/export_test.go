package failover

// Telling returns how many ends are being told to logs.
func (a *Shards) Telling() int { return len(a.telling.list()) }
