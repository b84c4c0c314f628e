package pgstore_test

import (
	"errors"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	hours    = flag.Int("hours", 2, "how many hours of refreshes are simulated")
	visitors = flag.Int("visitors", 200, "how many visitors there are at once in these hours")
	pace     = flag.Duration("pace", 50*time.Millisecond, "how long three of these minutes take")
)

const (
	perHour = 20 // refreshes: an idle timeout of half an hour is put off by a tenth of it
	stays   = 40 // refreshes of a visitor, which are two hours
	idle    = 11 // refreshes in the time after which a session that is not refreshed has expired

	overhead = 150 // bytes of a row beside its data, about
)

// site is visitors whose sessions are refreshed as they go on, with data of one size.
type site struct {
	t        *testing.T
	pool     *pgxpool.Pool
	store    *pgstore.Store
	data     []byte
	versions map[session.ID]session.Version
	ids      []session.ID
	begun    int // sessions

	vacuums    int // of the table that has the data
	written    int // bytes, since the last of them was seen
	mostAtOnce int // between two of them
}

func newSite(t *testing.T, bytes int) *site {
	server := postgrestest.Start(t, "autovacuum_naptime=1", "synchronous_commit=off", "max_wal_size=256MB")
	pool := newPool(t, server.URL())
	if err := pgstore.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, pool: pool, data: make([]byte, bytes), versions: map[session.ID]session.Version{}, ids: make([]session.ID, *visitors)}
	s.store = newStore(t, pool, pgstore.CleanEvery(3**pace)) // ten minutes
	return s
}

// run lets the hours pass and returns the size of the table with all that belongs to it,
// after each. It goes on until autovacuum has come as often as vacuums, for a minute at most,
// because on a busy machine it comes late.
func (s *site) run(hours, vacuums int) (sizes []int) {
	took := *pace
	rounds := hours * perHour
	end := time.Now().Add(timeleft.Within(s.t, time.Minute))
	for round := 0; round < rounds || s.vacuums < vacuums && time.Now().Before(end); round++ {
		began := time.Now()
		for i := range s.ids { // of each visitor's time here, another part is over
			if round == 0 || (round+i)%stays == 0 {
				s.begun++
				s.ids[i] = session.ID(fmt.Sprintf("%032x", s.begun))
			}
		}
		s.refresh(idle * max(*pace, 2*took))
		s.count()
		took = time.Since(began)
		time.Sleep(*pace - took)
		if round%perHour == perHour-1 {
			sizes = append(sizes, ask[int](s.t, s.pool, `SELECT pg_total_relation_size('web_sessions')`)/1000)
		}
	}
	return sizes
}

// count counts what is written between two vacuums of the table that has the data: beyond
// 2 kB that is another one than the rows are in.
func (s *site) count() {
	s.written += len(s.ids) * (len(s.data) + overhead)
	s.mostAtOnce = max(s.mostAtOnce, s.written)
	vacuums := ask[int](s.t, s.pool, `SELECT autovacuum_count FROM pg_stat_all_tables WHERE relid =
		(SELECT CASE WHEN pg_relation_size(reltoastrelid) > 0 THEN reltoastrelid ELSE oid END FROM pg_class WHERE oid = 'web_sessions'::regclass)`)
	if vacuums != s.vacuums {
		s.vacuums = vacuums
		s.written = 0
	}
}

// refresh saves all sessions, over the versions that they have.
func (s *site) refresh(expiry time.Duration) {
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := map[session.ID]session.Version{}
	for worker := range 4 {
		workers.Go(func() {
			for i := worker; i < len(s.ids); i += 4 {
				id := s.ids[i]
				r := session.Record{Data: s.data, Expires: time.Now().Add(expiry)}
				v, err := s.store.Save(s.t.Context(), id, r, s.versions[id])
				if errors.Is(err, session.ErrConflict) { // it has expired: this machine was busy
					v, err = s.store.Save(s.t.Context(), id, r, session.Any)
				}
				if err != nil {
					s.t.Error(err)
				}
				mu.Lock()
				next[id] = v
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	s.versions = next
}

// hot returns how many updates there were, and what part of them was heap-only.
func (s *site) hot() (updates int, part float64) {
	s.pool.Reset() // a process tells what it has counted when it ends
	eventually(s.t, "all counts", func() bool {
		updates = ask[int](s.t, s.pool, `SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'web_sessions'`)
		return updates >= len(s.ids)*(*hours*perHour-1)-s.begun
	})
	hot := ask[int](s.t, s.pool, `SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'web_sessions'`)
	return updates, float64(hot) / float64(updates)
}

func (s *site) log(sizes []int) {
	updates, hot := s.hot()
	rows := ask[int](s.t, s.pool, `SELECT count(*) FROM web_sessions`)
	s.t.Logf("%d hours, %d visitors, sessions of %d bytes: %d sessions begun, %d updates, %.1f %% heap-only; %d rows are left; kB after each hour: %v; %d vacuums, at most %d kB written in between",
		*hours, len(s.ids), len(s.data), s.begun, updates, 100*hot, rows, sizes, s.vacuums, s.mostAtOnce/1000)
}

// A refresh leaves nothing behind that only VACUUM could remove, so the table stays as
// small as its sessions make it. The larger the data, the fewer fit on a page beside
// their successors; beyond 2 kB the data is in another table, whose rows an update makes
// anew.
func TestHoursOfRefreshesLeaveTheTableBounded(t *testing.T) {
	for _, bytes := range []int{1200, 5000} {
		t.Run(fmt.Sprintf("sessions of %d bytes", bytes), func(t *testing.T) {
			s := newSite(t, bytes)
			sizes := s.run(*hours, 3)
			s.log(sizes)
			if _, hot := s.hot(); hot < 0.75 {
				t.Errorf("%.1f %% of the updates are heap-only", 100*hot)
			}
			if s.vacuums < 3 {
				t.Errorf("autovacuum has come %d times", s.vacuums)
			}
			// What is written while a vacuum runs is left for the next one.
			live, last := len(s.ids)*(bytes+overhead), sizes[len(sizes)-1]*1000
			if last > 8*live+2*s.mostAtOnce {
				t.Errorf("the table has %d bytes, for %d of live sessions, and at most %d are written between two vacuums", last, live, s.mostAtOnce)
			}
		})
	}
}

// The test above can fail: what most schemas of sessions have makes every update write to
// every index.
func TestWithAnIndexOnTheExpiryNoUpdateIsHeapOnly(t *testing.T) {
	s := newSite(t, 300)
	exec(t, s.pool, `CREATE INDEX ON web_sessions (expires)`)
	s.log(s.run(*hours, 0))
	if _, hot := s.hot(); hot != 0 {
		t.Errorf("%.1f %% of the updates are heap-only", 100*hot)
	}
}
