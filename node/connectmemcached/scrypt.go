package connectmemcached

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// The parameters that Node's scryptSync has by default, 16 MB of memory.
const (
	scryptN = 1 << 14
	scryptR = 8
)

// scryptKey is RFC 7914 with p = 1.
func scryptKey(secret, salt []byte, size int) ([]byte, error) {
	const words = 32 * scryptR
	b, err := pbkdf2.Key(sha256.New, string(secret), salt, 1, 4*words)
	if err != nil {
		return nil, err
	}
	x := make([]uint32, words)
	for i := range x {
		x[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	v := make([]uint32, scryptN*words)
	y := make([]uint32, words)
	for i := range scryptN {
		copy(v[i*words:], x)
		blockMix(x, y)
	}
	for range scryptN {
		j := int(x[words-16]) & (scryptN - 1)
		for k, w := range v[j*words : (j+1)*words] {
			x[k] ^= w
		}
		blockMix(x, y)
	}
	for i, w := range x {
		binary.LittleEndian.PutUint32(b[4*i:], w)
	}
	return pbkdf2.Key(sha256.New, string(secret), b, 1, size)
}

// blockMix is scryptBlockMix of x, with y as its room.
func blockMix(x, y []uint32) {
	var t [16]uint32
	copy(t[:], x[len(x)-16:])
	half := len(x) / 2
	for i := 0; i < len(x); i += 16 {
		for k := range t {
			t[k] ^= x[i+k]
		}
		salsa8(&t)
		at := i / 2
		if i/16%2 == 1 {
			at = half + (i-16)/2
		}
		copy(y[at:], t[:])
	}
	copy(x, y)
}

func salsa8(b *[16]uint32) {
	x := *b
	quarter := func(a, b, c, d int) {
		x[b] ^= bits.RotateLeft32(x[a]+x[d], 7)
		x[c] ^= bits.RotateLeft32(x[b]+x[a], 9)
		x[d] ^= bits.RotateLeft32(x[c]+x[b], 13)
		x[a] ^= bits.RotateLeft32(x[d]+x[c], 18)
	}
	for range 4 {
		quarter(0, 4, 8, 12)
		quarter(5, 9, 13, 1)
		quarter(10, 14, 2, 6)
		quarter(15, 3, 7, 11)
		quarter(0, 1, 2, 3)
		quarter(5, 6, 7, 4)
		quarter(10, 11, 8, 9)
		quarter(15, 12, 13, 14)
	}
	for i := range b {
		b[i] += x[i]
	}
}
