package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// section is a part of the page, written anew by a run that measures it.
type section struct {
	name string
	of   func(context.Context, *field, *results) (text string, err error)
}

// sections are in the order of the page, but for the head and the lines, which
// are made of all others.
func sections() []section {
	return []section{
		{"application", measureApplication},
		{"duels", measureDuels},
		{"stores", measureStores},
		{"steps", measureSteps},
		{"growth", measureGrowth},
		{"standing", runStanding},
		{"flights", measureFlights},
		{"outage", measureOutage},
		{"rush", measureRush},
		{"memcached", measureMemcached},
	}
}

func sectionNames() (all []string) {
	for _, s := range sections() {
		all = append(all, s.name)
	}
	return all
}

// results are what lines are made of. Nil, or zero, is not measured.
type results struct {
	application map[spot]*lane
	duels       map[duel][2]*lane
	untouched   *steps
	keys        map[string]map[int]*lane // by contestant and keys
	standing    []standingRow
	flights     map[string]float64 // loads for each page, by contestant
	outage      *outage
	rushes      rushes
}

// spot is where a lane ran.
type spot struct {
	name  string // the contestant's
	route int
	conns int
}

// measure runs all sections that the plan asks for, and writes the page. A section
// that fails is an error at the end, and the others are kept.
func measure(ctx context.Context, p plan, s *stores, out io.Writer) error {
	where := here(ctx, s, p)
	f, err := newField(ctx, p, s, out)
	if err != nil {
		return err
	}
	defer f.close()
	began := time.Now()
	var r results
	var errs []error
	texts := map[string]string{}
	for _, section := range sections() {
		if !p.sections.MatchString(section.name) {
			continue
		}
		start := time.Now()
		text, err := section.of(ctx, f, &r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(out, "%s: %v\n\n", section.name, err)
			errs = append(errs, fmt.Errorf("%s: %w", section.name, err))
			continue
		}
		texts[section.name] = text
		fmt.Fprintf(out, "%s\n(%s took %.0f s)\n\n", text, section.name, time.Since(start).Seconds())
	}
	all := lines(p, &r)
	if p.profiles {
		if texts["profiles"], err = f.profiles(ctx, all); err != nil {
			errs = append(errs, fmt.Errorf("profiles: %w", err))
		}
	}
	texts["lines"] = linesText(p, all)
	texts["run"] = runText(where, p, f, &r, time.Since(began))
	fmt.Fprint(out, texts["lines"], texts["profiles"], texts["run"])
	if p.picture != "" && r.application != nil {
		if err := os.WriteFile(p.picture, []byte(picture(f, &r)), 0o644); err != nil {
			errs = append(errs, err)
		}
	}
	if p.page != "" {
		errs = append(errs, writePage(p.page, texts))
	}
	return errors.Join(errs...)
}

// runText says where the figures come from, and how noisy it was there.
func runText(where string, p plan, f *field, r *results, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n* Run: %d rounds, turns of %v", where, p.rounds, p.slice)
	if !p.full {
		b.WriteString(" (a **short run**: its ratios are provisional)")
	}
	fmt.Fprintf(&b, "; %.0f minutes\n", took.Minutes())
	var spreads []float64
	for _, l := range r.application {
		spreads = append(spreads, l.spread())
	}
	if len(spreads) > 0 {
		low, middle, high := quartiles(spreads)
		fmt.Fprintf(&b, "* Noise: between the quartiles of a row's rounds lie %.0f %% of its median (the median of all rows; their quartiles %.0f %% and %.0f %%)\n",
			100*middle, 100*low, 100*high)
		if l := r.application[spot{"bare", foodRoute, p.most()}]; l != nil {
			fmt.Fprintf(&b, "* The load generator takes %s of a processor for a request with %d connections, the bare handler's process %s, on the same machine\n",
				micros(median(l.own)), p.most(), micros(l.cpu()))
		}
	}
	for _, why := range f.missing {
		fmt.Fprintf(&b, "* %s\n", why)
	}
	return b.String()
}

func micros(d time.Duration) string {
	us := float64(d) / float64(time.Microsecond)
	if us < 10 {
		return fmt.Sprintf("%.1f µs", us)
	}
	if us < 10_000 {
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.0f ms", us/1000)
}
