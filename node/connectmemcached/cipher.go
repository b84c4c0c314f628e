package connectmemcached

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	_ "crypto/sha1" // the hashes that Hash may name
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-go/session/node/internal/js"
)

// CipherOptions are those of kruptein 3.1.7, which encrypts the sessions of
// connect-memcached 3.0.0. nil and the zero value are its defaults there.
type CipherOptions struct {
	// Algorithm is aes-256-gcm, or with 128 or 192, or with cbc or ctr. Do not
	// choose one of the last two: in Node nothing protects a session from
	// changes then, and here the MAC still knows the iv only as a JavaScript
	// string, which is too little to protect the first 16 bytes.
	Algorithm string

	Hash       crypto.Hash // SHA512
	Hex        bool        // encodeas: "hex"
	JSON       bool        // use_asn1: false
	Scrypt     bool        // use_scrypt
	Iterations int         // 20000; 15000 with connect-memcached 2.0
}

// Cipher encrypts sessions as connect-memcached does with the option secret.
// It is slow, as each session has its own key that is derived from the secret:
// some 15 ms. It is safe for concurrent use.
type Cipher struct {
	secret     []byte
	mode       string // "gcm", "cbc" or "ctr"
	key, iv    int    // bytes
	hash       crypto.Hash
	hex, json  bool
	scrypt     bool
	iterations int
	random     io.Reader
}

// errSealed is the error for a wrong secret and for a changed value alike.
var errSealed = errors.New("connectmemcached: value: not sealed with this secret, or changed")

// NewCipher returns the cipher of a secret. A secret that kruptein finds weak
// is refused: with one, connect-memcached stores sessions in clear, or not at
// all.
func NewCipher(secret string, o *CipherOptions) (*Cipher, error) {
	if o == nil {
		o = new(CipherOptions)
	}
	if err := complexity(secret); err != nil {
		return nil, err
	}
	c := &Cipher{
		secret: []byte(secret), hash: o.Hash, hex: o.Hex, json: o.JSON, scrypt: o.Scrypt, iterations: o.Iterations,
		random: rand.Reader,
	}
	if c.hash == 0 {
		c.hash = crypto.SHA512
	}
	if !c.hash.Available() {
		return nil, fmt.Errorf("connectmemcached: cipher: hash %v is not linked in; import its package", c.hash)
	}
	if c.iterations == 0 {
		c.iterations = 20000
	}
	if c.iterations < 0 {
		return nil, errors.New("connectmemcached: cipher: Iterations below zero")
	}
	algorithm := o.Algorithm
	if algorithm == "" {
		algorithm = "aes-256-gcm"
	}
	parts := strings.Split(algorithm, "-")
	if len(parts) == 3 && parts[0] == "aes" {
		c.key, c.mode = map[string]int{"128": 16, "192": 24, "256": 32}[parts[1]], parts[2]
	}
	c.iv = map[string]int{"gcm": 12, "cbc": 16, "ctr": 16}[c.mode]
	if c.key == 0 || c.iv == 0 {
		return nil, fmt.Errorf("connectmemcached: cipher: algorithm %q is not aes-BITS-gcm, -cbc or -ctr", algorithm)
	}
	return c, nil
}

// complexity is what kruptein wants of a secret.
func complexity(secret string) error {
	count := func(in func(r rune) bool) (n int) {
		for _, r := range secret {
			if in(r) {
				n++
			}
		}
		return n
	}
	switch {
	case !utf8.ValidString(secret):
		return errors.New("connectmemcached: secret: not UTF-8")
	case js.UTF16Len(secret) < 8:
		return errors.New("connectmemcached: secret: shorter than 8 characters")
	case count(func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 2,
		count(func(r rune) bool { return r >= 'a' && r <= 'z' }) < 2,
		count(func(r rune) bool { return r >= '0' && r <= '9' }) < 2,
		count(func(r rune) bool { return strings.ContainsRune("!@#$%^&*()_+-=[]{};':\"\\|,.<>/?", r) }) < 2:
		return errors.New("connectmemcached: secret: needs two each of A-Z, a-z, 0-9 and other characters")
	}
	return nil
}

// Seal encrypts the text of a session.
func (c *Cipher) Seal(text []byte) (string, error) {
	e := envelope{salt: make([]byte, 128), iv: make([]byte, c.iv)}
	aadKey := make([]byte, 128)
	random := [][]byte{e.salt, e.iv}
	if c.mode == "gcm" {
		random = append(random, aadKey)
	}
	for _, b := range random {
		if _, err := io.ReadFull(c.random, b); err != nil {
			return "", fmt.Errorf("connectmemcached: cipher: %w", err)
		}
	}
	key, block, err := c.derive(e.salt)
	if err != nil {
		return "", err
	}
	var sealed []byte
	switch c.mode {
	case "gcm":
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return "", fmt.Errorf("connectmemcached: cipher: %w", err)
		}
		aad := c.mac(aadKey, text)
		out := gcm.Seal(nil, e.iv, text, aad)
		sealed, e.tag = out[:len(text)], out[len(text):]
		e.aad = c.encode(aad)
	case "cbc":
		pad := aes.BlockSize - len(text)%aes.BlockSize
		sealed = append(slices.Clone(text), slices.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, e.iv).CryptBlocks(sealed, sealed)
	case "ctr":
		sealed = make([]byte, len(text))
		cipher.NewCTR(block, e.iv).XORKeyStream(sealed, text)
	}
	e.text = c.encode(sealed)
	e.mac = c.encode(c.mac(key, e.signed()))
	if c.json {
		return string(e.json(c.mode == "gcm")), nil
	}
	return c.encode(e.der(c.mode == "gcm")), nil
}

// Open decrypts what Seal returned. Unlike kruptein, which computes the MAC and
// ignores the result, Open compares it.
func (c *Cipher) Open(value string) ([]byte, error) {
	if len(value) > maxValue {
		return nil, errSealed
	}
	var e envelope
	var ok bool
	if c.json {
		e, ok = parseJSON([]byte(value), c.mode == "gcm")
	} else {
		e, ok = parseDER(c.decode(value), c.mode == "gcm")
	}
	if !ok || len(e.iv) != c.iv {
		return nil, errors.New("connectmemcached: value: not in kruptein's form")
	}
	key, block, err := c.derive(e.salt)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal([]byte(c.encode(c.mac(key, e.signed()))), []byte(e.mac)) {
		return nil, errSealed
	}
	sealed := c.decode(e.text)
	switch c.mode {
	case "gcm":
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("connectmemcached: cipher: %w", err)
		}
		text, err := gcm.Open(nil, e.iv, append(sealed, e.tag...), c.decode(e.aad))
		if err != nil || len(e.tag) != gcm.Overhead() {
			return nil, errSealed
		}
		return text, nil
	case "cbc":
		if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
			return nil, errSealed
		}
		cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(sealed, sealed)
		pad := int(sealed[len(sealed)-1])
		if pad == 0 || pad > aes.BlockSize {
			return nil, errSealed
		}
		for _, b := range sealed[len(sealed)-pad:] {
			if int(b) != pad { // the MAC was right: no oracle
				return nil, errSealed
			}
		}
		return sealed[:len(sealed)-pad], nil
	}
	cipher.NewCTR(block, e.iv).XORKeyStream(sealed, sealed)
	return sealed, nil
}

func (c *Cipher) derive(salt []byte) ([]byte, cipher.Block, error) {
	derive := func() ([]byte, error) {
		return pbkdf2.Key(c.hash.New, string(c.secret), salt, c.iterations, c.key)
	}
	if c.scrypt {
		derive = func() ([]byte, error) { return scryptKey(c.secret, salt, c.key) }
	}
	key, err := derive()
	if err != nil {
		return nil, nil, fmt.Errorf("connectmemcached: cipher: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("connectmemcached: cipher: %w", err)
	}
	return key, block, nil
}

func (c *Cipher) mac(key, text []byte) []byte {
	mac := hmac.New(c.hash.New, key)
	mac.Write(text)
	return mac.Sum(nil)
}

func (c *Cipher) encode(b []byte) string {
	if c.hex {
		return hex.EncodeToString(b)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (c *Cipher) decode(s string) []byte {
	if c.hex {
		b, _ := hex.DecodeString(s) // what comes before the first error, as in Node
		return b
	}
	return js.Base64(s)
}

const redacted = "[cipher]"

// Format writes a placeholder, whatever the verb.
func (Cipher) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs a placeholder.
func (Cipher) LogValue() slog.Value { return slog.StringValue(redacted) }
