package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var errDown = errors.New("connection refused")

// fake is a store in memory, of which tests take parts away.
type fake struct {
	records    map[string][]byte
	versions   map[string]Version
	n          byte
	now        time.Time
	layout     func(id string) string
	before     func(id string)
	saves      error // of each Save
	creates    error // of each Save that creates
	swaps      error // of each Save over a Version
	first      []byte
	conflicts  bool // of each Save that creates, although nothing stands there
	asked      int  // to Save
	expiries   []time.Time
	overwrites int
}

func newFake() *fake {
	return &fake{
		records: make(map[string][]byte), versions: make(map[string]Version), now: time.Unix(1_000_000, 0),
		layout: func(string) string { return "one" },
	}
}

func (f *fake) Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (Version, bool, error) {
	if _, limited := ctx.Deadline(); !limited && strings.HasPrefix(id, "probe") {
		return Version{}, false, errors.New("a save without a budget")
	}
	f.asked++
	if f.before != nil {
		f.before(id)
	}
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

func (f *fake) shard() *Shard {
	return &Shard{Store: f, Name: "one", Instance: 7, Now: func() time.Time { return f.now }, Budget: time.Second}
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

func TestTryUsesRecordsOfItsShardAlone(t *testing.T) {
	f := newFake()
	lies := map[string]string{}
	f.layout = func(id string) string { // each third lies in the shard
		if lies[id] == "" {
			lies[id] = []string{"two", "three", "one"}[len(lies)%3]
		}
		return lies[id]
	}
	f.before = func(id string) {
		if lies[id] != "one" {
			t.Errorf("%s is saved, which lies in shard %q", id, lies[id])
		}
	}
	if _, err := tries(t, f.shard(), 6); err != nil {
		t.Error(err)
	}
	if f.asked != 12 {
		t.Errorf("the store was asked for %d saves, want 12", f.asked)
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
