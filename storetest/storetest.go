// Package storetest is for authors of stores, and for tests of code that uses a
// store.
//
// [Run] holds a [session.Store] to its contract, sentence by sentence. [Bench]
// measures every store alike. [Faulty] is a store that fails on command.
package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
)

// Harness gives Run and Bench the store that they test. Only New is required. Every
// capability that is missing, of the harness or of the store, is logged together with
// the cases that it left out.
//
// All functions after New are about the store that New returned last. They
// return when they have finished, and call t.Fatal where they cannot.
type Harness struct {
	// New returns a store that holds nothing: on a server of its own, or on a
	// shared one with a prefix of its own.
	New func(t testing.TB) session.Store

	// Again returns one more client of the same data, as a second instance of
	// the program would have it. It shares nothing else with the first.
	Again func(t testing.TB) session.Store

	// Restart restarts the server, with or without its data.
	Restart func(t testing.TB)

	// Freeze keeps the server from answering, with its connections left open,
	// as SIGSTOP does; Thaw ends that.
	Freeze, Thaw func(t testing.TB)

	// Connections returns how many connections the server has accepted since
	// New, those that are closed included and this function's own left out.
	Connections func(t testing.TB) int

	// Down takes the server away, as SIGKILL does; Up starts it again in the
	// same place, with or without its data.
	Down, Up func(t testing.TB)

	// MaxRecord is a size of Record.Data that the store takes, while it
	// refuses twice that size. Zero says that there is no limit to test.
	MaxRecord int

	// Each, if not nil, is what each case runs in. For a store that lives in
	// the process let it be synctest.Test: then waiting costs no time.
	Each func(t *testing.T, run func(t *testing.T))
}

// Run checks the store against the contract in the comments of
// [session.Store], and of [session.FreshLoader], [session.Lister],
// [session.Prober] and [session.Pinner] where the store is one. Each case is a
// subtest, named after what its failure would mean, and prints the sentence of
// the contract that was broken. The cases run one after the other, each with a
// store of its own. They wait for expiries, some ten seconds in all; nothing
// is decided by how fast the store is, but for the two seconds within which a
// record must be gone.
func Run(t *testing.T, h Harness) {
	each := h.Each
	if each == nil {
		each = func(t *testing.T, run func(*testing.T)) { run(t) }
	}
	var have []capability
	each(t, func(t *testing.T) { have = h.capabilities(t) })

	left := map[capability][]string{}
	for _, c := range cases {
		if lacks := c.lacks(have); lacks != "" {
			left[lacks] = append(left[lacks], c.name)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T) {
				defer func() {
					if t.Failed() {
						t.Logf("the contract, in store.go: %s", c.says)
					}
				}()
				c.run(&check{reporter: t, Harness: h, t: t, store: h.New(t)})
			})
		})
	}
	for _, lacks := range allCapabilities {
		if names := left[lacks]; names != nil {
			t.Logf("not checked, for want of %s: %s", lacks, strings.Join(names, "; "))
		}
	}
}

// capability is what a case may need besides New.
type capability string

const (
	again       capability = "Harness.Again"
	restart     capability = "Harness.Restart"
	freeze      capability = "Harness.Freeze and Thaw"
	connections capability = "Harness.Connections"
	down        capability = "Harness.Down and Up"
	maxRecord   capability = "Harness.MaxRecord"
	freshLoader capability = "a session.FreshLoader"
	lister      capability = "a session.Lister"
	prober      capability = "a session.Prober"
	pinner      capability = "a session.Pinner"
)

var allCapabilities = []capability{again, restart, freeze, connections, down, maxRecord, freshLoader, lister, prober, pinner}

func (h Harness) capabilities(t testing.TB) []capability {
	s := h.New(t)
	_, isFresh := s.(session.FreshLoader)
	_, isProber := s.(session.Prober)
	p, isPinner := s.(session.Pinner)
	has := map[capability]bool{
		again:       h.Again != nil,
		restart:     h.Restart != nil,
		freeze:      h.Freeze != nil && h.Thaw != nil,
		connections: h.Connections != nil,
		down:        h.Down != nil && h.Up != nil,
		maxRecord:   h.MaxRecord > 0,
		freshLoader: isFresh,
		lister:      lists(t.Context(), s),
		prober:      isProber,
		pinner:      isPinner && len(p.Shards()) > 0,
	}
	return slices.DeleteFunc(slices.Clone(allCapabilities), func(c capability) bool { return !has[c] })
}

// lists reports whether s is a Lister, and not a wrapper around none.
func lists(ctx context.Context, s session.Store) bool {
	l, ok := s.(session.Lister)
	if !ok {
		return false
	}
	for _, err := range l.List(ctx) {
		return !errors.Is(err, errors.ErrUnsupported)
	}
	return true
}
