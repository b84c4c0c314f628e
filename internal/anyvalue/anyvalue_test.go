package anyvalue

import (
	"bytes"
	"encoding/gob"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type user struct {
	Name  string
	Roles map[string]int
}

type unregistered struct{ N int }

func init() {
	gob.Register(user{})
	gob.Register([]any{})
	gob.Register(map[string]any{})
}

var values = []any{
	nil, "", "bob", "\x00\xff", []byte{}, []byte("raw"), true, false,
	0, -1, math.MaxInt, math.MinInt, int32(math.MinInt32), int64(math.MaxInt64),
	0.0, -1.5, math.Inf(1), time.Unix(1700000000, 5).UTC(), time.Time{},
	user{"bob", map[string]int{"a": 1, "b": 2}}, []any{"one", 2, user{Name: "bob"}},
	uint16(7), []string{"a"}, map[string]any{"a": "b"},
}

func TestAValueComesBackWithItsType(t *testing.T) {
	for _, v := range values {
		data, err := Encode(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		var got any
		if err := (Codec{}).Decode(data, &got); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("got %#v, %v, want %#v", got, err, v)
		}
		if !Equal(data, data) {
			t.Errorf("%#v is not Equal to itself", v)
		}
	}
}

func TestNoTwoValuesAreEqual(t *testing.T) {
	var all [][]byte
	for _, v := range values {
		data, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		for i, other := range all {
			if Equal(data, other) || Equal(other, data) {
				t.Errorf("%#v is Equal to %#v", v, values[i])
			}
		}
		all = append(all, data)
	}
}

func TestMapsAreEqualInWhateverOrderGobWritesThem(t *testing.T) {
	roles := make(map[string]int)
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		roles[name] = len(roles)
	}
	first, err := Encode(user{"bob", roles})
	if err != nil {
		t.Fatal(err)
	}
	for {
		again, err := Encode(user{"bob", roles})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			if !Equal(first, again) {
				t.Error("the same value in another order is not Equal")
			}
			return
		}
	}
}

func TestWhatIsDecodedSharesNothingWithTheData(t *testing.T) {
	for _, v := range []any{[]byte("raw"), "raw"} {
		data, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		data[1] = 'X'
		if !reflect.DeepEqual(got, v) {
			t.Errorf("got %q after a change of the data", got)
		}
	}
}

func TestWhatGobRefusesIsAnError(t *testing.T) {
	for _, v := range []any{unregistered{1}, func() {}, make(chan int)} {
		if data, err := Encode(v); err == nil {
			t.Errorf("%T: got %q, want an error", v, data)
		}
	}
	var s string
	if err := (Codec{}).Decode([]byte("sbob"), &s); err == nil {
		t.Error("decoding into a *string is no error")
	}
}

func TestDamagedDataIsAnError(t *testing.T) {
	wide, err := Encode(int64(math.MaxInt64))
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{
		"", "?", "0x", "tt", "ff", "i", "i\xff", "i\x02\x02", "d1234567", "d123456789", "m", "m1", "g", "gx",
		string(isInt32) + string(wide[1:]),
	} {
		if v, err := Decode([]byte(data)); err == nil {
			t.Errorf("%q: got %#v, want an error", data, v)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range values {
		data, err := Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(v)
		if err != nil {
			return // gob decodes some values that it does not encode
		}
		if got, err := Decode(again); err != nil {
			t.Errorf("%#v came back as %#v, %v", v, got, err)
		}
	})
}
