package storetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strconv"

	"github.com/holdfast-go/session"
)

var dataCases = []testCase{
	{name: "a session comes back as it was saved", says: saysLoad, run: func(c *check) {
		v := c.mustSave(alice, record(`{"cart":["bread"]}`), session.Absent)
		c.wantRecord(alice, `{"cart":["bread"]}`, v)
		v = c.mustSave(alice, record(`{"cart":["bread","wine"]}`), v)
		c.wantRecord(alice, `{"cart":["bread","wine"]}`, v)
	}},

	{name: "a session that nobody saved is not found", says: saysNotFound, run: func(c *check) {
		c.wantNothing("an empty store", alice)
		c.mustSave(bob, record("bob"), session.Absent)
		c.wantNothing("a store with another session", alice)
	}},

	{name: "what is saved is seen at once", says: saysLoad, run: func(c *check) {
		v := c.mustSave(alice, record("0"), session.Absent)
		for i := range 100 {
			c.wantRecord(alice, strconv.Itoa(i), v) // a cache would have it from here on
			v = c.mustSave(alice, record(strconv.Itoa(i+1)), v)
		}
		c.wantRecord(alice, "100", v)
	}},

	{name: "any bytes come back, and none", says: saysData, run: func(c *check) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		var v session.Version
		for _, data := range [][]byte{
			{}, nil, {0}, all, []byte("a\x00b"), []byte("  a \t"), []byte("a\r\nEND\r\n"), []byte("a\n"),
			[]byte("nil"), []byte("12"), []byte("ÿ\xff\xfe\xed\xa0\x80"), []byte(`a\b"c'd%s{}`),
		} {
			v = c.mustSave(alice, session.Record{Data: data, Expires: record("").Expires}, v)
			c.wantData(alice, data)
		}
	}},

	{name: "a megabyte comes back", says: saysLoad, run: func(c *check) {
		data := make([]byte, 1<<20)
		if c.MaxRecord > 0 {
			data = data[:min(len(data), c.MaxRecord)]
		}
		_, _ = rand.NewChaCha8([32]byte{}).Read(data)
		c.mustSave(alice, session.Record{Data: data, Expires: record("").Expires}, session.Absent)
		c.wantData(alice, data)
	}},

	{name: "what the caller changes after a save is not saved", says: saysData, run: func(c *check) {
		r := record("alice")
		c.mustSave(alice, r, session.Absent)
		copy(r.Data, "mallo")
		c.wantData(alice, []byte("alice"))
	}},

	{name: "what was loaded does not change", says: saysLoaded, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		loaded := c.wantData(alice, []byte("alice"))
		v = c.mustSave(alice, record("mallo"), v)
		c.mustSave(alice, record(""), v)
		c.mustSave(bob, record("bobby"), session.Absent)
		if string(loaded.Data) != "alice" {
			c.Errorf("got %s after later saves, was \"alice\" when it was loaded", brief(loaded.Data))
		}
	}},

	{name: "the version in a record says nothing", says: saysData, run: func(c *check) {
		other := c.mustSave(bob, record("bob"), session.Absent)
		r := record("one")
		r.Version = other
		v, err := c.save(alice, r, session.Absent)
		if err != nil {
			c.Fatalf("Save over Absent of a record with a Version: %v", err)
		}
		c.wantRecord(alice, "one", v)
		r = record("two")
		r.Version = other
		w, err := c.save(alice, r, v)
		if err != nil {
			c.Fatalf("Save over a Version of a record with another: %v", err)
		}
		c.wantRecord(alice, "two", w)
		r.Version = w
		c.wantConflict("the right Version is in the record only", alice, r, v)
		r.Version = session.Any
		c.wantConflict("Any is in the record only", alice, r, v)
	}},

	{name: "what is too large is refused, and the old session stays", says: saysTooLarge, needs: []capability{maxRecord}, run: func(c *check) {
		fits := bytes.Repeat([]byte("x"), c.MaxRecord)
		large := session.Record{Data: bytes.Repeat(fits, 2), Expires: record("").Expires}
		refused := func(over session.Version) {
			c.Helper()
			if _, err := c.save(alice, large, over); !errors.Is(err, session.ErrTooLarge) {
				c.Errorf("Save of %d bytes over %s: got error %v, want ErrTooLarge", len(large.Data), name(over), err)
			}
		}
		refused(session.Absent)
		c.wantNothing("after a refused save", alice)
		v := c.mustSave(alice, record("old"), session.Absent)
		refused(v)
		c.wantRecord(alice, "old", v)
		refused(session.Any)
		c.wantRecord(alice, "old", v)
		c.mustSave(alice, session.Record{Data: fits, Expires: large.Expires}, v)
		c.wantData(alice, fits)
	}},
}
