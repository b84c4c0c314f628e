// Package seal turns bytes into text that only the holder of a key can read
// or make: the format of sealed cookies. It knows neither HTTP nor sessions,
// and works alone.
//
//	keys, err := seal.KeysFromEnv("COOKIE_KEYS")
//	box := seal.Box{Keys: keys, Purpose: "cart", Audience: "shop.test"}
//
//	text, err := box.Seal(time.Now(), plaintext)
//	plaintext, sealedAt, err := box.Open(text)
//
// What is sealed opens under the same keys, purpose and audience only. Its
// length is hidden up to 128 bytes, the minute of sealing is in the clear, and
// nothing expires: whoever opens compares the minute with the time. Each
// application has keys of its own, and so has each of its environments; the
// audience keeps them apart where they have not, see Box.Audience.
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
//  3. remove the old key when all that it sealed has expired
//
// A key that is only to open is followed by the word decrypt-only. A file is
// read again while the program runs, see WatchFile. Replace it by renaming a
// new file over it, so that nobody reads half of it.
//
// Use a key for this format only. Who has it can read and make everything that
// any instance seals; without it nothing can be told of the plaintext but its
// rounded length, and with compression a little about what is in it, see
// Box.Codec.
package seal
