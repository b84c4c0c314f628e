package adoption_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/adoption"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// site is an instance that takes over the sessions of a library.
type site struct {
	*testing.T
	*instance.Instance
	library *adoption.Library

	gone   bool      // the library has no such session
	until  time.Time // when it ends
	reads  int
	ends   int
	failed []error
}

func story(t *testing.T, name string, do func(s *site)) {
	t.Helper()
	for _, backup := range []bool{false, true} {
		instance.Test(t, fmt.Sprintf("%s, backup %v", name, backup), backup, nil, func(t *testing.T, i *instance.Instance) {
			s := &site{T: t, Instance: i}
			s.library = &adoption.Library{
				Cookie: "old", Also: []string{"old.sig"}, Domain: "shop.test",
				Read:      s.read,
				End:       func(*http.Request) error { s.ends++; return nil },
				Failed:    func(_ context.Context, _ string, err error) { s.failed = append(s.failed, err) },
				Transport: &transport.Transport{}, Clock: i.Clock, Shards: &i.Shards, Storage: &i.Storage, Reader: &i.Reader, Writer: &i.Writer,
			}
			do(s)
		})
	}
}

func (s *site) read(*http.Request) (state.Changes, time.Time, error) {
	s.reads++
	if s.gone {
		return nil, time.Time{}, failure.ErrNoSession
	}
	return state.Changes{{Name: "user", Flags: state.Present, Value: []byte("1")}}, s.until, nil
}

var visitor = http.Header{"Cookie": {"a=b; old=secret"}}

// markerID is the ID of the visitor's marker.
var markerID = marker.NewKey("old", "secret").ID()

// take is a request of the visitor who has no session of ours.
func (s *site) take() (lookup.Loaded, token.Token, error) {
	s.Helper()
	o := s.library.Find(s.Context(), visitor)
	if o == nil {
		s.Fatal("the request carries no old session")
	}
	var l lookup.Loaded
	t, err := s.library.Take(s.Context(), o, nil, false, &l)
	return l, t, err
}

func (s *site) mustTake() (lookup.Loaded, token.Token) {
	s.Helper()
	l, t, err := s.take()
	if err != nil || l.Phase != lookup.Live {
		s.Fatalf("the old session came to %+v: %v", l, err)
	}
	return l, t
}

func TestAnOldSessionIsFoundByItsCookie(t *testing.T) {
	l := &adoption.Library{Cookie: "old"}
	for line, want := range map[string]bool{"old=secret": true, "a=b; old=x": true, "older=secret": false, "old": false, "old=": false, "": false} {
		o := l.Find(t.Context(), http.Header{"Cookie": {line}})
		if (o != nil) != want {
			t.Errorf("%q: found %v, want %v", line, o != nil, want)
		}
	}
	l.Token = func(r *http.Request) (string, bool) { return "derived", r.Header.Get("Cookie") == "old=good" }
	if l.Find(t.Context(), http.Header{"Cookie": {"old=forged"}}) != nil {
		t.Error("a forged one is found")
	}
	o := l.Find(t.Context(), http.Header{"Cookie": {"old=good"}})
	if got, want := fmt.Sprintf("%v %+v %s", o, o, o), marker.NewKey("old", "derived").ID(); got != strings.Join([]string{want, want, want}, " ") {
		t.Errorf("it prints as %q, want its marker, %q", got, want)
	}
}

func TestOldCookiesAreDroppedOnce(t *testing.T) {
	l := &adoption.Library{Cookie: "old", Also: []string{"old.sig"}, Domain: "shop.test"}
	out := make(http.Header)
	l.DropCookies(http.Header{"Cookie": {"a=b"}}, out)
	if len(out) != 0 {
		t.Errorf("an answer to a request without the cookie has %q", out)
	}
	l.DropCookies(visitor, out)
	l.DropCookies(visitor, out)
	want := []string{"old=; Path=/; Domain=shop.test; Max-Age=0; HttpOnly", "old.sig=; Path=/; Domain=shop.test; Max-Age=0; HttpOnly"}
	if !slices.Equal(out["Set-Cookie"], want) {
		t.Errorf("got %q, want %q", out["Set-Cookie"], want)
	}
}

func TestAnOldSessionBecomesOneOfOurs(t *testing.T) {
	story(t, "which later requests find", func(s *site) {
		l, tok := s.mustTake()
		if e, ok := l.State.Entries.Find("user"); !ok || string(e.Value) != "1" || l.ID != tok.ID() || l.Source != lookup.FromStore {
			s.Errorf("it came to %+v", l)
		}
		if stored, v := s.Store.Get(tok.ID()); !stored.Equal(l.State) || v != l.Version {
			s.Errorf("the store has %+v", stored)
		}
		again, second := s.mustTake()
		if second != tok || again.ID != l.ID || s.reads != 1 || s.ends != 1 {
			s.Errorf("the next request has %v, after %d readings and %d ends", again.ID, s.reads, s.ends)
		}
	})
	story(t, "for all of several requests at once", func(s *site) {
		s.Store.Plan(func(instance.Call) instance.Fate { return instance.Fate{Takes: 10 * time.Millisecond} })
		type answer struct {
			id  string
			err error
		}
		answers := make(chan answer)
		for range 3 {
			go func() {
				var l lookup.Loaded
				_, err := s.library.Take(s.Context(), s.library.Find(s.Context(), visitor), nil, false, &l)
				answers <- answer{l.ID, err}
			}()
		}
		first := <-answers
		for range 2 {
			if a := <-answers; a != first || a.err != nil || a.id == "" {
				s.Errorf("got %+v and %+v", first, a)
			}
		}
		dead := 0
		for _, c := range s.Store.Calls() {
			if c.Save && c.State.Dead() {
				dead++
			}
		}
		if dead != 2 {
			s.Errorf("%d of the sessions that nobody got were ended, want 2", dead)
		}
	})
	story(t, "and is nobody's once it has ended in its library", func(s *site) {
		for name, prepare := range map[string]func(){
			"it is gone": func() { s.gone, s.until = true, time.Time{} },
			"it is over": func() { s.gone, s.until = false, time.Now() },
		} {
			prepare()
			if l, tok, err := s.take(); err != nil || l.Phase != lookup.Unasked || tok != (token.Token{}) {
				s.Errorf("%s: it came to %+v: %v", name, l, err)
			}
		}
		for _, c := range s.Store.Calls() {
			if c.Save {
				s.Errorf("%s is written", c.ID)
			}
		}
	})
	story(t, "and is unknown while the store does not answer", func(s *site) {
		s.Store.Away(true)
		if l, _, err := s.take(); !errors.Is(err, failure.ErrUnavailable) || s.reads != 0 {
			s.Errorf("it came to %+v after %d readings: %v", l, s.reads, err)
		}
	})
	story(t, "and is unknown where the store does not take the marker", func(s *site) {
		s.Store.PlanFor(instance.SavesOf(markerID), instance.Fate{Err: instance.ErrRefused})
		if l, _, err := s.take(); !errors.Is(err, failure.ErrUnavailable) || s.ends != 0 {
			s.Errorf("it came to %+v after %d ends: %v", l, s.ends, err)
		}
	})
}

func TestASharedOldSessionIsSavedByItsCommit(t *testing.T) {
	story(t, "and has no marker", func(s *site) {
		s.library.Shared = true
		l, tok := s.mustTake()
		if !l.Unsaved() || !l.Lacking() || l.ID != tok.ID() {
			s.Errorf("it came to %+v", l)
		}
		for _, c := range s.Store.Calls() {
			if c.Save {
				s.Errorf("%s is written", c.ID)
			}
		}
		// The logout of one visitor ends the old cookie for all.
		if found, ended, err := s.library.Logout(s.Context(), http.Header{}, &l); found || ended != nil || err != nil {
			s.Errorf("got %v, %v, %v", found, ended, err)
		}
		if l, _, err := s.take(); err != nil || l.Phase != lookup.Nobody || s.reads != 1 {
			s.Errorf("afterwards it came to %+v: %v", l, err)
		}
	})
}

func TestALogoutEndsWhatTheOldCookieLeadsTo(t *testing.T) {
	logout := func(s *site, l *lookup.Loaded) []state.Superseded {
		s.Helper()
		found, ended, err := s.library.Logout(s.Context(), visitor, l)
		if !found || err != nil {
			s.Fatalf("found %v, %v", found, err)
		}
		return ended
	}
	dead := func(s *site) {
		s.Helper()
		if l, _, err := s.take(); err != nil || l.Phase != lookup.Dead {
			s.Errorf("afterwards it came to %+v: %v", l, err)
		}
	}
	story(t, "where nobody has taken the old session over", func(s *site) {
		if ended := logout(s, &lookup.Loaded{Phase: lookup.Nobody}); ended != nil || s.ends != 1 {
			s.Errorf("it ended %+v, and the old one %d times", ended, s.ends)
		}
		dead(s)
	})
	story(t, "where another request has", func(s *site) {
		l, tok := s.mustTake()
		ended := logout(s, &lookup.Loaded{Phase: lookup.Nobody})
		named := slices.ContainsFunc(ended, func(k state.Superseded) bool { return k.ID == l.ID })
		if named != s.Reader.Backup { // without a backup no cookie carries them
			s.Errorf("it ended %+v", ended)
		}
		if st, _ := s.Store.Get(tok.ID()); !st.Dead() {
			s.Error("the session lives")
		}
		dead(s)
	})
	story(t, "where another request takes it over meanwhile", func(s *site) {
		var taken lookup.Loaded
		s.library.Read = func(r *http.Request) (state.Changes, time.Time, error) {
			s.library.Read = s.read
			taken, _ = s.mustTake()
			s.gone = true // the other request has ended it in its library
			return s.read(r)
		}
		logout(s, &lookup.Loaded{Phase: lookup.Nobody})
		if st, _ := s.Store.Get(taken.ID); taken.ID == "" || !st.Dead() {
			s.Errorf("the session that the other request got is %+v", st)
		}
	})
	story(t, "for all who share it", func(s *site) {
		s.library.Shared = true
		l, _ := s.mustTake()
		logout(s, &l)
		if after, _, err := s.take(); err != nil || after.Phase != lookup.Nobody || s.ends != 1 {
			s.Errorf("afterwards it came to %+v, after %d ends: %v", after, s.ends, err)
		}
	})
	story(t, "and leaves the session itself to the caller", func(s *site) {
		l, tok := s.mustTake()
		if ended := logout(s, &l); ended != nil {
			s.Errorf("it ended %+v", ended)
		}
		if st, _ := s.Store.Get(tok.ID()); st.Dead() {
			s.Error("the session is dead")
		}
	})
	story(t, "and writes nothing where the old library has no such session", func(s *site) {
		s.gone = true
		logout(s, &lookup.Loaded{Phase: lookup.Nobody})
		if st, _ := s.Store.Get(markerID); len(st.Entries) != 0 {
			s.Errorf("the marker is %+v", st)
		}
	})
	story(t, "and fails while the store does not answer", func(s *site) {
		s.Store.Away(true)
		found, ended, err := s.library.Logout(s.Context(), visitor, &lookup.Loaded{Phase: lookup.Nobody})
		if !found || ended != nil || !errors.Is(err, failure.ErrUnavailable) || s.ends != 0 {
			s.Errorf("got %v, %v, %v after %d ends", found, ended, err, s.ends)
		}
	})
}

func TestAMarkerLivesAsLongAsTheOldSession(t *testing.T) {
	for name, left := range map[string]time.Duration{"a day": 24 * time.Hour, "not known": 0} {
		story(t, name, func(s *site) {
			want := time.Now().Add(10 * 366 * 24 * time.Hour)
			if left != 0 {
				s.until = time.Now().Add(left)
				want = s.until
			}
			s.mustTake()
			st, _ := s.Store.Get(markerID)
			if st.End != want.UnixMilli() || !recordid.Reserved(markerID) {
				s.Errorf("it ends at %v, want %v", time.UnixMilli(st.End), want)
			}
			if idle := time.UnixMilli(st.LastSeen).Add(instance.Idle + instance.Refresh); !idle.Equal(time.UnixMilli(st.End)) {
				s.Errorf("it is idle at %v", idle)
			}
		})
	}
}

func TestTheOldLibrarysFailureIsTold(t *testing.T) {
	story(t, "and the visitor has the session", func(s *site) {
		refused := errors.New("refused")
		s.library.End = func(*http.Request) error { return refused }
		s.mustTake()
		if !slices.Equal(s.failed, []error{refused}) {
			s.Errorf("it is told of %v", s.failed)
		}
		s.library.EndOld(s.Context(), http.Header{})
		s.library.EndOld(s.Context(), visitor)
		if len(s.failed) != 2 {
			s.Errorf("it is told of %v", s.failed)
		}
	})
}
