// Package clientsessions reads and writes the cookies of client-sessions 0.8.0,
// which hold a whole session, encrypted and signed.
//
// A [Codec] is the format. [Codec.Load] and [Codec.SetCookie] implement its times:
// when a session ends, and when its cookie is sent again. A session cannot be
// revoked before it ends: a copied cookie stays valid.
package clientsessions

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session/node/internal/js"
)

// Options are the options of the middleware.
type Options struct {
	// Name is cookieName. Default "session_state". It is part of what is
	// encrypted: under another name a cookie is void.
	Name string

	// Secret is the text from which both keys are derived. Without it, both keys
	// must be given.
	Secret                      []byte
	EncryptionKey, SignatureKey []byte

	Encryption string // default aes256; aes128 and aes192 need their own keys
	Signature  string // default sha256; also sha384, sha512, sha256-drop128, sha384-drop192, sha512-drop256

	Duration       time.Duration // of a new session. Default a day
	ActiveDuration time.Duration // by how much a session that ends soon is prolonged. Default 5 minutes; below zero: not at all

	Cookie Cookie
}

// Box is what a cookie holds.
type Box struct {
	Content  json.RawMessage // any JSON; an object in a session
	Created  time.Time       // in milliseconds; it is put off when a session is prolonged
	Duration time.Duration   // in milliseconds, counted from Created
}

// maxValue is the longest value of a cookie that is decoded. Node's servers
// take headers of 16 KB, all cookies together; browsers keep 4096 bytes of one.
const maxValue = 16 << 10

// ErrInvalid is the error for a cookie that was not made with these keys for this
// name, or that was changed.
var ErrInvalid = errors.New("clientsessions: the cookie is forged, or not of this application")

// Codec encodes and decodes. It is safe for concurrent use.
type Codec struct {
	options  Options
	block    cipher.Block
	key      []byte
	hash     func() hash.Hash
	macSize  int
	randomIV func([]byte)
}

const (
	defaultDuration = 24 * time.Hour
	defaultActive   = 5 * time.Minute
)

var keySizes = map[string]int{"aes128": 16, "aes192": 24, "aes256": 32}

// signatures have the hash, the length of the MAC in bytes, and of a key at
// least.
var signatures = map[string]struct {
	hash      func() hash.Hash
	mac, size int
}{
	"sha256": {sha256.New, 32, 32}, "sha256-drop128": {sha256.New, 16, 32},
	"sha384": {sha512.New384, 48, 48}, "sha384-drop192": {sha512.New384, 24, 48},
	"sha512": {sha512.New, 64, 64}, "sha512-drop256": {sha512.New, 32, 64},
}

// New returns the codec of an application.
func New(o Options) (*Codec, error) {
	if o.Name == "" {
		o.Name = "session_state"
	}
	if o.Encryption == "" {
		o.Encryption = "aes256"
	}
	if o.Signature == "" {
		o.Signature = "sha256"
	}
	if o.Duration == 0 {
		o.Duration = defaultDuration
	}
	if o.ActiveDuration == 0 {
		o.ActiveDuration = defaultActive
	}
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("clientsessions: "+format, args...))
	}
	if strings.Contains(o.Name, "=") {
		wrong("name %q: has an =", o.Name)
	}
	if len(o.Secret) == 0 && (o.EncryptionKey == nil || o.SignatureKey == nil) {
		wrong("a secret or both keys are needed")
	}
	if o.EncryptionKey == nil {
		o.EncryptionKey = derive(o.Secret, "cookiesession-encryption")
	}
	if o.SignatureKey == nil {
		o.SignatureKey = derive(o.Secret, "cookiesession-signature")
	}
	signature, known := signatures[strings.ToLower(o.Signature)]
	size := keySizes[strings.ToLower(o.Encryption)]
	switch {
	case size == 0:
		wrong("encryption %q is none of aes128, aes192, aes256", o.Encryption)
	case len(o.EncryptionKey) != size:
		wrong("encryption %s: the key has %d bytes, not %d", o.Encryption, len(o.EncryptionKey), size)
	case !known:
		wrong("signature %q is none of sha256, sha384, sha512, sha256-drop128, sha384-drop192, sha512-drop256", o.Signature)
	case len(o.SignatureKey) < signature.size:
		wrong("signature %s: the key has %d bytes, less than %d", o.Signature, len(o.SignatureKey), signature.size)
	case hmac.Equal(o.EncryptionKey, o.SignatureKey):
		wrong("the keys for encryption and signature must differ")
	}
	if err := o.Cookie.check(); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	block, err := aes.NewCipher(o.EncryptionKey)
	if err != nil {
		return nil, fmt.Errorf("clientsessions: %w", err)
	}
	c := &Codec{
		options: o, block: block, key: slices.Clone(o.SignatureKey), hash: signature.hash, macSize: signature.mac,
		randomIV: func(iv []byte) { rand.Read(iv) }, // never fails, see crypto/rand
	}
	c.options.Secret = nil
	c.options.EncryptionKey, c.options.SignatureKey = nil, nil
	return c, nil
}

func derive(secret []byte, what string) []byte {
	mac := hmac.New(sha256.New, secret)
	io.WriteString(mac, what)
	return mac.Sum(nil)
}

// Encode returns the value of a cookie. It cuts times to whole milliseconds. A
// zero Created means now, and a Duration of 0 means a day.
func (c *Codec) Encode(b Box) (string, error) {
	if !json.Valid(b.Content) {
		return "", errors.New("clientsessions: encode: the content is not JSON")
	}
	if b.Created.IsZero() {
		b.Created = time.Now()
	}
	if b.Duration.Milliseconds() == 0 {
		b.Duration = defaultDuration
	}
	created, duration := float64(b.Created.UnixMilli()), float64(b.Duration.Milliseconds())
	text := append([]byte(c.options.Name+"="), b.Content...)
	pad := aes.BlockSize - len(text)%aes.BlockSize
	text = append(text, slices.Repeat([]byte{byte(pad)}, pad)...)
	iv := make([]byte, aes.BlockSize)
	c.randomIV(iv)
	cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(text, text)
	return join(iv, text, created, duration, c.mac(iv, text, created, duration)), nil
}

func join(iv, text []byte, created, duration float64, mac []byte) string {
	parts := []string{encode(iv), encode(text), js.FormatText(created), js.FormatText(duration), encode(mac)}
	return strings.Join(parts, ".")
}

// Decode reads the value of a cookie, however old it is, or returns [ErrInvalid].
// It accepts what the middleware accepts: numbers with anything behind their
// digits, and both alphabets of base64.
func (c *Codec) Decode(value string) (Box, error) {
	b, _, err := c.DecodeCanonical(value)
	return b, err
}

// DecodeCanonical is Decode, and returns the value as the middleware has written
// it: one text for all values that decode to the same bytes. A caller that
// remembers which cookies were used, or may no longer be used, remembers this
// text.
func (c *Codec) DecodeCanonical(value string) (Box, string, error) {
	parts := strings.Split(value, ".")
	if len(value) > maxValue || len(parts) != 5 {
		return Box{}, "", ErrInvalid
	}
	iv, ivOK := decode(parts[0])
	text, textOK := decode(parts[1])
	mac, macOK := decode(parts[4])
	if !ivOK || !textOK || !macOK || len(iv) != aes.BlockSize {
		return Box{}, "", ErrInvalid
	}
	created, duration := js.ParseInt(parts[2]), js.ParseInt(parts[3])
	if !hmac.Equal(mac, c.mac(iv, text, created, duration)) {
		return Box{}, "", ErrInvalid
	}
	const most = float64(math.MaxInt64 / int64(time.Millisecond))
	if len(text) == 0 || len(text)%aes.BlockSize != 0 || !(math.Abs(created) <= js.MaxDate && math.Abs(duration) <= most) {
		return Box{}, "", ErrInvalid
	}
	canonical := join(iv, text, created, duration, mac)
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad == 0 || pad > aes.BlockSize || slices.ContainsFunc(text[len(text)-pad:], func(b byte) bool { return int(b) != pad }) {
		return Box{}, "", ErrInvalid
	}
	name, content, ok := strings.Cut(string(js.UTF8(text[:len(text)-pad])), "=")
	if !ok || name != c.options.Name || !json.Valid([]byte(content)) {
		return Box{}, "", ErrInvalid
	}
	return Box{
		Content: json.RawMessage(content), Created: time.UnixMilli(int64(created)),
		Duration: time.Duration(duration) * time.Millisecond,
	}, canonical, nil
}

func (c *Codec) mac(iv, text []byte, created, duration float64) []byte {
	mac := hmac.New(c.hash, c.key)
	mac.Write(iv)
	io.WriteString(mac, ".")
	mac.Write(text)
	io.WriteString(mac, "."+js.FormatText(created)+"."+js.FormatText(duration))
	return mac.Sum(nil)[:c.macSize]
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(s string) ([]byte, bool) {
	if len(s)%4 == 1 {
		return nil, false
	}
	return js.Base64(s), true
}

const redacted = "[codec]"

// Format writes a placeholder, whatever the verb.
func (Codec) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs a placeholder.
func (Codec) LogValue() slog.Value { return slog.StringValue(redacted) }
