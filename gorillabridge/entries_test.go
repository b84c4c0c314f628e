package gorillabridge

import (
	"net/http"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

// A type that is not registered any more cannot be made in a test: what its values
// are then, the test stores by hand.
func TestAValueThatDoesNotDecodeIsAnErrorAndStays(t *testing.T) {
	m := sessiontest.New(t, nil)
	s := New(m, nil)
	unreadable := entries{"sa": "gx", "gx": "sb", "sc": "i\x02"}
	v := sessiontest.NewVisitor(t, m, func(v *session.Session) { s.key("cart").Set(v, unreadable) })
	do := func(change func(*sessions.Session)) {
		v.Get(m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g, err := s.Get(r, "cart")
			if err == nil || g.IsNew || !reflect.DeepEqual(g.Values, map[any]any{"c": 1}) {
				t.Errorf("Get: IsNew %v, %v, %v", g.IsNew, g.Values, err)
			}
			change(g)
			if err := g.Save(r, w); err != nil {
				t.Errorf("Save: %v", err)
			}
		}), "/")
	}
	do(func(g *sessions.Session) { g.Values["d"] = "new" })
	got, err := s.key("cart").Get(v.Session())
	want := entries{"sa": "gx", "gx": "sb", "sc": "i\x02", "sd": "snew"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestDamagedEntriesAreAnErrorAndNotOverwritten(t *testing.T) {
	m := sessiontest.New(t, nil)
	s := New(m, nil)
	damaged := session.NewKey[[]byte]("gorilla.cart", session.WithCodec(raw{}))
	v := sessiontest.NewVisitor(t, m, func(v *session.Session) { damaged.Set(v, []byte{200}) })
	res := v.Get(m.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, err := s.Get(r, "cart")
		if err == nil || len(g.Values) != 0 {
			t.Errorf("Get: %v, %v", g.Values, err)
		}
		g.Values["k"] = 1
		if err := g.Save(r, w); err == nil {
			t.Error("Save overwrites what cannot be read")
		}
	}), "/")
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d", res.StatusCode)
	}
	if got, err := damaged.Get(v.Session()); err != nil || string(got) != "\xc8" {
		t.Errorf("got %q, %v", got, err)
	}
}

type raw struct{}

func (raw) Encode(v any) ([]byte, error)    { return v.([]byte), nil }
func (raw) Decode(data []byte, v any) error { *v.(*[]byte) = data; return nil }

// Store notes what it has returned for as long as the session is used, and no longer.
func TestWhatWasReturnedIsForgottenWithItsSession(t *testing.T) {
	m := sessiontest.New(t, nil)
	s := New(m, nil)
	v := sessiontest.NewVisitor(t, m)
	for range 100 {
		v.Get(m.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = s.Get(r, "cart") }), "/")
	}
	for end := time.Now().Add(20 * time.Second); ; {
		runtime.GC()
		noted := 0
		s.returned.Range(func(any, any) bool { noted++; return true })
		if noted <= 1 { // the last request may still be on a stack
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d sessions are still noted", noted)
		}
	}
}

func TestEntriesAreTheSameBytesInWhateverOrder(t *testing.T) {
	e := entries{"a": "1", "b": "2", "c": "", "": "x"}
	first, err := codec{}.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := codec{}.Encode(e)
		if err != nil || string(again) != string(first) {
			t.Fatalf("got %q, %v, want %q", again, err, first)
		}
	}
	if _, err := (codec{}).Encode("text"); err == nil {
		t.Error("a string is encoded")
	}
	if err := (codec{}).Decode(first, new(string)); err == nil {
		t.Error("entries decode into a string")
	}
}

func FuzzEntries(f *testing.F) {
	good, err := codec{}.Encode(entries{"sname": "sbob", "": ""})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{200})
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e entries
		if err := (codec{}).Decode(data, &e); err != nil {
			return
		}
		b, err := codec{}.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		var again entries
		if err := (codec{}).Decode(b, &again); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%q came back as %q, %v", e, again, err)
		}
	})
}
