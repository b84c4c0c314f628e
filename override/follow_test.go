package override_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

var _ session.EndingSwitch = (*override.Follower)(nil)

// place is a source in memory that a test sets.
type place struct {
	mu      sync.Mutex
	text    string
	stands  bool
	away    error
	deaf    bool // changes are not told of
	mute    bool // Read returns when its time is up
	reads   int
	closed  bool
	changed chan struct{}
}

func newPlace() *place { return &place{changed: make(chan struct{}, 1)} }

func (p *place) String() string { return "a place" }

func (p *place) Read(ctx context.Context) (string, bool, error) {
	p.mu.Lock()
	p.reads++
	text, stands := p.text, p.stands
	away, mute := p.away, p.mute
	p.mu.Unlock()
	if mute {
		<-ctx.Done()
		return "", false, ctx.Err()
	}
	return text, stands, away
}

func (p *place) Wait(ctx context.Context) error {
	select {
	case <-p.changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *place) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// do changes the place, and tells of it where it is not deaf.
func (p *place) do(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if !p.deaf {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

func (p *place) put(text string) { p.do(func() { p.text, p.stands = text, true }) }

func follow(t *testing.T, s override.Source, o *override.FollowOptions) *override.Follower {
	t.Helper()
	f, err := override.Follow(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// sleep lets time pass until all goroutines wait for more.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAFollowerGoesByWhatStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.put("backup-only 2h")
		f := follow(t, p, nil)
		want(t, "an instance that starts in an incident", f, backupOnly2h)
		for _, step := range []struct {
			is   string
			do   func()
			want session.Override
		}{
			{"words without a newline", func() { p.put("backup-only") }, backupOnly},
			{"words with one", func() { p.put("store-only\n") }, session.Override{Mode: session.StoreOnly}},
			{"JSON", func() { p.put(`{"mode":"backup-only","lease":"2h"}`) }, backupOnly2h},
			{"nothing stands any more", func() { p.do(func() { p.stands = false }) }, session.Override{}},
			{"something stands again", func() { p.put("backup-only") }, backupOnly},
			{"nonsense", func() { p.put("off") }, backupOnly},
			{"an empty value", func() { p.put("") }, backupOnly},
			{"too much", func() { p.put("auto" + strings.Repeat(" ", 5<<10)) }, backupOnly},
			{"auto", func() { p.put("auto") }, session.Override{}},
		} {
			step.do()
			sleep(1500 * time.Millisecond)
			want(t, step.is, f, step.want)
		}
	})
}

func TestASourceThatTellsIsFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		f := follow(t, p, nil)
		sleep(time.Second)
		p.put("backup-only")
		sleep(150 * time.Millisecond)
		want(t, "told", f, backupOnly)

		p.do(func() { p.deaf = true })
		sleep(time.Second)
		p.put("auto")
		sleep(6 * time.Second)
		want(t, "not told", f, session.Override{})
	})
}

func TestAnOutageOfTheSourceChangesNothing(t *testing.T) {
	for _, mute := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace()
			p.put(`{"mode":"backup-only","by":"alice"}`)
			var r reports
			f := follow(t, p, &override.FollowOptions{Report: r.report})
			r.want(t, "the first order", 1, "")
			read := f.Stats().Read
			p.do(func() { p.away, p.mute = errors.New("connection refused"), mute })
			sleep(10 * time.Second)
			want(t, "away", f, backupOnly)
			r.want(t, "away", 2, "a place does not answer")
			if st := f.Stats(); st.Err == nil || time.Since(st.Read) < 5*time.Second || st.Order.By != "alice" {
				t.Errorf("away: got %+v, want an order that was read %v", st, read)
			}
			sleep(time.Minute)
			r.want(t, "away for a minute", 3, "a place does not answer")
			p.put("auto")
			p.do(func() { p.away, p.mute = nil, false })
			sleep(5 * time.Second)
			want(t, "back", f, session.Override{})
			r.want(t, "back", 4, "")
			p.do(func() { p.away, p.deaf = errors.New("no route"), true })
			sleep(10 * time.Second)
			r.want(t, "away again", 5, "no route")
			p.do(func() { p.away = nil })
			sleep(5 * time.Second)
			r.want(t, "back with the same order", 6, "")
			if st := f.Stats(); st.Err != nil || time.Since(st.Read) > 6*time.Second {
				t.Errorf("back: got %+v, want an order that was just read", st)
			}
		})
	}
}

func TestAnOrderThatIsRenewedIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		var r reports
		f := follow(t, p, &override.FollowOptions{Report: r.report})
		for range 5 {
			p.put(`{"mode":"backup-only","until":"` + time.Now().Add(time.Minute).Format(time.RFC3339Nano) + `"}`)
			sleep(20 * time.Second)
			want(t, "renewed", f, backupOnly)
		}
		r.want(t, "renewed", 2, "") // the first is auto
		p.do(func() { p.away = errors.New("no route") })
		sleep(time.Minute)
		want(t, "nobody renews it", f, session.Override{})
	})
}

func TestTheLastOrderIsKeptForTheNextStart(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "order")
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.put(`{"mode":"backup-only","lease":"2h","by":"alice","until":"` + time.Now().Add(time.Hour).Format(time.RFC3339Nano) + `"}`)
		o := &override.FollowOptions{Keep: keep}
		f := follow(t, p, o)
		order := p.text
		p.put("store-only")
		sleep(time.Second)
		p.put(order)
		sleep(time.Second)
		f.Close()
		read := f.Stats().Read
		sleep(10 * time.Minute)

		p.do(func() { p.away = errors.New("no route") })
		f = follow(t, p, o)
		want(t, "a start without the source", f, backupOnly2h)
		if st := f.Stats(); !st.Kept || !st.Read.Equal(read) || st.Err == nil || st.Order.By != "alice" {
			t.Errorf("a start without the source: got %+v, want the kept order, which was read %v", st, read)
		}
		sleep(50 * time.Minute)
		want(t, "its end", f, session.Override{})
		p.put("store-only")
		p.do(func() { p.away = nil })
		sleep(5 * time.Second)
		want(t, "the source is back", f, session.Override{Mode: session.StoreOnly})
		if st := f.Stats(); st.Kept {
			t.Errorf("the source is back: got %+v, want an order that is not the kept one", st)
		}
		f.Close()

		p.put("off")
		f = follow(t, p, o)
		want(t, "a start with nonsense at the source", f, session.Override{Mode: session.StoreOnly})
		f.Close()

		p.do(func() { p.stands = false })
		follow(t, p, o).Close()
		p.do(func() { p.away = errors.New("no route") })
		want(t, "a start without the source, where nothing stood", follow(t, p, o), session.Override{})
	})
}

func TestTheLargestOrderIsKept(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "order")
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		shard := strings.Repeat("<", 4000) // JSON writes six bytes for each
		p.put(`{"mode":"backup-only","shard":"` + shard + `"}`)
		o := &override.FollowOptions{Keep: keep}
		follow(t, p, o).Close()
		p.do(func() { p.away = errors.New("no route") })
		want(t, "a start without the source", follow(t, p, o), session.Override{Mode: session.BackupOnly, Shard: shard})
	})
}

func TestAKeptOrderOfTheFutureHasNoAgeBelowZero(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "order")
	synctest.Test(t, func(t *testing.T) {
		text := `{"source":"a place","read":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `","order":{"mode":"backup-only"}}`
		if err := os.WriteFile(keep, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := newPlace()
		p.do(func() { p.away = errors.New("no route") })
		f := follow(t, p, &override.FollowOptions{Keep: keep})
		want(t, "a start without the source", f, backupOnly)
		if age := time.Since(f.Stats().Read); age < 0 {
			t.Errorf("got an order that was read %v ago", age)
		}
	})
}

func TestAKeptOrderIsConfirmedEachMinute(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "order")
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.put("backup-only")
		o := &override.FollowOptions{Keep: keep}
		f := follow(t, p, o)
		sleep(time.Hour)
		f.Close()
		p.do(func() { p.away = errors.New("no route") })
		if age := time.Since(follow(t, p, o).Stats().Read); age > 2*time.Minute {
			t.Errorf("got a kept order that was read %v ago, want at most 2 minutes", age)
		}
	})
}

func TestAKeptFileThatCannotBeTrustedIsRefused(t *testing.T) {
	const whole = `{"source":"a place","read":"2026-11-01T18:00:00Z","order":{"mode":"backup-only"}}`
	tests := []struct {
		is, text, says string
		mode           os.FileMode
		want           session.Override
	}{
		{"as it was written", whole, "no route", 0o600, backupOnly},
		{"of another source", strings.Replace(whole, "a place", "another place", 1), `is of "another place"`, 0o600, session.Override{}},
		{"half of it", whole[:50], "not the JSON", 0o600, session.Override{}},
		{"nonsense in it", strings.Replace(whole, "backup-only", "off", 1), `mode "off"`, 0o600, session.Override{}},
		{"others may write it", whole, "chmod go-w", 0o620, session.Override{}},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			keep := filepath.Join(t.TempDir(), "order")
			if err := errors.Join(os.WriteFile(keep, []byte(tt.text), 0o600), os.Chmod(keep, tt.mode)); err != nil {
				t.Fatal(err)
			}
			p := newPlace()
			p.away = errors.New("no route")
			var r reports
			f := follow(t, p, &override.FollowOptions{Keep: keep, Report: r.report})
			want(t, "at the start", f, tt.want)
			r.want(t, "at the start", 1, tt.says)
		})
	}
}

func TestAnOrderThatCannotBeKeptIsInForce(t *testing.T) {
	p := newPlace()
	p.put("backup-only")
	var r reports
	f := follow(t, p, &override.FollowOptions{Keep: filepath.Join(t.TempDir(), "no", "such", "folder"), Report: r.report})
	want(t, "at the start", f, backupOnly)
	r.want(t, "at the start", 1, "not kept for the next start")
}

func TestCloseEndsTheFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.put("backup-only")
		f := follow(t, p, nil)
		f.Close()
		p.put("auto")
		sleep(time.Minute)
		want(t, "after Close", f, backupOnly)
		if !p.closed || p.reads != 1 {
			t.Errorf("got %d reads and closed: %v, want 1 and true", p.reads, p.closed)
		}
	})
}

func TestASourceInAStormOfChangesIsReadTenTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		follow(t, p, nil)
		for range 1000 {
			p.put("backup-only")
			sleep(time.Millisecond)
		}
		if p.reads > 12 {
			t.Errorf("got %d reads in a second, want at most 12", p.reads)
		}
	})
}

func TestFollowRefusesWhatCannotBeMeant(t *testing.T) {
	if _, err := override.Follow(nil, nil); err == nil {
		t.Error("without a source: got no error")
	}
	for _, o := range []override.FollowOptions{{Every: -1}, {Timeout: -1}} {
		if _, err := override.Follow(newPlace(), &o); err == nil {
			t.Errorf("%+v: got no error", o)
		}
	}
}

// A Manager asks its Switch for each operation.
func TestAskingASwitchAllocatesNothing(t *testing.T) {
	p := newPlace()
	p.put(`{"mode":"backup-only","until":"2099-11-01T18:00:00Z"}`)
	f := follow(t, p, nil)
	if n := testing.AllocsPerRun(1000, func() { f.Override() }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}
