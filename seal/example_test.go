package seal_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/session/seal"
)

func Example() {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		panic(err)
	}
	box := seal.Box{Keys: keys, Purpose: "cart", Audience: "shop.test"}

	noon := time.Date(2026, 3, 4, 12, 0, 42, 0, time.UTC)
	text, err := box.Seal(noon, []byte("bread, olives"))
	if err != nil {
		panic(err)
	}
	plaintext, sealedAt, err := box.Open(text)
	fmt.Printf("%d characters: %s, sealed at %s, %v\n", len(text), plaintext, sealedAt.Format("15:04"), err)

	coupon := seal.Box{Keys: keys, Purpose: "coupon", Audience: "shop.test"}
	_, _, err = coupon.Open(text)
	fmt.Println(err)
	// Output:
	// 242 characters: bread, olives, sealed at 12:00, <nil>
	// seal: forged
}

// An application acts on each kind of failure.
func ExampleBox_Open() {
	const maxLease = time.Hour
	old, _ := seal.NewKeys(seal.NewKey())
	now := time.Now()
	text, _ := (&seal.Box{Keys: old}).Seal(now, nil)

	keys, _ := seal.NewKeys(seal.NewKey()) // somebody else's
	_, _, err := (&seal.Box{Keys: keys}).Open(text)
	var unknown *seal.UnknownKeyError
	switch {
	case err == nil:
		fmt.Println("authentic: now check its age")
	case errors.As(err, &unknown):
		if age := now.Sub(unknown.SealedAt); -time.Minute < age && age < maxLease {
			fmt.Println("perhaps a key that this instance does not have yet: try again, log nobody out")
		}
	case errors.Is(err, seal.ErrForged):
		fmt.Println("count it: somebody is trying")
	case errors.Is(err, seal.ErrFormat):
		fmt.Println("perhaps a later version of this program has sealed it: leave it where it is")
	case errors.Is(err, seal.ErrMalformed), errors.Is(err, seal.ErrCompression):
		fmt.Println("it was cut short, or a program with the key is at fault: as if there were none")
	default: // for another audience, or too large
		fmt.Println("as if there were none:", err)
	}
	// Output: perhaps a key that this instance does not have yet: try again, log nobody out
}

func ExampleBox_codec() {
	keys, _ := seal.NewKeys(seal.NewKey())
	plaintext := []byte(strings.Repeat(`{"sku":"bread","count":2},`, 100))

	plain := seal.Box{Keys: keys}
	packed := seal.Box{Keys: keys, Codec: seal.Flate}
	a, _ := plain.Seal(time.Now(), plaintext)
	b, _ := packed.Seal(time.Now(), plaintext)
	_, _, err := plain.Open(b) // opening takes no Codec
	fmt.Println(len(plaintext), len(a), len(b), err)
	// Output: 2600 3655 242 <nil>
}

func ExampleParseKeys() {
	today, lastYear := seal.NewKey(), seal.NewKey()
	keys, err := seal.ParseKeys(`
		# the first key seals
		` + today.Reveal() + `
		` + lastYear.Reveal() + ` decrypt-only
	`)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(fmt.Sprint(keys)) > 0) // their IDs, never the keys

	_, err = seal.ParseKeys("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	fmt.Println(err)
	// Output:
	// true
	// seal: line 1: the key is weak: its bytes repeat or count; make one with: openssl rand -base64 32
}

// An application with a secret of its own, of which the key that seals follows. To change
// the key it counts on in the purpose, and keeps the one of before for what that sealed.
func ExampleDeriveKey() {
	secret := []byte(os.Getenv("APP_SECRET")) // made with: openssl rand -base64 32
	if len(secret) == 0 {
		secret = []byte("9pUuT0c1YkYxq7bJm3cWfZ8rKd2sVhNeLgA5oQx4Zb0=") // for this example only
	}
	now, err := seal.DeriveKey(secret, "cookie backups 2")
	if err != nil {
		panic(err)
	}
	before, _ := seal.DeriveKey(secret, "cookie backups 1")
	keys, err := seal.NewKeys(now, before.DecryptOnly())
	fmt.Println(keys.Len(), err)

	_, err = seal.DeriveKey([]byte("correct horse"), "cookie backups 1")
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// seal: the secret to derive a key from has 13 bytes, want at least 32; make one with: openssl rand -base64 32
}

// A program that makes its key on the first run, and follows the file when an
// operator changes it.
func ExampleWatchFile() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "keys")

	if file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintln(file, seal.NewKey().Reveal())
		file.Close()
	}
	file, err := seal.WatchFile(path, &seal.FileOptions{
		Every:             time.Minute,
		AllowOtherReaders: true, // the container mounts its secrets so
		Report:            func(err error) { fmt.Println("told:", err) },
	})
	if err != nil {
		panic(err)
	}
	defer file.Close()
	box := seal.Box{Keys: file.Keys, Purpose: "cart"}
	text, _ := box.Seal(time.Now(), []byte("bread"))

	// The operator adds a key in front, and renames the new file over the old.
	old, _ := os.ReadFile(path)
	os.WriteFile(path+".new", append([]byte(seal.NewKey().Reveal()+"\n"), old...), 0o600)
	os.Rename(path+".new", path)
	file.Reload() // or wait for a minute

	plaintext, _, err := box.Open(text)
	fmt.Printf("%s %v\n", plaintext, err)
	// Output:
	// told: <nil>
	// bread <nil>
}

// A rotation, as the second of its three steps leaves the keys: the new one seals, and texts
// of the old one open.
func ExampleKeys() {
	oldKey, newKey := seal.NewKey(), seal.NewKey()
	before, err := seal.NewKeys(oldKey)
	if err != nil {
		panic(err)
	}
	now, err := seal.NewKeys(newKey, oldKey)
	if err != nil {
		panic(err)
	}
	text, err := (&seal.Box{Keys: before}).Seal(time.Now(), []byte("bread"))
	if err != nil {
		panic(err)
	}
	plaintext, _, err := (&seal.Box{Keys: now}).Open(text)
	fmt.Println(now.Len(), string(plaintext), err)
	fmt.Println(strings.Contains(fmt.Sprint(now), newKey.ID().String())) // keys print as their IDs
	// Output:
	// 2 bread <nil>
	// true
}

// A text of a key that is not there names that key, and when it says that it was sealed.
func ExampleUnknownKeyError() {
	theirs := seal.NewKey()
	keys, _ := seal.NewKeys(theirs)
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	text, err := (&seal.Box{Keys: keys}).Seal(noon, nil)
	if err != nil {
		panic(err)
	}
	ours, _ := seal.NewKeys(seal.NewKey())
	_, _, err = (&seal.Box{Keys: ours}).Open(text)
	var unknown *seal.UnknownKeyError
	if errors.As(err, &unknown) {
		fmt.Println(unknown.ID == theirs.ID(), unknown.SealedAt.UTC().Format("15:04"))
	}
	// Output: true 12:00
}

// The key comes from a service that keeps keys, as 32 bytes.
func ExampleKeyFrom() {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil { // the answer of the service
		panic(err)
	}
	key, err := seal.KeyFrom(secret)
	if err != nil {
		panic(err)
	}
	again, _ := seal.KeyFrom(secret)
	fmt.Println(key.ID() == again.ID())
	_, err = seal.KeyFrom(secret[:16])
	fmt.Println(err)
	// Output:
	// true
	// seal: the key has 16 bytes, want 32; make one with: openssl rand -base64 32
}

// A column of a table has room for so many characters, and the largest note that fits in
// is found before it is sealed.
func ExampleSealedLen() {
	const column = 512
	largest := 0
	for seal.SealedLen(largest+1) <= column {
		largest++
	}
	keys, _ := seal.NewKeys(seal.NewKey())
	box := seal.Box{Keys: keys, Purpose: "note", Limit: largest}
	text, err := box.Seal(time.Now(), make([]byte, largest))
	fmt.Println(largest, len(text) <= column, err)
	_, err = box.Seal(time.Now(), make([]byte, largest+1))
	fmt.Println(errors.Is(err, seal.ErrTooLarge))
	// Output:
	// 254 true <nil>
	// true
}

// A program remembers what it has opened. With other keys a text may no longer open, so
// that nothing counts that was opened with those of before.
func ExampleKeys_Generation() {
	type opened struct {
		plaintext  []byte
		generation uint64
	}
	remembered := map[string]opened{}
	open := func(box *seal.Box, text string) ([]byte, error) {
		generation := box.Keys.Generation() // before the text is opened
		if o, ok := remembered[text]; ok && o.generation == generation {
			return o.plaintext, nil
		}
		plaintext, _, err := box.Open(text)
		if err == nil {
			remembered[text] = opened{plaintext, generation}
		}
		return plaintext, err
	}
	keys, _ := seal.NewKeys(seal.NewKey())
	text, _ := (&seal.Box{Keys: keys}).Seal(time.Now(), []byte("bread"))
	for range 2 {
		plaintext, err := open(&seal.Box{Keys: keys}, text)
		fmt.Println(string(plaintext), err)
	}
	other, _ := seal.NewKeys(seal.NewKey())
	_, err := open(&seal.Box{Keys: other}, text)
	fmt.Println(err != nil)
	// Output:
	// bread <nil>
	// bread <nil>
	// true
}

// A rotation: the new key is given to all instances to open, seals from then on, and the old
// one goes when nothing that it has sealed is of use any more.
func ExampleKey() {
	old, next := seal.NewKey(), seal.NewKey()
	text := func(keys ...seal.Key) string {
		k, err := seal.NewKeys(keys...)
		if err != nil {
			panic(err)
		}
		box := seal.Box{Keys: k, Purpose: "cart", Audience: "shop.test"}
		sealed, err := box.Seal(time.Now(), []byte("bread"))
		if err != nil {
			panic(err)
		}
		return sealed
	}
	opens := func(sealed string, keys ...seal.Key) bool {
		k, err := seal.NewKeys(keys...)
		if err != nil {
			panic(err)
		}
		box := seal.Box{Keys: k, Purpose: "cart", Audience: "shop.test"}
		_, _, err = box.Open(sealed)
		return err == nil
	}

	before := text(old, next) // step 1: the first key seals, all open
	during := text(next, old) // step 2
	after := text(next)       // step 3
	fmt.Println(opens(before, next, old), opens(during, old, next), opens(after, old, next))
	fmt.Println(opens(before, next), strings.Contains(fmt.Sprint(old), old.Reveal()))
	// Output:
	// true true true
	// false false
}

// Two instances compare their keys without showing them to each other.
func ExampleKeyID() {
	shared, added := seal.NewKey(), seal.NewKey()
	here := map[seal.KeyID]bool{shared.ID(): true, added.ID(): true}
	there := []seal.Key{shared}
	for _, key := range there {
		delete(here, key.ID())
	}
	for id := range here {
		fmt.Println("the other instance lacks a key:", id == added.ID(), len(id.String()), "digits")
	}
	// Output: the other instance lacks a key: true 8 digits
}
