// Lab puts Holdfast and what others use through the same faults, on the same servers, in
// one run, and writes what visitors met into docs/COMPARISON.md.
//
//	make lab
//
// In each act of the script, all peers run at the same time, each in a process of its
// own, and their visitors do the same things at the same moments. The answers are
// counted by one program that knows no library.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/holdfast-go/session/internal/test/host"
)

func main() {
	host.Child(serveVar, child)
	host.Main("lab", run)
}

// run is main, for the test too. It says what it does as it goes.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	p, err := parse(args, out)
	if err != nil {
		return err
	}
	defer host.Recover(&err)
	origin := originOf(ctx, p)
	found := results{plan: p}
	for _, act := range p.acts {
		all, err := perform(ctx, p, act, out)
		if err != nil {
			return fmt.Errorf("%s: %w", act.name, err)
		}
		found.acts = append(found.acts, actResults{act, all})
	}
	found.origin = origin
	if p.page != "" {
		if err := os.WriteFile(p.page, []byte(found.text()), 0o644); err != nil {
			return err
		}
	}
	if p.picture != "" {
		if err := os.WriteFile(p.picture, []byte(found.drawing()), 0o644); err != nil {
			return err
		}
	}
	if p.page == "" {
		_, err = io.WriteString(out, found.text())
	}
	return err
}

// perform runs one act with all peers whose store it concerns.
func perform(ctx context.Context, p plan, act act, out io.Writer) (all []*tally, err error) {
	peers := slices.Clone(p.peers)
	peers = slices.DeleteFunc(peers, func(x peerOf) bool { return !act.concerns(x.Store) })
	if len(peers) == 0 {
		return nil, nil
	}
	fmt.Fprintf(out, "%s, %d peers\n", act.name, len(peers))
	h := new(host.Host)
	defer h.Close()
	stage, err := newStage(ctx, h, p, act, peers)
	if err != nil {
		return nil, err
	}
	defer stage.leave()
	if err := act.play(ctx, stage); err != nil {
		return nil, err
	}
	for _, c := range stage.crowds {
		fmt.Fprintf(out, "  %s\n", c.tally)
		all = append(all, c.tally)
	}
	return all, nil
}
