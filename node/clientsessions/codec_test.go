package clientsessions_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/internal/js"
	"github.com/holdfast-go/session/node/internal/vectors"
)

var begin = time.UnixMilli(1700000000000)

const good = "AAECAwQFBgcICQoLDA0ODw.3YDSsfwJMxFRArnM8oWJz6uVOV7QK91l-urmBWwHqlc.1700000000000.86400000.uU_UeShtQ0w2SsfqY7bo4kr4I5TjrwQVdurfmDXLUqA"

func TestOptionsThatCannotBeAreErrors(t *testing.T) {
	long := bytes.Repeat([]byte("k"), 64)
	for name, o := range map[string]clientsessions.Options{
		"no secret":                {},
		"one key of two":           {EncryptionKey: long[:32]},
		"a name with =":            {Name: "a=b", Secret: long},
		"the same key twice":       {EncryptionKey: long[:32], SignatureKey: long[:32]},
		"a short encryption key":   {EncryptionKey: long[:31], SignatureKey: long},
		"a short signature key":    {EncryptionKey: long[:32], SignatureKey: bytes.Repeat([]byte("s"), 47), Signature: "sha384"},
		"a secret with aes128":     {Secret: long, Encryption: "aes128"},
		"a secret with sha512":     {Secret: long, Signature: "sha512"},
		"an unknown encryption":    {Secret: long, Encryption: "des"},
		"an unknown signature":     {Secret: long, Signature: "md5"},
		"ephemeral with a max age": {Secret: long, Cookie: clientsessions.Cookie{Ephemeral: true, MaxAge: time.Second}},
		"same-site none":           {Secret: long, Cookie: clientsessions.Cookie{SameSite: "None"}},
	} {
		if _, err := clientsessions.New(o); err == nil {
			t.Errorf("%s: got no error", name)
		} else if strings.Contains(err.Error(), "kkk") {
			t.Errorf("%s: the error has the key: %v", name, err)
		}
	}
}

func TestALongCookieIsRefusedUnread(t *testing.T) {
	c := newCodec(t, clientsessions.Options{Name: "session", Secret: []byte("yo")})
	text, err := json.Marshal(strings.Repeat("x", 16<<10))
	if err != nil {
		t.Fatal(err)
	}
	value, err := c.Encode(clientsessions.Box{Content: text, Created: begin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Decode(value); !errors.Is(err, clientsessions.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Encode(clientsessions.Box{Content: []byte("{"), Created: begin}); err == nil {
		t.Error("content that is no JSON: got no error")
	}
}

func TestTheCodecIsNeverPrinted(t *testing.T) {
	c := newCodec(t, clientsessions.Options{Name: "session", Secret: []byte("hushhush")})
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{c, *c} {
			if s := fmt.Sprintf(format, v); s != "[codec]" {
				t.Errorf("%s: got %s", format, s)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(good)
	for _, section := range []string{"decode", "encode"} {
		for _, r := range vectors.Rows[struct{ Cookie string }](f, file, section) {
			f.Add(r.Cookie)
		}
	}
	c, err := clientsessions.New(clientsessions.Options{Name: "session", Secret: []byte("yo")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		b, err := c.Decode(value)
		if err != nil {
			if session, send := c.Load(value, begin); !send || string(session.Content) != "{}" {
				t.Errorf("%q: got %s", value, session.Content)
			}
			return
		}
		again, err := c.Encode(b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.Decode(again)
		if err != nil || string(back.Content) != string(b.Content) || !back.Created.Equal(b.Created) {
			t.Errorf("%q: got %v, %v back", value, back, err)
		}
	})
}

// FuzzEncode has content go through a cookie, and no changed byte with it.
func FuzzEncode(f *testing.F) {
	f.Add([]byte(`{"foo":"bar"}`), int64(1700000000000), int64(86400000), 10)
	f.Add([]byte(`{"a":"2345678"}`), int64(-1), int64(-5), 70)
	f.Add([]byte(`nope`), int64(0), int64(0), 0)
	c, err := clientsessions.New(clientsessions.Options{Name: "session", Secret: []byte("yo")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte, created, duration int64, flip int) {
		b := clientsessions.Box{
			Content: content, Created: time.UnixMilli(created % 8e15), Duration: time.Duration(duration%9e12) * time.Millisecond,
		}
		value, err := c.Encode(b)
		if (err == nil) != json.Valid(content) {
			t.Fatalf("%q: %v", content, err)
		}
		if err != nil || len(value) > 16<<10 {
			return
		}
		back, err := c.Decode(value)
		if err != nil || string(back.Content) != string(js.UTF8(content)) {
			t.Fatalf("%q: got %s, %v back", content, back.Content, err)
		}
		changed := []byte(value)
		at := ((flip % len(changed)) + len(changed)) % len(changed)
		changed[at]++
		// Some characters do not count. With what does, the cookie is void.
		got, err := c.Decode(string(changed))
		if err == nil && (string(got.Content) != string(back.Content) || !got.Created.Equal(back.Created) || got.Duration != back.Duration) {
			t.Errorf("%q: %q is good, and holds %v", value, changed, got)
		}
	})
}
