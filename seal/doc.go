// Package seal turns bytes into text that only the holder of a key can read or make.
// It is the format of sealed cookies, compressed by a codec or not, and works
// without HTTP and sessions.
//
//	keys, err := seal.KeysFromEnv("COOKIE_KEYS")
//	box := seal.Box{Keys: keys, Purpose: "cart", Audience: "shop.test"}
//
//	text, err := box.Seal(time.Now(), plaintext)
//	plaintext, sealedAt, err := box.Open(text)
//
// A text opens only under the keys, purpose and audience that it was sealed for.
// Its length is hidden up to 128 bytes, and the minute of sealing is in the clear.
// A text does not expire: the caller of Open compares the minute with the time.
// Give each application keys of its own, and each of its environments; the
// audience keeps them apart where they share keys, see Box.Audience.
//
// The cipher is XAES-256-GCM (https://c2sp.org/XAES-256-GCM). Its nonces are
// random and long enough that a key need never be changed for their sake; with
// plain AES-GCM it would be after 2^32 cookies (NIST SP 800-38D, 8.3).
// docs/SPEC.md defines the format byte by byte, with test vectors.
//
// # Keys
//
// A key is 32 random bytes. Make one with
//
//	openssl rand -base64 32
//
// and put it into an environment variable or a file, one key per line. The
// first key seals, all keys open. To change keys, let every instance know the
// new one before the first instance seals with it:
//
//  1. add the new key as the last line, on every instance
//  2. move it to the first line, on every instance
//  3. remove the old key when every text that it sealed has expired
//
// With the word decrypt-only after it a key opens and never seals. A program reads
// a file of keys again while it runs, see WatchFile. Replace the file by renaming a
// new one over it, so that no program reads half of it.
//
// An application that has a random secret of its own can derive a key from it, see
// DeriveKey. A password is not such a secret.
//
// Use a key for this format only. A program that has the key can read and make every
// text that any instance seals. Without the key a text shows only the rounded length
// of its plaintext and, with compression, a little about the content, see Box.Codec.
package seal
