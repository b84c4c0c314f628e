package cookiesession_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/node/cookiesession"
	"github.com/holdfast-go/session/node/fields"
)

func TestWhatIsNoSessionIsRefused(t *testing.T) {
	for _, value := range []string{"", "garbage", "W10=", "MQ==", "eyJh", "eyJhIjp9", strings.Repeat("A", 16<<10+1)} {
		if f, err := cookiesession.Decode(value); !errors.Is(err, cookiesession.ErrInvalid) {
			t.Errorf("%.20q: got %v, %v", value, f, err)
		}
	}
}

func TestReservedNamesAreDropped(t *testing.T) {
	f, err := fields.Parse([]byte(`{"isNew":1,"a":2,"_ctx":3,"__proto__":4}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := cookiesession.Decode(cookiesession.Encode(f))
	if err != nil || !slices.Equal(got.Names(), []string{"a"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, value := range []string{
		"eyJ1c2VyIjoiYm9iIn0=", "eyJhIjoiPz8_Pj4-In0", "e30=", "bnVsbA==", "W10=", "garbage", "eyJ1c2VyIjoi", "%", "eyIxIjoxfQ",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := cookiesession.Decode(value)
		if err != nil {
			return
		}
		again, err := cookiesession.Decode(cookiesession.Encode(got))
		if len(value) < 4<<10 && (err != nil || string(again.Append(nil)) != string(got.Append(nil))) {
			t.Errorf("%q: got %v, %v, want %s", value, again, err, got.Append(nil))
		}
		for _, name := range got.Names() {
			if cookiesession.Reserved(name) {
				t.Errorf("%q: %q is there", value, name)
			}
		}
	})
}
