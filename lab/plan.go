package main

import (
	"flag"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/holdfast-go/session/lab/peer"
)

// peerOf is a peer that takes part.
type peerOf = peer.Peer

// plan is what a run does.
type plan struct {
	visitors int           // of each peer, in each act
	before   time.Duration // the store is well
	fault    time.Duration // and is not
	after    time.Duration // and is well again
	pause    time.Duration // of a visitor between an answer and the next request
	limit    time.Duration // how long a visitor waits for an answer
	nodeDir  string

	peers         []peerOf
	acts          []act
	page, picture string
}

func parse(args []string, out io.Writer) (plan, error) {
	var p plan
	f := flag.NewFlagSet("lab", flag.ContinueOnError)
	f.SetOutput(out)
	f.IntVar(&p.visitors, "visitors", 20, "visitors of each peer in each act, a multiple of four")
	f.DurationVar(&p.before, "before", 3*time.Second, "how long the store is well before a fault")
	f.DurationVar(&p.fault, "fault", 12*time.Second, "how long a fault lasts")
	f.DurationVar(&p.after, "after", 10*time.Second, "how long visitors go on after a fault")
	f.DurationVar(&p.pause, "pause", 400*time.Millisecond, "between an answer and the visitor's next request")
	f.DurationVar(&p.limit, "limit", 10*time.Second, "how long a visitor waits for an answer")
	f.StringVar(&p.nodeDir, "node", "lab/node", "where the application for Node is")
	f.StringVar(&p.page, "page", "", "the file that the results go to, instead of standard output")
	f.StringVar(&p.picture, "picture", "", "the SVG file that the picture goes to")
	only := f.String("only", "", "the peers whose names match this, of "+peer.Names())
	acts := f.String("acts", "", "the acts whose names match this")
	noNode := f.Bool("no-node", false, "leave out the peers that need Node")
	if err := f.Parse(args); err != nil {
		return p, err
	}
	if p.visitors < 4 || p.visitors%4 != 0 {
		return p, fmt.Errorf("-visitors %d: it must be a multiple of four", p.visitors)
	}
	peers, err := regexp.Compile(*only)
	if err != nil {
		return p, fmt.Errorf("-only: %w", err)
	}
	names, err := regexp.Compile(*acts)
	if err != nil {
		return p, fmt.Errorf("-acts: %w", err)
	}
	node := !*noNode && hasNode(p.nodeDir)
	for _, x := range peer.All() {
		if peers.MatchString(x.Name) && (node || !x.Node) {
			p.peers = append(p.peers, x)
		}
	}
	for _, a := range script() {
		if names.MatchString(a.name) {
			p.acts = append(p.acts, a)
		}
	}
	if len(p.peers) == 0 || len(p.acts) == 0 {
		return p, fmt.Errorf("-only %q and -acts %q leave nothing to do", *only, *acts)
	}
	return p, nil
}

// hasNode reports whether the peers on Node can be started.
func hasNode(dir string) bool {
	_, err := exec.LookPath("node")
	if err != nil {
		return false
	}
	found, err := filepath.Glob(filepath.Join(dir, "node_modules", "express", "package.json"))
	return err == nil && len(found) > 0
}
