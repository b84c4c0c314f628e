package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/memstore"
)

// dated is a foreign format whose records say no more than some of the dates.
type dated struct {
	read  state.State  // what every record is read as, with the record as its Origin
	saved *state.State // what was last encoded
}

func (dated) String() string                              { return "dated" }
func (dated) NewToken(context.Context) (value, id string) { return "visitor", "visitor" }
func (dated) ParseToken(value string) (id string, ok bool) {
	return value, true
}
func (f dated) Decode(data []byte, _ time.Time) (state.State, error) {
	st := f.read
	st.Origin = data
	return st, nil
}

func (dated) SetCookie(context.Context, string, state.State, foreign.Why, time.Time) string {
	return ""
}

func (f dated) Encode(_ context.Context, s state.State, _ time.Time) ([]byte, time.Time, error) {
	*f.saved = s
	return []byte("record"), time.Time{}, nil
}

// A session without dates of its own, from another system, begins when it is first read
// and ends with its record.
func TestDatesThatAForeignRecordDoesNotSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		ago, soon := now.Add(-time.Hour).UnixMilli(), now.Add(time.Hour).UnixMilli()
		for name, test := range map[string]struct{ read, want state.State }{
			"none": {
				state.State{},
				state.State{Created: now.UnixMilli(), Authenticated: now.UnixMilli(), LastSeen: now.UnixMilli()},
			},
			"all": {
				state.State{Created: ago, Authenticated: ago + 1, LastSeen: ago + 2, End: soon},
				state.State{Created: ago, Authenticated: ago + 1, LastSeen: now.UnixMilli(), End: soon},
			},
		} {
			store := memstore.New(nil)
			if _, err := store.Save(t.Context(), "visitor", session.Record{Data: []byte("theirs"), Expires: now.Add(24 * time.Hour)}, session.Absent); err != nil {
				t.Fatal(err)
			}
			var saved state.State
			m, err := session.New(store, &session.Options{Format: dated{test.read, &saved}})
			if err != nil {
				t.Fatal(err)
			}
			key := session.NewKey[int]("n")
			handler := m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s, err := session.From(r.Context())
				if err != nil {
					t.Fatal(err)
				}
				key.Set(s, 1)
			}))
			r := httptest.NewRequest(http.MethodGet, "https://shop.test/", nil)
			r.Header.Set("Cookie", "__Host-session=visitor")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Fatalf("%s: status %d", name, w.Code)
			}
			if saved.Created != test.want.Created || saved.Authenticated != test.want.Authenticated || saved.LastSeen != test.want.LastSeen {
				t.Errorf("%s: saved with the dates %d %d %d, want %d %d %d", name, saved.Created, saved.Authenticated, saved.LastSeen,
					test.want.Created, test.want.Authenticated, test.want.LastSeen)
			}
			if test.want.End == 0 && time.UnixMilli(saved.End).Before(now.AddDate(50, 0, 0)) || test.want.End != 0 && saved.End != test.want.End {
				t.Errorf("%s: the session ends at %v", name, time.UnixMilli(saved.End))
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestForeignEntriesThatAreBrokenAreNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		if _, err := store.Save(t.Context(), "visitor", session.Record{Data: []byte("theirs"), Expires: time.Now().Add(time.Hour)}, session.Absent); err != nil {
			t.Fatal(err)
		}
		m, err := session.New(store, &session.Options{Format: dated{state.State{Entries: state.Entries("broken")}, new(state.State)}})
		if err != nil {
			t.Fatal(err)
		}
		m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := session.From(r.Context()); err == nil {
				t.Error("the session is served")
			}
		})).ServeHTTP(httptest.NewRecorder(), func() *http.Request {
			r := httptest.NewRequest(http.MethodGet, "https://shop.test/", nil)
			r.Header.Set("Cookie", "__Host-session=visitor")
			return r
		}())
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Fields that this program does not know are taken from the record that the other system
// has saved meanwhile, whichever of the two records is larger.
func TestAForeignRecordThatIsNewerIsTheOneToChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, theirs := range []string{"a record", "the record"} {
			store := memstore.New(nil)
			save := func(data string) {
				r := session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)}
				if _, err := store.Save(t.Context(), "visitor", r, session.Any); err != nil {
					t.Fatal(err)
				}
			}
			save("one record")
			var saved state.State
			m, err := session.New(store, &session.Options{Format: dated{state.State{}, &saved}})
			if err != nil {
				t.Fatal(err)
			}
			key := session.NewKey[int]("n")
			r := httptest.NewRequest(http.MethodGet, "https://shop.test/", nil)
			r.Header.Set("Cookie", "__Host-session=visitor")
			m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				s, err := session.From(r.Context())
				if err != nil {
					t.Fatal(err)
				}
				key.Set(s, 1)
				save(theirs)
			})).ServeHTTP(httptest.NewRecorder(), r)
			if got := string(saved.Origin); got != theirs {
				t.Errorf("%q was changed, want %q", got, theirs)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}
