package simulation

// stored takes in a save that a shard has done.
func (o *oracle) stored(e *Event) {
	x := o.life(e.Session)
	x.shard = e.Shard
	prev := o.records[e.Prev]
	r := o.keptBy(e, prev)
	o.records[e.Save] = r
	if a := o.asked[e.Request]; a != nil && e.Session == e.Request.Token {
		a.base = e.Save
		if w := o.writes[e.Request.Op]; w != nil && !r.dead {
			w.sent = true
		}
	}
	if x.record != nil && x.record.until <= e.At {
		x.expired = e.At
	}
	x.record = r
	if e.Gone {
		x.record = nil
	}
	if !r.dead {
		o.storedLive(e, x, r)
		return
	}
	x.tombs = append(x.tombs, tomb{e.At, e.Birth, e.Request})
	if x.tomb == 0 {
		x.tomb = e.At
	}
	if a := o.asked[e.Request]; a != nil && prev != nil {
		a.moved = prev.content
	}
}

// keptBy returns the record of a save, which replaces prev by comparison. It has what the
// writes in it knew.
func (o *oracle) keptBy(e *Event, prev *kept) *kept {
	r := &kept{since: e.At, until: e.Until, dead: e.Dead, marks: e.Marks, content: e.Marks}
	for _, n := range e.Marks.list() {
		if w := o.writes[n]; w != nil {
			r.content = r.content.or(w.know)
		}
	}
	if prev != nil && e.Prev > 0 {
		r.content = r.content.or(prev.content)
	}
	if q := e.Request; q != nil && !r.dead && q.Route == Delete && q.Token == e.Session && e.Prev > 0 {
		r.content = r.content.with(q.Op) // a deletion leaves no mark
	}
	return r
}

// storedLive notes since when the store has a session, and the writes in its record.
func (o *oracle) storedLive(e *Event, x *life, r *kept) {
	if x.stored == 0 {
		x.stored = e.At
	}
	for _, n := range e.Marks.list() {
		if w := o.writes[n]; w != nil && w.saved == 0 {
			w.saved = e.At
		}
	}
	for _, n := range r.content.list() {
		if w := o.writes[n]; w != nil && w.durable == 0 {
			w.durable = e.At
		}
	}
}
