package connectmemcached_test

import (
	"crypto"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/connectmemcached"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/internal/vectors"
)

const secret = "Xj8$kLp2@Qa9#Zt5!"

// kruptein 3.1.7 made these, of {"cookie":{},"user":"bob"}.
func TestWhatKrupteinSealedIsOpened(t *testing.T) {
	for _, test := range []struct {
		name   string
		o      connectmemcached.CipherOptions
		sealed string
	}{
		{"with scrypt", connectmemcached.CipherOptions{Scrypt: true},
			"MIIBfQQkVTZFQlBLcGZKZ29sejdRakJJWnZ5SmNkT0Y0cElzTTVlWmc9BFhuYlIzRFJNRkliNVVpazRtNmVkKzBucTJlTnp5cWc1cDE2S3cveUtuYlc2d210WU5xMDU1ejBHajJLeXBoVFduanQxU2hMNER0RnJzM2phbzZoVHRJdz09BAxhKg39G48SNUv6ixUEgYABnoR55SjeJ4MF2jL3vq84xFyoXqEhhwpNQTKePPwLAiUVfQyQv6StDgTMkHwooklTXcFk6PJ7nPDdGbg08dqEspDql0PTXtCtpNHuFMY4cTFz9Opy+14FkEkxt/lGFSiisSIbBixYL7OH4n8C77+iNbCwOaS9N/zfDPRIS+o/GAQQBItcA2KjLEy/2BGzOcjhmwRYZU9KbjgwYyt1eTdUOVdia2JPZlpOQjU2TjRkc1doODhJem1lUlNPVUdab3B1UVJjckpQY3k3SUo1UVNYdmNJcGU5Y09vL3VtS2w4SFQxWWhhVjFXVFE9PQ=="},
		{"aes-256-cbc", connectmemcached.CipherOptions{Algorithm: "aes-256-cbc"},
			"MIIBHQQsdWFxL1dybUliU21VRndVV3FvdGd5N3JBcWNuNHhTQUp2OStDb0EyQzhVcz0EWG5vamRYTkozM1llR0tqSmMycTgyOFNQbDVCa2hvVFppMHdlM1JWU2NpSkt4dGYxeEU4cWU4YTVoaFZrcm5zMFVuYmJuYWxyQjVVU01sRmptRXBGdlRnPT0EECFlqHP/rf1tIM6e0m1aKYkEgYDccpif2APjvRGTbZPxsAPKmmcC0scuQISg6kLgniuz22/YERSjKVlwOSl7HG7xQdAgP+NBcd9pMSlh3oz0uTN0CEc2SU9dfkkvHDgqiO/Y8RfFE4nTIIT9y6WUo7nQOZ1pwkbMgiUBh/+cIkSvam693sOrIeloZNT06I5N9yruVQ=="},
		{"aes-192-gcm with sha1, as JSON", connectmemcached.CipherOptions{Algorithm: "aes-192-gcm", Hash: crypto.SHA1, JSON: true},
			`{"hmac":"Jprt1j1vMg73WwFx+ZRG/Jqzibs=","ct":"O6TYdQrw3saa9quENQ4uq8JfzkIPNHZ8Wkw=","iv":{"type":"Buffer","data":[117,150,225,253,144,212,107,167,213,90,209,154]},"salt":{"type":"Buffer","data":[161,169,45,217,168,221,195,97,47,226,22,24,226,219,241,32,15,24,24,87,158,8,226,111,149,226,217,49,104,148,9,217,216,188,66,15,226,232,115,65,67,31,177,113,141,211,22,20,36,34,206,178,57,121,122,73,249,114,44,225,13,34,48,102,163,146,106,10,17,215,157,56,121,41,40,152,69,2,132,105,228,84,37,24,19,134,22,121,217,151,157,123,8,234,133,175,102,251,2,11,113,146,223,220,32,108,87,211,47,59,30,228,197,33,77,18,2,36,163,233,18,58,207,219,192,161,110,35]},"aad":"NRq30Pp47fwszBG+4hKpR2iDIYk=","at":{"type":"Buffer","data":[102,91,243,78,194,60,198,96,228,191,18,197,10,89,1,127]}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := connectmemcached.NewCipher(secret, &test.o)
			if err != nil {
				t.Fatal(err)
			}
			text, err := c.Open(test.sealed)
			if err != nil || string(text) != `{"cookie":{},"user":"bob"}` {
				t.Errorf("got %s, %v", text, err)
			}
			ours, err := c.Seal(text)
			if err != nil || len(ours) != len(test.sealed) && !test.o.JSON { // numbers of a Buffer have other lengths
				t.Errorf("got %d characters, %v, want %d", len(ours), err, len(test.sealed))
			}
			if back, err := c.Open(ours); err != nil || string(back) != string(text) {
				t.Errorf("got %s, %v back", back, err)
			}
		})
	}
}

func TestACipherThatCannotBeIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		secret string
		o      connectmemcached.CipherOptions
	}{
		"short":                {"Aa1!Aa1", connectmemcached.CipherOptions{}},
		"one capital":          {"Aaaa11!!", connectmemcached.CipherOptions{}},
		"one digit":            {"AAaaa1!!", connectmemcached.CipherOptions{}},
		"no special character": {"AAaaa111", connectmemcached.CipherOptions{}},
		"not UTF-8":            {secret + "\xff", connectmemcached.CipherOptions{}},
		"ccm":                  {secret, connectmemcached.CipherOptions{Algorithm: "aes-256-ccm"}},
		"des":                  {secret, connectmemcached.CipherOptions{Algorithm: "des-ede3-cbc"}},
		"an unknown hash":      {secret, connectmemcached.CipherOptions{Hash: crypto.BLAKE2b_256}},
		"no iterations":        {secret, connectmemcached.CipherOptions{Iterations: -1}},
	} {
		if _, err := connectmemcached.NewCipher(test.secret, &test.o); err == nil {
			t.Errorf("%s: got no error", name)
		} else if strings.Contains(err.Error(), test.secret) {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
}

func TestACipherIsNeverPrinted(t *testing.T) {
	c := newCipher(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, v := range []any{c, *c} {
			if s := fmt.Sprintf(format, v); s != "[cipher]" {
				t.Errorf("%s: got %s", format, s)
			}
		}
	}
}

func newCipher(t testing.TB) *connectmemcached.Cipher {
	t.Helper()
	c, err := connectmemcached.NewCipher(secret, &connectmemcached.CipherOptions{Iterations: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExpiriesAreWhatIsMeantAndNotWhatIsSent(t *testing.T) {
	now := time.UnixMilli(1700000000000)
	for _, test := range []struct {
		name    string
		maxAge  string
		ttl     time.Duration
		exptime int32
		expires time.Duration
	}{
		{"a minute", "60000", 0, 60, time.Minute},
		{"half a second, which Node keeps for ever", "500", 0, 0, time.Second / 2},
		{"31 days, which is in 1970", "2678400000", 0, 2678400, 31 * 24 * time.Hour},
		{"80 years, which wraps around", "2524608000000", 0, -1770359296, 2524608000 * time.Second},
		{"until the browser is closed", "null", 0, 86400, 24 * time.Hour},
		{"as the option says", "60000", time.Hour, 3600, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := express.NewCookie([]byte(`{"maxAge":`+test.maxAge+`}`), now)
			if err != nil {
				t.Fatal(err)
			}
			o := connectmemcached.Options{TTL: test.ttl}
			r := express.NewRecord(c)
			if got := o.Exptime(r, now); got != test.exptime {
				t.Errorf("got exptime %d, want %d", got, test.exptime)
			}
			if got := o.Expires(r, now).Sub(now); got != test.expires {
				t.Errorf("got %v, want %v", got, test.expires)
			}
		})
	}
}

func TestKeysThatTheNodeClientCannotSendAreErrors(t *testing.T) {
	for _, key := range []string{"", "a b", "a\u00a0b", "a\ufeffb", "a\u2028b", "\xff", "a$`b", "a$'b"} {
		if got, err := connectmemcached.WireKey(key, false); err == nil {
			t.Errorf("%q: got %q", key, got)
		}
	}
	for key, want := range map[string]string{"a$b": "a$b", "$": "$", "$$$": "$$", "a\u0085b": "a\u0085b"} {
		if got, err := connectmemcached.WireKey(key, false); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", key, got, err, want)
		}
	}
}

func TestAValueThatIsTooLargeIsAnError(t *testing.T) {
	var o connectmemcached.Options
	if _, _, err := o.Encode(large(t)); err == nil {
		t.Error("got no error")
	}
	if _, err := o.Decode(connectmemcached.FlagJSON, make([]byte, 2<<20+1), time.UnixMilli(0)); err == nil {
		t.Error("decoded: got no error")
	}
	o.Cipher = newCipher(t)
	if _, err := o.Decode(connectmemcached.FlagJSON, []byte(`{"cookie":{}}`), time.UnixMilli(0)); err == nil {
		t.Error("a session in clear where there should be none: got no error")
	}
}

// large is a session that no memcached takes.
func large(t *testing.T) *express.Record {
	t.Helper()
	r, err := express.ParseRecord([]byte(`{"cookie":{},"a":"`+strings.Repeat("x", 1<<20)+`"}`), time.UnixMilli(0))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func FuzzOpen(f *testing.F) {
	for _, r := range vectors.Rows[encryptedRow](f, encryptedFile, "cases") {
		if _, data, ok := strings.Cut(r.Wire[0], "\r\n"); ok {
			f.Add(strings.TrimSpace(data))
		}
	}
	f.Add("MIICAgSBqA==")
	f.Add(`{"hmac":"","ct":"","iv":{"type":"Buffer","data":[256]},"salt":{"type":"Buffer","data":null}}`)
	der := newCipher(f)
	text, err := connectmemcached.NewCipher(secret, &connectmemcached.CipherOptions{Iterations: 1, JSON: true, Algorithm: "aes-256-cbc"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, c := range []*connectmemcached.Cipher{der, text} {
			if got, err := c.Open(value); err == nil {
				t.Errorf("%q: got %q, which nobody sealed", value, got)
			}
		}
	})
}

// FuzzSeal has a text go through each form, and no changed value with it. In
// the modes that are not gcm the MAC knows too little of the iv for that.
func FuzzSeal(f *testing.F) {
	f.Add([]byte(`{"cookie":{}}`), uint(20), byte(1))
	f.Add([]byte{}, uint(0), byte(0x80))
	var ciphers []*connectmemcached.Cipher
	const gcm = 3 // of them
	for _, o := range []connectmemcached.CipherOptions{
		{}, {JSON: true}, {Hex: true}, {Algorithm: "aes-128-cbc"}, {Algorithm: "aes-192-ctr", Hash: crypto.SHA256},
	} {
		o.Iterations = 1
		c, err := connectmemcached.NewCipher(secret, &o)
		if err != nil {
			f.Fatal(err)
		}
		ciphers = append(ciphers, c)
	}
	f.Fuzz(func(t *testing.T, text []byte, at uint, by byte) {
		for i, c := range ciphers {
			sealed, err := c.Seal(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Open(sealed); err != nil || string(got) != string(text) {
				t.Fatalf("%q: got %q, %v back", text, got, err)
			}
			changed := []byte(sealed)
			changed[at%uint(len(changed))] ^= by
			if got, err := c.Open(string(changed)); err == nil && i < gcm && string(got) != string(text) {
				t.Errorf("%q: a changed value is good: %q", text, got)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(uint32(2), []byte(`{"cookie":{},"a":"b"}`))
	f.Add(uint32(0), []byte("{\"cookie\":{},\\\r\\\n\"a\":1}"))
	f.Add(uint32(8), []byte("42"))
	var o connectmemcached.Options
	now := time.UnixMilli(0)
	f.Fuzz(func(t *testing.T, flags uint32, value []byte) {
		r, err := o.Decode(flags, value, now)
		if err != nil {
			return
		}
		if flags != connectmemcached.FlagJSON && flags != connectmemcached.FlagString {
			t.Errorf("%d %q: accepted", flags, value)
		}
		flags, again, err := o.Encode(r)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		back, err := o.Decode(flags, again, now)
		if err != nil || string(back.Bytes()) != string(r.Bytes()) {
			t.Errorf("%q: got %v, %v back", value, back, err)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add("a$$b$&c")
	f.Add(strings.Repeat("键", 251))
	f.Fuzz(func(t *testing.T, key string) {
		got, err := connectmemcached.WireKey(key, false)
		if err == nil && (got == "" || strings.ContainsAny(got, " \t\r\n")) {
			t.Errorf("%q: got %q", key, got)
		}
	})
}
