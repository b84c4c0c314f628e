package koa_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/internal/js"
	"github.com/holdfast-go/session/node/koa"
)

func TestWhatIsNoSessionIsRefused(t *testing.T) {
	for _, value := range []string{"", "aGVsbG8=", "W10=", "bnVsbA==", strings.Repeat("A", 16<<10+1)} {
		if _, err := koa.DecodeSession(value); !errors.Is(err, koa.ErrInvalid) {
			t.Errorf("%.20q: got %v", value, err)
		}
	}
	for _, text := range []string{"", "null", "[]", `"a"`} {
		if _, err := koa.ParseRecord([]byte(text)); !errors.Is(err, koa.ErrInvalid) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	for _, config := range []string{"[]", "nope"} {
		if _, err := koa.NewRecord(koa.Generic, []byte(config)); err == nil {
			t.Errorf("%q: got no error", config)
		}
	}
}

func TestPrivateFieldsAreNotSaved(t *testing.T) {
	s, err := koa.ParseSession([]byte(`{"_x":1,"a":{"_y":2},"isNew":true,"maxAge":5,"_maxAge":60000,"_expire":1e300}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fields.Set("_secret", json.RawMessage("1")); err != nil {
		t.Fatal(err)
	}
	if got := s.Due(false, false, time.UnixMilli(0)); got != koa.Unchanged {
		t.Errorf("got %q of a private field, want none", got)
	}
	if got, want := string(s.Bytes(time.UnixMilli(0))), `{"a":{"_y":2},"_expire":60000,"_maxAge":60000}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if s.Expired(time.UnixMilli(1e15)) {
		t.Error("the session is over, want it to live long")
	}
	if _, ok := s.Fields.Get("_secret"); !ok {
		t.Error("the private field is lost within the request")
	}
}

func FuzzParseSession(f *testing.F) {
	f.Add([]byte(`{"user":"bob","_expire":1700086400000,"_maxAge":86400000}`))
	f.Add([]byte(`{"user":"bob","_session":true}`))
	f.Add([]byte(`{"_expire":"never","_maxAge":-1e300,"isNew":1}`))
	f.Add([]byte(`null`))
	now := time.UnixMilli(1700000000000)
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := koa.ParseSession(text)
		if err != nil {
			return
		}
		if due := s.Due(false, false, now); due != koa.Unchanged {
			t.Errorf("%q: got %q though nothing changed", text, due)
		}
		names := s.Fields.Names()
		again, err := koa.ParseSession(s.Bytes(now))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := again.Fields.Names(); !slices.Equal(got, names) {
			t.Errorf("%q: got %q, want %q", text, got, names)
		}
		if again.UntilClosed != s.UntilClosed || s.MaxAge > 0 && again.MaxAge/time.Millisecond != s.MaxAge/time.Millisecond {
			t.Errorf("%q: got %v, want %v", text, again.MaxAge, s.MaxAge)
		}
		if s.MaxAge >= time.Hour && again.Expired(now) {
			t.Errorf("%q: over at once", text)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"cookie":{"httpOnly":true,"path":"/","overwrite":true,"signed":true,"maxAge":86400000},"user":"bob"}`))
	f.Add([]byte(`{"cookie":{"expires":"2023-11-14T22:13:21.000Z","maxAge":null,"sameSite":true,"secureProxy":1},"1":2}`))
	f.Add([]byte(`{"cookie":[],"a":1}`))
	f.Add([]byte("{\"cookie\":{},\"a\":\"\xcc\xcc\"}"))
	var store koa.Store
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := koa.ParseRecord(text)
		if err != nil {
			return
		}
		if got := r.Bytes(); string(got) != string(js.UTF8(text)) {
			t.Errorf("%q: got %q", text, got)
		}
		r.Attributes()
		store.Expiry(r, time.UnixMilli(0))
		if err := r.Set("x", json.RawMessage("1")); err != nil {
			t.Fatal(err)
		}
		if got := r.Bytes(); !json.Valid(got) {
			t.Errorf("%q: got %q", text, got)
		}
	})
}
