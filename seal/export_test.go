package seal

import (
	"crypto/cipher"
	"encoding/binary"
)

const (
	Overhead  = overhead
	HeaderLen = headerLen
)

// RawXAES is XAES-256-GCM under any key, weak ones included, with a nonce of
// the caller's. It shares derive with what is shipped.
type RawXAES struct{ x xaes }

func NewRawXAES(key [32]byte) RawXAES { return RawXAES{newXAES(&key)} }

func (r RawXAES) K1() []byte                 { return r.x.k1[:] }
func (r RawXAES) Derive(nonce []byte) []byte { return r.x.derive(nonce[:halfNonce])[:] }

func (r RawXAES) Seal(nonce, plaintext, aad []byte) []byte {
	gcm, err := cipher.NewGCM(newAES(r.x.derive(nonce[:halfNonce])))
	if err != nil {
		panic(err)
	}
	return gcm.Seal(nil, nonce[halfNonce:], plaintext, aad)
}

// Open and SealRandom are the shipped ones.
func (r RawXAES) Open(dst, sealed, aad []byte) ([]byte, error) { return r.x.open(dst, sealed, aad) }
func (r RawXAES) SealRandom(dst, plaintext, aad []byte) []byte { return r.x.seal(dst, plaintext, aad) }

// SealContent seals a content as it is, well padded or not, under one key with
// a nonce of the caller's.
func (b *Box) SealContent(k Key, minute uint32, nonce, content []byte) (text string, aad []byte) {
	raw := appendHeader(nil, k.open().id, minute, b.hint())
	aad = b.aad(raw)
	raw = append(raw, nonce...)
	return encoding.EncodeToString(append(raw, RawXAES{k.open().cipher}.Seal(nonce, content, aad)...)), aad
}

// OpenContent is Open behind the cipher.
func (b *Box) OpenContent(content []byte) ([]byte, error) {
	codec, body, err := splitPadded(content)
	if err != nil {
		return nil, err
	}
	return b.decompress(codec, body)
}

func Pad(codec byte, body []byte) []byte { return appendPadded(nil, codec, body) }

func IDOf(secret [32]byte) KeyID { return keyID(secret) }

func (k Key) Secret() []byte { return k.open().secret[:] }

// Colliding returns two secrets whose keys have one ID. It takes some 2^16
// hashes (the birthday bound of 4 bytes).
func Colliding() (a, b [32]byte) {
	seen := map[KeyID]uint64{}
	secret := func(n uint64) (s [32]byte) {
		for i := range s {
			s[i] = byte(i * 7)
		}
		binary.BigEndian.PutUint64(s[5:], n)
		return s
	}
	for n := uint64(0); ; n++ {
		id := keyID(secret(n))
		if m, ok := seen[id]; ok {
			return secret(m), secret(n)
		}
		seen[id] = n
	}
}
