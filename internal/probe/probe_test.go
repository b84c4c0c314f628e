package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var errDown = errors.New("connection refused")

// fake is a store in memory, of which tests take parts away.
type fake struct {
	records     map[string][]byte
	versions    map[string]Version
	n           byte
	now         time.Time
	layout      func(id string) string
	incarnation string
	loads       error // of each Load
	saves       error // of each Save
	creates     error // of each Save that creates
	swaps       error // of each Save over a Version
	first       []byte
	conflicts   bool // of each Save that creates, although nothing stands there
	asked       int  // to Save
	expiries    []time.Time
	overwrites  int
}

func newFake() *fake {
	return &fake{
		records: make(map[string][]byte), versions: make(map[string]Version), now: time.Unix(1_000_000, 0),
		layout: func(string) string { return "one" },
	}
}

func (f *fake) Load(_ context.Context, id string) ([]byte, bool, error) {
	if f.loads != nil {
		return nil, false, f.loads
	}
	data, ok := f.records[id]
	return data, ok, nil
}

func (f *fake) Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (Version, bool, error) {
	if _, limited := ctx.Deadline(); !limited && strings.HasPrefix(id, "probe") {
		return Version{}, false, errors.New("a save without a budget")
	}
	f.asked++
	creates := over == Version{}
	if f.first != nil && creates { // another instance comes first
		f.put(id, f.first)
		f.first = nil
	}
	switch {
	case f.saves != nil:
		return Version{}, false, f.saves
	case creates && f.creates != nil:
		return Version{}, false, f.creates
	case !creates && f.swaps != nil:
		return Version{}, false, f.swaps
	case f.versions[id] != over, creates && f.conflicts:
		return Version{}, true, errors.New("conflict")
	}
	f.expiries = append(f.expiries, expires)
	if !expires.After(f.now) {
		delete(f.records, id)
		delete(f.versions, id)
		return Version{}, false, nil
	}
	return f.put(id, data), false, nil
}

func (f *fake) put(id string, data []byte) Version {
	f.n++
	f.records[id] = data
	f.versions[id] = Version{f.n}
	return f.versions[id]
}

func (f *fake) Overwrite(_ context.Context, id string, _ []byte, expires time.Time) error {
	f.overwrites++
	if !expires.After(f.now) {
		delete(f.records, id)
		delete(f.versions, id)
	}
	return nil
}

func (f *fake) Shard(id string) string { return f.layout(id) }

func (f *fake) Incarnation(context.Context, string) (string, error) {
	if f.loads != nil {
		return "", f.loads
	}
	return f.incarnation, nil
}

func (f *fake) shard() *Shard {
	return &Shard{Store: f, Name: "one", Instance: 7, Now: func() time.Time { return f.now }, Budget: time.Second}
}

func wantLook(t *testing.T, s *Shard, when string, lost, known bool) {
	t.Helper()
	gotLost, gotKnown, err := s.Look(t.Context(), true)
	if err != nil || gotLost != lost || gotKnown != known {
		t.Errorf("%s: lost %v, known %v, %v; want %v, %v", when, gotLost, gotKnown, err, lost, known)
	}
}

func TestAShardIsBelievedWhenItsCanaryHasStood(t *testing.T) {
	f := newFake()
	s := f.shard()
	wantLook(t, s, "the first look at an empty shard", true, false)
	wantLook(t, s, "the second", false, false)
	wantLook(t, f.shard(), "another process, at once", true, false)
	f.now = f.now.Add(settled)
	wantLook(t, f.shard(), "another process, just before the canary has settled", true, false)
	f.now = f.now.Add(time.Millisecond)
	wantLook(t, f.shard(), "another process, later", false, false)
}

func TestAShardThatLostItsCanaryIsKnownToHaveLostData(t *testing.T) {
	id := "canary-0"
	for _, test := range []struct {
		name string
		do   func(*fake)
	}{
		{"it is gone", func(f *fake) { delete(f.records, id); delete(f.versions, id) }},
		{"it is another one", func(f *fake) { f.put(id, make([]byte, canarySize)) }},
		{"the server was restarted", func(f *fake) { f.incarnation = "two" }},
		{"it is gone and cannot be made", func(f *fake) {
			delete(f.records, id)
			delete(f.versions, id)
			f.creates = errDown
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			f.incarnation = "one"
			s := f.shard()
			wantLook(t, s, "at first", true, false)
			f.now = f.now.Add(time.Hour)
			wantLook(t, s, "later", false, false)
			test.do(f)
			lost, known, err := s.Look(t.Context(), true)
			if !lost || !known || errors.Is(err, ErrNoCanary) != (f.creates != nil) {
				t.Errorf("lost %v, known %v, %v", lost, known, err)
			}
			f.creates = nil
			_, _, _ = s.Look(t.Context(), true)
			wantLook(t, s, "in the end", false, false)
		})
	}
}

func TestALookThatIsNotThoroughAsksForNoIncarnation(t *testing.T) {
	f := newFake()
	s := f.shard()
	wantLook(t, s, "at first", true, false)
	f.incarnation = "one"
	wantLook(t, s, "the first incarnation", false, false)
	f.incarnation = "two"
	if lost, known, err := s.Look(t.Context(), false); lost || known || err != nil {
		t.Errorf("lost %v, known %v, %v", lost, known, err)
	}
	wantLook(t, s, "a thorough one", true, true)
}

func TestAShardThatDoesNotAnswerHasLostNothing(t *testing.T) {
	f := newFake()
	s := f.shard()
	wantLook(t, s, "at first", true, false)
	f.loads = errDown
	for _, thorough := range []bool{true, false} {
		if lost, known, err := s.Look(t.Context(), thorough); lost || known || !errors.Is(err, errDown) {
			t.Errorf("lost %v, known %v, %v", lost, known, err)
		}
	}
	f.loads = nil
	wantLook(t, s, "later", false, false)
}

func TestTheCanaryOfAnotherInstanceCounts(t *testing.T) {
	f := newFake()
	old := make([]byte, canarySize)
	binary.BigEndian.PutUint64(old, uint64(f.now.Add(-time.Hour).UnixMilli()))
	f.first = old
	wantLook(t, f.shard(), "the other one came first", false, false)
}

func TestACanaryOutlivesEverySession(t *testing.T) {
	f := newFake()
	wantLook(t, f.shard(), "at first", true, false)
	if len(f.expiries) != 1 || f.expiries[0].Before(f.now.AddDate(5, 0, 0)) {
		t.Errorf("the canary expires at %v, want five years after %v", f.expiries, f.now)
	}
}

func TestTwoCanariesOfOneMomentDiffer(t *testing.T) {
	f := newFake()
	s := f.shard()
	wantLook(t, s, "at first", true, false)
	clear(f.records)
	clear(f.versions)
	wantLook(t, s, "when another was made in the same millisecond", true, true)
}

func TestAShardThatTakesNoCanaryIsNotBelieved(t *testing.T) {
	for name, do := range map[string]func(*fake){
		"it is read-only":             func(f *fake) { f.creates = errDown },
		"each create is a conflict":   func(f *fake) { f.conflicts = true },
		"its canary is nobody's work": func(f *fake) { f.first = []byte("short") },
	} {
		f := newFake()
		do(f)
		lost, known, err := f.shard().Look(t.Context(), true)
		none := name != "its canary is nobody's work"
		if !lost || known || errors.Is(err, ErrNoCanary) != none {
			t.Errorf("%s: lost %v, known %v, %v", name, lost, known, err)
		}
		if f.asked > 3 {
			t.Errorf("%s: %d creates were tried, want 3 at most", name, f.asked)
		}
	}
}

// locked is a fake that any number of goroutines may use.
type locked struct {
	*fake
	mu sync.Mutex
}

func (l *locked) Load(ctx context.Context, id string) ([]byte, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fake.Load(ctx, id)
}

func (l *locked) Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (Version, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fake.Save(ctx, id, data, expires, over)
}

// The race detector judges.
func TestAnyNumberMayLook(t *testing.T) {
	f := &locked{fake: newFake()}
	f.incarnation = "one"
	s := f.shard()
	s.Store = f
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				if _, known, err := s.Look(t.Context(), true); known || err != nil {
					t.Errorf("known to have lost data: %v, %v", known, err)
				}
			}
		})
	}
	group.Wait()
}

func TestTheCanaryFollowsTheLayout(t *testing.T) {
	f := newFake()
	f.layout = func(id string) string {
		if id == "canary-3" || strings.HasPrefix(id, "probe") {
			return "one"
		}
		return "two"
	}
	s := f.shard()
	if id, err := s.Canary(); id != "canary-3" || err != nil {
		t.Fatalf("the canary is %q, %v", id, err)
	}
	wantLook(t, s, "at first", true, false)
	f.layout = func(id string) string {
		if id == "canary-5" {
			return "one"
		}
		return "two"
	}
	wantLook(t, s, "in a new layout, where this process knows no canary", true, false)
	if id, _ := s.Canary(); id != "canary-5" {
		t.Errorf("the canary is %q", id)
	}
	f.layout = func(string) string { return "two" }
	if _, _, err := s.Look(t.Context(), false); err == nil {
		t.Error("a shard that holds nothing has a canary")
	}
	if err := s.Try(t.Context(), func(k Kind, err error) { t.Errorf("judged %s: %v", k, err) }); err == nil {
		t.Error("a shard that holds nothing takes saves")
	}
}

// tries runs Try n times, and returns what was judged.
func tries(t *testing.T, s *Shard, n int) (judged []string, err error) {
	for range n {
		err = s.Try(t.Context(), func(k Kind, err error) {
			judged = append(judged, fmt.Sprintf("%d %v", k, err == nil))
		})
	}
	return judged, err
}

func TestTryCreatesAndSwapsInTurn(t *testing.T) {
	f := newFake()
	s := f.shard()
	got, err := tries(t, s, 4)
	if want := []string{"1 true", "2 true", "2 true", "1 true", "2 true", "2 true"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("judged %q, %v; want %q", got, err, want)
	}
	if f.asked != 8 {
		t.Errorf("the store was asked for %d saves, want 2 for each call", f.asked)
	}
	if len(f.records) != 0 {
		t.Errorf("records are left: %v", f.records)
	}
	for _, at := range f.expiries {
		if at.After(f.now) && at.Sub(f.now) != recordLife {
			t.Errorf("a record lives until %v", at)
		}
	}
}

func TestTryTellsWhichSavesAreRefused(t *testing.T) {
	for _, test := range []struct {
		name     string
		do       func(*fake)
		judged   []string
		after    []string // another one, when a record stood before
		leftOver int
	}{
		{"none", func(*fake) {}, []string{"1 true", "2 true"}, []string{"2 true"}, 1},
		{"creating", func(f *fake) { f.creates = errDown }, []string{"1 false"}, []string{"2 true"}, 0},
		{"swapping", func(f *fake) { f.swaps = errDown }, []string{"1 true", "2 false"}, []string{"2 false"}, 0},
		{"all", func(f *fake) { f.saves = errDown }, []string{"1 false"}, []string{"2 false"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake()
			test.do(f)
			s := f.shard()
			got, err := tries(t, s, 1)
			if !slices.Equal(got, test.judged) || (err == nil) != (test.name == "none") {
				t.Errorf("judged %q, %v; want %q", got, err, test.judged)
			}
			if len(f.records) != test.leftOver {
				t.Errorf("%d records are left, want %d", len(f.records), test.leftOver)
			}

			f = newFake()
			s = f.shard()
			_, _ = tries(t, s, 1)
			test.do(f)
			if got, _ := tries(t, s, 1); !slices.Equal(got, test.after) {
				t.Errorf("with a record judged %q, want %q", got, test.after)
			}
		})
	}
}

func TestALostRecordIsNoRefusal(t *testing.T) {
	f := newFake()
	s := f.shard()
	_, _ = tries(t, s, 1)
	clear(f.records)
	clear(f.versions)
	got, err := tries(t, s, 1)
	if want := []string{"1 true", "2 true"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("judged %q, %v; want %q", got, err, want)
	}
}

func TestARecordThatMovedIsLeftAlone(t *testing.T) {
	f := newFake()
	s := f.shard()
	_, _ = tries(t, s, 1)
	moved := s.record
	f.layout = func(id string) string {
		if id == moved {
			return "two"
		}
		return "one"
	}
	got, err := tries(t, s, 1)
	if want := []string{"1 true", "2 true"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("judged %q, %v; want %q", got, err, want)
	}
	if f.records[moved] == nil {
		t.Error("the record was ended in a shard that is not this one's")
	}
}

func TestAKindSaysWhatWasTried(t *testing.T) {
	f := newFake()
	f.creates = errDown
	_, err := tries(t, f.shard(), 1)
	if err == nil || err.Error() != "session: probe: create: connection refused" || !errors.Is(err, errDown) {
		t.Errorf("the error is %v", err)
	}
	f = newFake()
	f.swaps = errDown
	_, err = tries(t, f.shard(), 1)
	if err == nil || err.Error() != "session: probe: compare-and-set over the version just returned: connection refused" {
		t.Errorf("the error is %v", err)
	}
}
