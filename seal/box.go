package seal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// Box seals and opens for one purpose and one audience. A Box may be used
// concurrently; its fields must not be changed then.
type Box struct {
	// Keys are needed.
	Keys *Keys

	// Purpose names the kind of text, so that one kind cannot be sent in place of
	// another.
	Purpose string

	// Audience names the application that the texts are for and its environment, as
	// in "shop-production", so that two applications with the same keys do not
	// accept each other's texts. All that have the same keys and an empty Audience
	// open each other's texts. It is no secret: a text shows 32 bits of its hash.
	Audience string

	// Codec compresses where that makes the text shorter. Nil, the default,
	// never does, because the length of a compressed text depends on its content:
	// an attacker who can put words into the plaintext and watch the length finds
	// secrets beside them (Kelsey, "Compression and Information Leakage of Plaintext",
	// FSE 2002; CRIME and BREACH after it).
	Codec Codec

	// Limit is the most that a plaintext may have, in bytes, whether it
	// travels compressed or not. It defaults to 64 KiB and ends at 1 GiB.
	Limit int
}

// The layout; docs/SPEC.md says the same at length.
const (
	format1   = 1
	hintLen   = 4
	headerLen = 1 + 4 + 4 + hintLen // format, key ID, minute, hint of the audience
	overhead  = headerLen + 2*halfNonce + tagSize
	blockLen  = 128
	padding   = 0x80 // then zeros (ISO/IEC 7816-4)
)

// Strict: the same bytes have one text. The decoder still skips line breaks, so
// Open refuses them itself.
var encoding = base64.RawURLEncoding.Strict()

// SealedLen returns the length of the text for a plaintext of n bytes. With a
// Codec it can be less.
func SealedLen(n int) int { return encoding.EncodedLen(overhead + paddedLen(n)) }

// Seal returns plaintext sealed, as text of the base64url alphabet: letters,
// digits, - and _. The minute of now can be read by everyone. Each call gives
// another text. It fails with ErrTooLarge, and for a Codec with a reserved ID;
// it panics without Keys.
func (b *Box) Seal(now time.Time, plaintext []byte) (string, error) {
	if len(plaintext) > b.limit() {
		return "", fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(plaintext), b.limit())
	}
	r := b.Keys.current()
	if r == nil {
		panic("seal: Box has no Keys; make them with NewKeys, ParseKeys, KeysFromEnv or WatchFile")
	}
	codec, body, err := b.compress(plaintext)
	if err != nil {
		return "", err
	}
	header := appendHeader(make([]byte, 0, overhead+paddedLen(len(body))), r.seals.id, minuteOf(now), b.hint())
	const at = headerLen + halfNonce // in place, see xaes.seal
	content := appendPadded(header[at:at], codec, body)
	return encode(r.seals.cipher.seal(header, content, b.aad(header))), nil
}

// encode is encoding.EncodeToString without its second copy, which is as large as
// a cookie.
func encode(raw []byte) string {
	var text strings.Builder
	text.Grow(encoding.EncodedLen(len(raw)))
	e := base64.NewEncoder(encoding, &text)
	_, _ = e.Write(raw) // a Builder takes all
	_ = e.Close()
	return text.String()
}

// Open returns the plaintext, and the minute in which it was sealed. It fails with
// one of the errors of this package, each of which says that sealed is not to
// be trusted. Check the minute against the time: an old text opens too.
func (b *Box) Open(sealed string) (plaintext []byte, sealedAt time.Time, err error) {
	o, err := b.open(sealed)
	if err != nil {
		return nil, time.Time{}, err
	}
	plaintext, err = b.decompress(o.codec, o.body)
	if err != nil {
		return nil, time.Time{}, err
	}
	return plaintext, o.sealedAt, nil
}

// opened is an authentic text, as it was before it was sealed.
type opened struct {
	codec    byte
	body     []byte // compressed by the codec
	sealedAt time.Time
}

func (b *Box) open(text string) (opened, error) {
	fail := func(err error) (opened, error) { return opened{}, err }

	if most := SealedLen(b.limit()); len(text) > most {
		return fail(fmt.Errorf("%w: %d characters, at most %d were sealed", ErrTooLarge, len(text), most))
	}
	if strings.IndexByte(text, '\r') >= 0 || strings.IndexByte(text, '\n') >= 0 {
		return fail(fmt.Errorf("%w: not base64url", ErrMalformed))
	}
	raw, err := encoding.DecodeString(text)
	switch {
	case err != nil:
		return fail(fmt.Errorf("%w: not base64url", ErrMalformed)) // without err, which may quote
	case len(raw) == 0:
		return fail(fmt.Errorf("%w: empty", ErrMalformed))
	case raw[0] != format1:
		return fail(fmt.Errorf("%w %d", ErrFormat, raw[0]))
	case len(raw) < overhead+blockLen || (len(raw)-overhead)%blockLen != 0:
		return fail(fmt.Errorf("%w: %d bytes, cut short", ErrMalformed, len(raw)))
	}
	header, rest := raw[:headerLen], raw[headerLen:]
	id := KeyID(header[1:])
	sealedAt := time.Unix(int64(binary.BigEndian.Uint32(header[5:]))*60, 0).UTC()
	// This comes before the search for the key: an unknown key is no sign of a
	// rotation where the text is for another audience.
	if hint := b.hint(); string(header[9:]) != string(hint[:]) {
		return fail(ErrAudience)
	}

	r, aad := b.Keys.current(), b.aad(header)
	i := r.next(0, id)
	if i < 0 {
		return fail(&UnknownKeyError{ID: id, SealedAt: sealedAt})
	}
	for i >= 0 {
		key, dst := r.all[i], rest[halfNonce:halfNonce]
		if i = r.next(i+1, id); i >= 0 {
			dst = nil // two keys with one ID, and in place there is one try
		}
		if content, err := key.cipher.open(dst, rest, aad); err == nil {
			codec, body, err := splitPadded(content)
			return opened{codec, body, sealedAt}, err
		}
	}
	return fail(ErrForged)
}

func (b *Box) limit() int {
	if b.Limit <= 0 {
		return 64 << 10
	}
	return min(b.Limit, 1<<30)
}

// aad is all that is vouched for and not encrypted. The lengths keep purpose
// and audience from flowing into each other.
func (b *Box) aad(header []byte) []byte {
	aad := make([]byte, 0, headerLen+4+len(b.Purpose)+4+len(b.Audience))
	aad = append(aad, header...)
	for _, s := range [...]string{b.Purpose, b.Audience} {
		aad = binary.BigEndian.AppendUint32(aad, uint32(len(s)))
		aad = append(aad, s...)
	}
	return aad
}

// hint tells a text for another audience from a forged one, which a cipher
// cannot. Nothing rests on it: the whole audience is in the AAD.
func (b *Box) hint() (hint [hintLen]byte) {
	const label = "session seal audience\x00"
	var buffer [128]byte // for most audiences
	sum := sha256.Sum256(append(append(buffer[:0], label...), b.Audience...))
	copy(hint[:], sum[:])
	return hint
}

func appendHeader(dst []byte, id KeyID, minute uint32, hint [hintLen]byte) []byte {
	dst = append(dst, format1)
	dst = append(dst, id[:]...)
	dst = binary.BigEndian.AppendUint32(dst, minute)
	return append(dst, hint[:]...)
}

// minuteOf counts from 1970, to the year 10136.
func minuteOf(t time.Time) uint32 { return uint32(max(0, min(t.Unix()/60, math.MaxUint32))) }

// paddedLen is the length of the content for a body of n bytes.
func paddedLen(n int) int { return (1 + n + 1 + blockLen - 1) / blockLen * blockLen }

func appendPadded(dst []byte, codec byte, body []byte) []byte {
	end := len(dst) + paddedLen(len(body))
	dst = append(append(append(dst, codec), body...), padding)
	return append(dst, make([]byte, end-len(dst))...)
}

func splitPadded(content []byte) (codec byte, body []byte, err error) {
	end := len(content) - 1
	for end >= 0 && content[end] == 0 {
		end--
	}
	switch {
	case end < 0 || content[end] != padding:
		return 0, nil, fmt.Errorf("%w: padding", ErrMalformed)
	case end == 0:
		return 0, nil, fmt.Errorf("%w: no codec", ErrMalformed)
	}
	return content[0], content[1:end], nil
}
