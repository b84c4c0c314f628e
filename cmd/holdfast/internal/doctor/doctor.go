// Package doctor examines the servers, pages and keys of a site, and reports settings that will
// harm visitors: what the visitors would see, and which line to change.
//
// It collects the answers first, and then judges them by rules without side effects. Each kind
// of place has a file that asks (page.go, redis.go) and a table of rules, there or in a file of
// its own: a rule can judge only what that file has asked for.
package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/address"
	"github.com/holdfast-go/session/cmd/holdfast/internal/paint"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // visitors suffer from it now, or at the next restart
	Warning Severity = "warning" // visitors will suffer from it when something else happens
)

// Finding is something that is set badly.
type Finding struct {
	Check    string   `json:"check"` // the rule's name, which does not change
	Subject  string   `json:"subject"`
	Severity Severity `json:"severity"`
	Found    string   `json:"found"`
	Visitor  string   `json:"visitor"` // what a visitor would see
	Change   string   `json:"change"`  // the line to change
}

// Blind is something at which the doctor could not look.
type Blind struct {
	Subject string `json:"subject"`
	Why     string `json:"why"`
}

// Report is what the doctor has found.
type Report struct {
	Findings []Finding `json:"findings"`
	Blind    []Blind   `json:"blind"`
	Looked   []string  `json:"looked"` // at what

	copies []pageCopy
	skews  map[string]time.Duration // of the clocks of stores, by their names
}

// Exit returns the status of a command that prints the report: 0 without findings, 1 with
// findings, 2 where the doctor could not look at something.
func (r *Report) Exit() int {
	switch {
	case len(r.Blind) > 0:
		return 2
	case len(r.Findings) > 0:
		return 1
	}
	return 0
}

// Write prints the report for people, with colours where w is a terminal.
func (r *Report) Write(w io.Writer) {
	p := paint.For(w)
	for _, f := range r.Findings {
		severity := p.Yellow(string(f.Severity))
		if f.Severity == Error {
			severity = p.Red(string(f.Severity))
		}
		fmt.Fprintf(w, "%s: %s: %s [%s]\n    visitors: %s\n    change:   %s\n", severity, f.Subject, f.Found, f.Check, f.Visitor, f.Change)
	}
	for _, b := range r.Blind {
		fmt.Fprintf(w, "%s at %s: %s\n", p.Red("could not look"), b.Subject, b.Why)
	}
	if len(r.Looked) > 0 {
		findings := "findings"
		if len(r.Findings) == 1 {
			findings = "finding"
		}
		fmt.Fprintf(w, "%d %s; looked at %s\n", len(r.Findings), findings, strings.Join(r.Looked, ", "))
	}
}

func (r *Report) blind(subject string, err error) {
	r.Blind = append(r.Blind, Blind{subject, err.Error()})
}

// rule judges what was collected of one subject.
type rule[F any] struct {
	check    string
	severity Severity
	visitor  string
	change   string
	finds    func(F) string // what is wrong, or nothing
}

func judge[F any](r *Report, subject string, rules []rule[F], facts F) {
	for _, rule := range rules {
		found := rule.finds(facts)
		if found == "" {
			continue
		}
		r.Findings = append(r.Findings, Finding{rule.check, subject, rule.severity, found, rule.visitor, rule.change})
	}
}

// Options are what the doctor looks at.
type Options struct {
	Stores []string // addresses
	Pages  []string // URLs
	Keys   []string // files of keys, one for each instance

	// Table is the table of sessions in a database. Empty is the store's default.
	Table string

	// Boards are where instances write their status. A board without an instance is no
	// finding.
	Boards []Board
}

// Examine looks at everything. It ends with ctx, and what it has not looked at by then is
// reported.
func Examine(ctx context.Context, o Options) *Report {
	r := &Report{Findings: []Finding{}, Blind: []Blind{}, Looked: []string{}, skews: map[string]time.Duration{}}
	var rings []ring
	for _, text := range o.Stores {
		scheme, _, _ := strings.Cut(text, ":")
		switch scheme {
		case "redis", "rediss":
			r.redis(ctx, text)
		case "memcached":
			if ring, ok := r.memcached(ctx, text); ok {
				rings = append(rings, ring)
			}
		case "postgres", "postgresql":
			r.postgres(ctx, text, o.Table)
		case "mysql":
			r.mysql(ctx, text, o.Table)
		case "sqlite":
			r.sqlite(ctx, text, o.Table)
		default:
			r.blind(scheme+":", address.ErrStore)
		}
	}
	r.rings(rings)
	for _, url := range o.Pages {
		r.page(ctx, url)
	}
	r.compareCopies(r.keys(o.Keys))
	r.clocks(ctx, o.Boards)
	return r
}

// skewOf says how far a server's clock is from this machine's, where that is much. A
// write gets its place among others by the clock of the instance that made it.
func skewOf(server, before, after time.Time) time.Duration {
	switch {
	case server.Before(before):
		return server.Sub(before)
	case server.After(after):
		return server.Sub(after)
	}
	return 0
}

const (
	someSkew = 5 * time.Second
	muchSkew = time.Minute
)

func skewed(skew, least, most time.Duration) string {
	if abs := skew.Abs(); abs < least || most > 0 && abs >= most {
		return ""
	}
	return fmt.Sprintf("its clock is %v away from this machine's", skew.Round(time.Second))
}

// nameOf names a store without the password in its address.
func nameOf(address string) string {
	switch scheme, rest, _ := strings.Cut(address, ":"); scheme {
	case "memcached":
		list, _, err := memcachedServers(address)
		if err != nil {
			return "memcached:"
		}
		return "memcached://" + strings.Join(list, ",")
	case "sqlite":
		return "sqlite:" + rest
	}
	return withoutPassword(address)
}
