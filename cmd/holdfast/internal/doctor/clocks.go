package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
)

// Board is a source of the status of an application's instances.
type Board struct {
	name string
	open func(context.Context) (session.Store, func(), error) // nil: it is a page
	read func(context.Context) ([]admin.Instance, error)
	late time.Duration // how old what read returns may be
}

// StoreBoard returns the Board in the store at an address, where instances may write their
// status (admin.Options.Store). It is opened where the doctor could look at the store.
func StoreBoard(address string, open func(context.Context) (session.Store, func(), error)) Board {
	return Board{name: nameOf(address), open: open}
}

// PageBoard returns the Board that an operators' page is.
func PageBoard(c *admin.Client) Board {
	return Board{name: c.URL, late: pageReads, read: func(ctx context.Context) ([]admin.Instance, error) {
		s, err := c.Status(ctx)
		if err == nil && s.Problem != "" {
			err = errors.New(s.Problem)
		}
		return s.Instances, err
	}}
}

const (
	pageReads  = time.Second            // between two reads of the store by a page
	lookEvery  = 250 * time.Millisecond // at a Board
	slowRecord = 2 * time.Second        // between the time in a record and its arrival
	longEvery  = 10 * time.Second       // an instance that writes less often is not waited for
)

// clock is an instance's.
type clock struct {
	name   string
	offset time.Duration // from this machine's
}

// clocks compares the clocks of the instances at each Board, with each other and with that of
// the store.
func (r *Report) clocks(ctx context.Context, boards []Board) {
	type seen struct {
		clocks []clock
		some   bool
		err    error
	}
	all := make([]seen, len(boards))
	var watching sync.WaitGroup
	for i, b := range boards {
		if _, looked := r.skews[b.name]; b.open != nil && !looked {
			continue
		}
		watching.Go(func() { all[i].clocks, all[i].some, all[i].err = b.watch(ctx) })
	}
	watching.Wait()
	for i, b := range boards {
		if all[i].err != nil {
			r.blind("the instances at "+b.name, all[i].err)
			continue
		}
		if all[i].some && b.open == nil {
			r.Looked = append(r.Looked, b.name)
		}
		r.compareClocks(b.name, all[i].clocks)
	}
}

// watch waits until each instance has written anew, and returns how far its clock is from this
// machine's. some says that there are instances.
func (b Board) watch(ctx context.Context) (found []clock, some bool, err error) {
	if b.open != nil {
		return b.opened(ctx)
	}
	last := map[uint32]time.Time{}
	known := map[uint32]bool{}
	var from, end time.Time // when the read before this one began, and when the last one does
	for {
		began := time.Now()
		instances, err := b.read(ctx)
		answered := time.Now()
		if err != nil {
			return nil, false, err
		}
		wait := time.Duration(0)
		for _, i := range instances {
			before, met := last[i.ID]
			last[i.ID] = i.Written
			switch {
			case known[i.ID]:
			case i.Self: // it has said it at this moment
				known[i.ID] = true
				found = append(found, clock{i.Name, skewOf(i.Written, began, answered)})
			case met && !i.Written.Equal(before):
				known[i.ID] = true
				found = append(found, clock{i.Name, skewOf(i.Written, from.Add(-b.late-slowRecord), answered)})
			case i.Every <= longEvery:
				wait = max(wait, i.Every)
			}
		}
		if end.IsZero() {
			end = began.Add(wait + slowRecord + b.late)
		}
		if wait == 0 || !began.Before(end) {
			return found, len(instances) > 0, nil // those that are left have gone
		}
		from = began
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil, true, fmt.Errorf("their clocks: %w; give the doctor more time by --within", ctx.Err())
		}
	}
}

// opened is watch for a store, which it opens for that time.
func (b Board) opened(ctx context.Context) (found []clock, some bool, err error) {
	store, closeStore, err := b.open(ctx)
	if err != nil {
		return nil, false, err
	}
	defer closeStore()
	b.open = nil
	b.read = func(ctx context.Context) ([]admin.Instance, error) { return admin.Instances(ctx, store) }
	return b.watch(ctx)
}

// compareClocks judges the clocks of one site's instances, by that of the store where it is
// known, else by the middle one.
func (r *Report) compareClocks(board string, clocks []clock) {
	if len(clocks) == 0 {
		return
	}
	slices.SortFunc(clocks, func(a, b clock) int { return int(a.offset - b.offset) })
	right, whose := clocks[len(clocks)/2].offset, "those of the other instances"
	if len(clocks) == 1 {
		right, whose = 0, "this machine's"
	}
	if skew, ok := r.skews[board]; ok {
		right, whose = skew, "the store's"
	}
	told := false
	for _, c := range clocks {
		off := c.offset - right
		if off.Abs() < someSkew {
			continue
		}
		check, severity := "instance-clock", Warning
		if off.Abs() >= muchSkew {
			check, severity = "instance-clock-far", Error
		}
		r.instanceClock(check, severity, c.name, fmt.Sprintf("its clock is %s %s", aheadOf(off), whose))
		told = true
	}
	first, last := clocks[0], clocks[len(clocks)-1]
	if apart := last.offset - first.offset; !told && apart >= someSkew {
		r.instanceClock("instance-clock", Warning, last.name, fmt.Sprintf("its clock is %s that of %s", aheadOf(apart), first.name))
	}
}

func aheadOf(off time.Duration) string {
	if off < 0 {
		return fmt.Sprintf("%v behind", off.Abs().Round(time.Second))
	}
	return fmt.Sprintf("%v ahead of", off.Round(time.Second))
}

func (r *Report) instanceClock(check string, severity Severity, instance, found string) {
	r.Findings = append(r.Findings, Finding{
		check, instance, severity, found,
		"of two changes that an outage has kept apart the earlier one may win; sessions expire too early or too late",
		"NTP, on the instance's machine",
	})
}
