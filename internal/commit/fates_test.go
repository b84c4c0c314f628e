package commit_test

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// together runs commits at once, each a millisecond after the one before.
func (v *visitor) together(commits ...*commit.Commit) []error {
	errs := make([]error, len(commits))
	var wg sync.WaitGroup
	for n, c := range commits {
		wg.Go(func() {
			time.Sleep(time.Duration(n) * time.Millisecond)
			_, errs[n] = v.run(c)
		})
	}
	wg.Wait()
	return errs
}

// plan sets what becomes of the calls for the session: of the n-th load, and of the
// n-th save. Those behind the end of a list are done at once.
func (v *visitor) plan(loads, saves []instance.Fate) {
	var mu sync.Mutex
	next := func(l *[]instance.Fate) (f instance.Fate) {
		if len(*l) > 0 {
			f, *l = (*l)[0], (*l)[1:]
		}
		return f
	}
	v.Store.Plan(func(c instance.Call) instance.Fate {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case c.ID != v.id():
			return instance.Fate{}
		case c.Save:
			return next(&saves)
		}
		return next(&loads)
	})
}

// slow makes each save of the session take so long.
func (v *visitor) slow(takes time.Duration) {
	v.Store.PlanFor(instance.SavesOf(v.id()), instance.Fate{Takes: takes})
}

var (
	refused = instance.Fate{Err: instance.ErrRefused}
	silent  = instance.Fate{Silent: true}
	done    = instance.Fate{}
)

// blocks is a commit whose save takes so long and then fails, for a reason of its own.
func (v *visitor) blocks() *commit.Commit { return v.commit(v.begun, set("big", "value")) }

var tooLarge = instance.Fate{Takes: 20 * time.Millisecond, Err: failure.ErrTooLarge}

// inDoubt is a commit of an edit whose save has met that fate, and whose lookup was
// refused.
func (v *visitor) inDoubt(e *state.Edit, fate instance.Fate) *commit.Commit {
	v.Helper()
	c := v.commit(v.load(), e)
	v.plan([]instance.Fate{refused}, []instance.Fate{fate})
	v.fails(c, failure.ErrUnavailable)
	return c
}

// contest makes another instance write before each save of the session, and each save
// take so long.
func (v *visitor) contest(takes time.Duration) { v.contestTimes(math.MaxInt, takes) }

// contestTimes is contest for the first saves.
func (v *visitor) contestTimes(times int, takes time.Duration) {
	id := v.id()
	v.Store.Plan(func(c instance.Call) instance.Fate {
		if !c.Save || c.ID != id || times == 0 {
			return instance.Fate{}
		}
		times--
		v.elsewhere("other", strconv.FormatInt(time.Now().UnixNano(), 10))
		return instance.Fate{Takes: takes}
	})
}

// contestAfterSilence makes another instance write before each of the first three saves of
// the session. The first one has no answer, which takes its whole time; the others take 30 ms.
func (v *visitor) contestAfterSilence() {
	id := v.id()
	saves := 0
	v.Store.Plan(func(c instance.Call) instance.Fate {
		if !c.Save || c.ID != id || saves == 3 {
			return instance.Fate{}
		}
		saves++
		v.elsewhere("other", strconv.Itoa(saves))
		if saves == 1 {
			return instance.Never
		}
		return instance.Fate{Takes: 30 * time.Millisecond}
	})
}
