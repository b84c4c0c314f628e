package main

import (
	"bytes"
	"fmt"
	"html/template"
	"slices"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	prometheus "github.com/holdfast-go/session/metrics"
)

// panel is what the page tells of the store and the backup, live. It is made
// before the sessions are, whose hooks write to its event log.
type panel struct {
	store    string
	process  storeProcess // nil: the store is not the shop's to stop
	backup   bool
	public   bool // the buttons are for everyone, see buttons.allowed
	events   *eventLog
	metrics  *metrics
	served   prometheus.Metrics
	happened admin.Events   // for the operators' page
	operator *operatorsPage // nil: there is none
	failures failures
	shoppers *shoppers // nil: none can be let in
	hub      *hub
	lever    operatorSwitch   // nil: the shop takes no orders
	ordered  session.Override // that watch saw last

	sessions *session.Manager
}

func newPanel(b backend, c config) *panel {
	p := &panel{store: b.name, process: b.process, backup: !c.noBackup, public: c.public, metrics: &metrics{}, failures: newFailures()}
	p.hub = newHub(p.render, p.watch)
	p.events = newEventLog(p.backup, p.hub.kick)
	return p
}

// hooks returns h with the panel listening too.
func (p *panel) hooks(h session.Hooks) session.Hooks {
	return p.happened.Hooks(p.served.Hooks(p.failures.hooks(p.events.hooks(h))))
}

// watch looks how the sessions are, a few times a second.
func (p *panel) watch(now time.Time) {
	st := p.sessions.Stats()
	p.events.watch(st)
	p.watchOrder()
	p.metrics.see(now, p.worst(st))
}

// worst returns the lane of the worst part of the store. A new store is in quarantine
// like an emptied one, but lacks nothing, so it counts as serving.
func (p *panel) worst(st session.Stats) lane {
	l := serving
	if st.Failing {
		l = away
	}
	for _, shard := range st.Shards {
		switch shard.State {
		case session.Away:
			return away
		case session.Returning, session.ReadsOnly:
			l = returning
		case session.Serving:
			if shard.Quarantine > 0 && !p.events.isNew() {
				l = returning
			}
		}
	}
	return l
}

// view is what the templates show.
type view struct {
	State      string // in words
	Order      string // that is in force, in words; empty for none
	StoreDoes  string
	BackupDoes string
	Lanes      template.HTML
	Charts     charts
	Notes      []note

	Backup bool
	Lane   lane // how the store does, to the shop

	Condition condition // empty: there are no buttons for the store
	Shoppers  int
	CanLetIn  bool // shoppers can be let in
	Served    int64
	Failed    int64
	LoggedOut int64
	Lost      int64
	Figures   figures
}

// view returns what the page shows now. Where the buttons would not work it has
// none.
func (p *panel) view(buttons bool) view {
	now, st := time.Now(), p.sessions.Stats()
	seconds := p.metrics.last(now, reach)
	v := view{
		Backup: p.backup, Lane: p.worst(st),
		Notes: p.events.read(), Figures: newFigures(seconds),
		Lanes: drawLanes(seconds[reach-laneSeconds:]), Charts: drawCharts(seconds),
	}
	is := running
	if p.process != nil {
		is = p.process.condition()
		if buttons {
			v.Condition = is
		}
	}
	v.State, v.StoreDoes = p.inWords(st, is)
	v.Order = orderInWords(p.orderNow())
	switch last := seconds[reach-1]; {
	case !p.backup:
		v.BackupDoes = "is off"
	case last.backed > 0:
		v.BackupDoes = "serves " + counted(last.backed, "request") + " a second"
	default:
		v.BackupDoes = "stands by"
	}
	if c := p.shoppers; c != nil {
		v.CanLetIn, v.Shoppers = buttons, c.size()
		v.Served, v.Failed = c.requests.Load(), c.failed.Load()
		v.LoggedOut, v.Lost = c.logouts.Load(), c.lost.Load()+c.revived.Load()
	}
	return v
}

// inWords describes the store as the shop sees it. It shows the effect of a button
// only after a request or a probe.
func (p *panel) inWords(st session.Stats, is condition) (state, store string) {
	switch l := p.worst(st); {
	case l == away && !p.backup:
		state, store = "The store does not answer. Visitors who have a session are asked to come back later.", "does not answer"
	case l == away:
		state, store = whyAway(st)
	case l == returning && savesNothing(st):
		state, store = "The store can be read, and saves nothing; what visitors change stays in their own cookies.", "saves nothing"
	case l == returning:
		state, store = "The store answers again, and is brought up to date; visitors are still served from their own cookies.", "is coming back"
	case is == dead:
		return "The store was killed. The next requests will find out.", "is dead"
	case is == frozen:
		return "The store was frozen. The next requests will find out.", "is frozen"
	case p.backup:
		state, store = "The store answers. Each visitor’s cookies hold a sealed copy of the session, should it stop.", "answers"
	default:
		state, store = "The store answers. There is no backup: sessions are in the store only.", "answers"
	}
	if n := st.Journal.States; n > 0 {
		state += " " + wait(n, "change")
	}
	if n := st.Journal.Tombstones; n > 0 {
		state += " " + wait(n, "ended session")
	}
	return state, store
}

// whyAway says why a part of the store is away, and that visitors have a backup.
func whyAway(st session.Stats) (state, store string) {
	var cause session.Cause
	for _, shard := range st.Shards {
		if shard.State == session.Away {
			cause = shard.Cause
			break
		}
	}
	const served = "; visitors are served from their own cookies."
	switch cause {
	case session.CauseOverride:
		return "The operator has the store left alone" + served, "is left alone"
	case session.CauseHalfFailed:
		return "The store is too slow, or fails too often" + served, "fails too often"
	case session.CauseFailures, session.CauseSaves: // the latter is of one that is not away
	}
	return "The store does not answer" + served, "does not answer"
}

// savesNothing reports whether a part of the store answers loads only, and no part is
// worse.
func savesNothing(st session.Stats) bool {
	return slices.ContainsFunc(st.Shards, func(s session.ShardStats) bool { return s.State == session.ReadsOnly })
}

func wait(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " waits for the store."
	}
	return fmt.Sprintf("%d %ss wait for the store.", n, thing)
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// parts are the elements of the page that change, by their IDs, which are also
// the names of their templates.
var parts = []string{"live-state", "live-lanes", "live-notes", "shoppers-size", "shoppers-figures"}

// render returns them as HTML. The buttons are not among them: they stay where
// the focus is.
func (p *panel) render() map[string]string {
	v := p.view(true)
	out := map[string]string{"condition": string(v.Condition), "lane": fmt.Sprint(v.Lane)}
	for _, name := range parts {
		var b bytes.Buffer
		if err := pages.ExecuteTemplate(&b, name, v); err != nil {
			panic(err) // a mistake in the template
		}
		out[name] = b.String()
	}
	return out
}
