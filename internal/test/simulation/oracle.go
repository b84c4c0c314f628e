package simulation

import (
	"time"

	"github.com/holdfast-go/session"
)

// Judge holds a history to the promises.
func Judge(h History) []Violation { return judge(h, func(string) {}) }

func judge(h History, count func(string)) []Violation {
	o := &oracle{
		History: h, count: count,
		lives: map[session.ID]*life{}, copies: map[string]*sealedCopy{}, views: map[viewOf]*view{},
		records: map[int]*kept{}, links: map[linkOf]*linkState{}, births: map[int]*birth{},
		asked: map[*Request]*asked{}, ends: map[string]*Request{}, forgot: map[int]time.Duration{},
		shaken: map[int]time.Duration{}, budget: map[linkOf]time.Duration{}, modes: map[int]*operated{},
	}
	for _, s := range append([]time.Duration{0}, h.Skews...) {
		o.early, o.late = min(o.early, s), max(o.late, s)
	}
	for i := range h.Events {
		o.hear(h.Events[i].At)
		o.event(&h.Events[i])
	}
	return o.out
}

func (o *oracle) event(e *Event) {
	switch e.Kind {
	case Sent:
		o.sent(e.Request)
	case Began:
		o.began(e)
	case Loaded, Acked:
		o.confirm(e)
	case Stored:
		o.stored(e)
	case Conflicted:
		o.conflicted(e.Request)
	case Ended:
		o.ended(e.Request)
	case Delivered:
		o.delivered(e.Request)
	case Linked:
		o.linked(e)
	case Born:
		o.born(e)
	case Died:
		o.births[e.Birth].died, o.births[e.Birth].until = true, e.At
	case Forgot:
		o.forget(e)
	case Settled:
		o.atRest(e.At)
	default:
		o.rare(e)
	}
}

// conflicted takes in that a save of a request has met a newer record.
func (o *oracle) conflicted(q *Request) {
	if a := o.asked[q]; a != nil {
		a.conflict = true
	}
}

// linked notes how an instance reaches a shard from now on.
func (o *oracle) linked(e *Event) {
	k := linkOf{e.Birth, e.Shard}
	l := o.links[k]
	if l == nil || l.healthy != e.Healthy || !e.Healthy {
		o.links[k] = &linkState{healthy: e.Healthy, failed: !e.Healthy || l != nil && l.failed, since: e.At}
	}
	if !e.InBudget {
		delete(o.budget, k)
	} else if _, ok := o.budget[k]; !ok {
		o.budget[k] = e.At
	}
}

// born notes a process that starts, with all links well.
func (o *oracle) born(e *Event) {
	o.births[e.Birth] = &birth{place: e.Instance, since: e.At}
	for s := range 8 { // more shards than any world has
		o.links[linkOf{e.Birth, s}] = &linkState{healthy: true, since: e.At}
	}
}

// rare takes in the events that only some worlds have.
func (o *oracle) rare(e *Event) {
	x := o.lives[e.Session]
	switch e.Kind {
	case Overridden:
		o.override(e)
	case Closed:
		o.judgeClosed(e)
	case Crowded:
		o.births[e.Birth].crowded = e.At
	case Shaken:
		o.shaken[e.Shard] = e.At
	case Restored:
		x.record = o.records[e.Save]
		if x.record != nil && x.record.dead {
			x.lostTomb = 0 // it has come back
		}
	case Evicted:
		x.evicted = e.At
		if x.record != nil && x.record.dead {
			x.lostTomb = e.At
		}
		x.record = nil
	default:
	}
}

func (o *oracle) forget(e *Event) {
	o.forgot[e.Shard] = e.At
	for _, x := range o.lives {
		if x.shard != e.Shard || x.record == nil {
			continue
		}
		if x.record.dead {
			x.lostTomb = e.At
			if e.Unseen {
				x.unseen = e.At
			}
		}
		x.record = nil
	}
}
