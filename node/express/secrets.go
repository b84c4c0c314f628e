package express

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/node/internal/js"
)

// maxValue bounds the cookie values that are looked at. Browsers keep 4096
// bytes of a cookie.
const maxValue = 8192

// Secrets sign and verify session ids. They are the option secret of the
// middleware, and are safe for concurrent use.
type Secrets struct{ keys [][]byte }

// NewSecrets returns the secrets of an application: the first signs, all
// verify, in their order. A secret that is a string in JavaScript is its UTF-8
// here.
func NewSecrets(secrets ...[]byte) (*Secrets, error) {
	if len(secrets) == 0 {
		return nil, errors.New("express: secrets: at least one is needed")
	}
	s := new(Secrets)
	for i, key := range secrets {
		if len(key) == 0 {
			return nil, fmt.Errorf("express: secrets: number %d is empty", i)
		}
		s.keys = append(s.keys, slices.Clone(key))
	}
	return s, nil
}

// Sign returns the value of the cookie of a session id, "s:", the id, "." and
// its MAC, as it is before it is percent-encoded.
func (s *Secrets) Sign(id string) string { return "s:" + sign(s.keys[0], id) }

// Verify returns the id in a cookie's value that is percent-decoded already,
// and which secret signed it. An id that was not signed by the first one stays
// good; a cookie that is sent for another reason is signed anew.
func (s *Secrets) Verify(value string) (id string, secret int, ok bool) {
	rest, signed := strings.CutPrefix(value, "s:")
	if !signed || len(value) > maxValue {
		return "", 0, false
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot <= 0 { // a well-signed empty id is none, too
		return "", 0, false
	}
	for i, key := range s.keys {
		if hmac.Equal([]byte(sign(key, rest[:dot])), []byte(rest)) {
			return rest[:dot], i, true
		}
	}
	return "", 0, false
}

// Read returns the id in the cookie of that name in a Cookie header, as
// [Secrets.Verify] does. Several Cookie headers are joined by "; ", as Node's
// server joins them.
func (s *Secrets) Read(header, name string) (id string, secret int, ok bool) {
	value, ok := ReadCookie(header, name)
	if !ok {
		return "", 0, false
	}
	return s.Verify(value)
}

// sign is the package cookie-signature, whose versions 1.0.7 and 1.2.2 agree.
func sign(key []byte, value string) string {
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, value)
	return value + "." + base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}

// ReadCookie returns the first cookie of that name in a Cookie header, even
// where it is a bad one and a good one follows. Quotes around the value go,
// and it is percent-decoded where that is possible.
func ReadCookie(header, name string) (value string, ok bool) {
	for header != "" {
		var p cookieheader.Pair
		p, header = cookieheader.Next(header)
		if !p.Assigned || p.Name != name {
			continue
		}
		v := cookieheader.Trim(p.Raw)
		if len(v) > 0 && v[0] == '"' && v[len(v)-1] == '"' {
			v = strings.TrimSuffix(v[1:], `"`)
		}
		v = js.Latin1(v)
		if decoded, ok := js.DecodeURIComponent(v); ok {
			v = decoded
		}
		return v, true
	}
	return "", false
}

const redacted = "[secrets]"

// Format writes a placeholder, whatever the verb.
func (Secrets) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs a placeholder.
func (Secrets) LogValue() slog.Value { return slog.StringValue(redacted) }
