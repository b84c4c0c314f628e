package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
)

const (
	keySize   = 32
	halfNonce = 12 // of the 24 bytes: one half derives a key, the other is its nonce
	tagSize   = 16
)

// xaes is XAES-256-GCM (https://c2sp.org/XAES-256-GCM): AES-256-GCM under a
// key that is derived for each message from half of a 192-bit nonce, by the
// counter KDF of NIST SP 800-108r1 4.1 over CMAC-AES256. Use is concurrent.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte // the subkey of CMAC, NIST SP 800-38B 6.1
}

func newXAES(key *[keySize]byte) (x xaes) {
	x.block = newAES(key)
	x.block.Encrypt(x.k1[:], x.k1[:])
	// Doubling in GF(2^128); the same steps whatever the bits are.
	carry := x.k1[0] >> 7
	for i := range aes.BlockSize - 1 {
		x.k1[i] = x.k1[i]<<1 | x.k1[i+1]>>7
	}
	x.k1[aes.BlockSize-1] = x.k1[aes.BlockSize-1]<<1 ^ carry*0x87
	return x
}

// derive returns the key of all messages whose nonce begins with half.
func (x *xaes) derive(half []byte) *[keySize]byte {
	var key [keySize]byte
	for i := range keySize / aes.BlockSize {
		// Counter, label X and context fill one block, so CMAC is one call.
		m := key[i*aes.BlockSize:][:aes.BlockSize]
		m[1], m[2] = byte(i+1), 'X'
		copy(m[4:], half)
		subtle.XORBytes(m, m, x.k1[:])
		x.block.Encrypt(m, m)
	}
	return &key
}

// gcm writes the second half of the nonce in front of the ciphertext and reads
// it there, which is how XAES arranges it. It is also the one AES-GCM that
// works where the program runs with GODEBUG=fips140=only.
func (x *xaes) gcm(half []byte) cipher.AEAD {
	gcm, err := cipher.NewGCMWithRandomNonce(newAES(x.derive(half)))
	if err != nil {
		panic(err) // only for a cipher that is not AES
	}
	return gcm
}

// seal appends nonce, ciphertext and tag. The plaintext may lie where the
// second half of the nonce will be, halfNonce bytes after dst.
func (x *xaes) seal(dst, plaintext, aad []byte) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, halfNonce)...)
	rand.Read(dst[n:]) // never fails, see crypto/rand
	return x.gcm(dst[n:]).Seal(dst, nil, plaintext, aad)
}

// open appends the plaintext. With sealed[halfNonce:halfNonce] as dst it works
// in place; sealed is spoiled then, also where it does not open.
func (x *xaes) open(dst, sealed, aad []byte) ([]byte, error) {
	return x.gcm(sealed[:halfNonce]).Open(dst, nil, sealed[halfNonce:], aad)
}

func newAES(key *[keySize]byte) cipher.Block {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // only for another length
	}
	return block
}
