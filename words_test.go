package session_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/seal"
)

// word is a value that goes through JSON as a word.
type word interface {
	fmt.Stringer
	encoding.TextMarshaler
}

func TestNoKindOfValueIsANumberInJSON(t *testing.T) {
	words[session.Mode](t, "auto", "store only", "backup only")
	words[session.ShardState](t, "serving", "away", "returning", "reads only")
	words[session.BackupFault](t, "no fault", "forged", "malformed", "unknown key", "foreign", "another audience", "stale", "incomplete", "partial", "too large")
	words[session.FileFault](t, "no fault", "failing", "recovered", "damaged", "unreadable")
	words[session.Durability](t, "", "durable", "pending")
}

// words checks that the values of V, from zero on, have these words, there and back, and no
// other value has one. A value without a word has an empty one.
func words[V interface {
	~uint8
	word
}](t *testing.T, want ...string) {
	t.Helper()
	for i, want := range append(want, "") {
		v := V(i)
		data, err := json.Marshal(v)
		if want == "" {
			if err == nil {
				t.Errorf("%T(%d) is %s, want an error", v, i, data)
			}
			continue
		}
		if err != nil || string(data) != fmt.Sprintf("%q", want) || v.String() != want {
			t.Errorf("%T(%d) is %s and says %v, %v, want %q", v, i, data, v, err, want)
		}
		back := V(255)
		if err := json.Unmarshal(data, &back); err != nil || back != v {
			t.Errorf("%s became the %T %d, %v, want %d", data, v, back, err, i)
		}
	}
	for _, wrong := range []string{`"gone"`, `""`, "1"} {
		v := V(1)
		if err := json.Unmarshal([]byte(wrong), &v); err == nil || v != 1 {
			t.Errorf("%s became the %T %d, %v, want an error and nothing changed", wrong, v, v, err)
		}
	}
}

func TestStatsTellTheOrderAndItsEnd(t *testing.T) {
	var orders override.Value
	m := mustNew(t, memstore.New(nil), &session.Options{
		Switch: &orders,
		Backup: &session.Backup{Keys: mustKeys(t, seal.NewKey(), seal.NewKey()), Audience: "shop-test", MaxLease: 2 * time.Hour},
	})
	if got := m.Stats().Order; got != (session.OrderStats{}) {
		t.Errorf("nobody has given an order: got %+v", got)
	}
	until := time.Now().Add(time.Hour).Round(0).UTC()
	orders.SetUntil(session.Override{Mode: session.BackupOnly, Lease: 2 * time.Hour}, until)
	want := session.OrderStats{Override: session.Override{Mode: session.BackupOnly, Lease: 2 * time.Hour}, Until: until}
	st := m.Stats()
	if st.Order != want {
		t.Errorf("got %+v, want %+v", st.Order, want)
	}
	data, err := json.Marshal(st)
	var back session.Stats
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil || back.Order != want {
		t.Errorf("through JSON: got %+v, %v, want %+v", back.Order, err, want)
	}
	if st.Copies.Keys != 2 {
		t.Errorf("got %d keys, want 2", st.Copies.Keys)
	}
	if st.Journal.Most != 64<<20 {
		t.Errorf("the journal may have %d bytes, want 64 MiB", st.Journal.Most)
	}
}

func TestStatsCountCopiesAndMembers(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		v := s.visitor()
		s.logIn(s.a, v, "red")
		before := s.a.Stats().Copies
		s.serve(s.a, v, func(*session.Session) {})
		if got := s.a.Stats().Copies; got != before {
			t.Errorf("after an answer without a copy: got %+v, want %+v", got, before)
		}
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "bread") })
		got := s.a.Stats().Copies
		if size := got.Bytes - before.Bytes; got.Built != before.Built+1 || size < 200 || size > 2048 {
			t.Errorf("after a change: got %+v, want one copy more than %+v", got, before)
		}
		s.after(5 * time.Second)
		for _, m := range []*session.Manager{s.a, s.b} {
			if got := m.Stats().Shards[0].Members; got != 2 {
				t.Errorf("got %d members, want 2", got)
			}
		}
	})
}
