//go:build unix

package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/keyring"
	"github.com/holdfast-go/session/seal"
)

var (
	begin = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	waits = keyring.Waits{Spread: 5 * time.Minute, MaxLease: 2 * time.Hour}
)

func parse(t *testing.T, text string) *keyring.Ring {
	t.Helper()
	r, err := keyring.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// early fails t unless err says that a step waits until at.
func early(t *testing.T, err error, at time.Time) {
	t.Helper()
	var e *keyring.EarlyError
	if !errors.As(err, &e) || !e.At.Equal(at) {
		t.Fatalf("got %v, want a wait until %v", err, at)
	}
}

// sealingWith returns the ID of the key with which an instance seals that has the file.
func sealingWith(t *testing.T, text string) string {
	t.Helper()
	keys, err := seal.ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := (&seal.Box{Keys: keys}).Seal(begin, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = (&seal.Box{Keys: new(seal.Keys)}).Open(sealed)
	var unknown *seal.UnknownKeyError
	if !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	return unknown.ID.String()
}

// In a rotation by the clock no instance that has the file of the step before, and no visitor
// with a copy of less than a lease, meets a key that the other lacks.
func TestARotationByItsWaits(t *testing.T) {
	first := keyring.New(begin)
	old := sealingWith(t, first)
	r := parse(t, first)
	added := r.Add(begin)
	second := r.Text()
	if got := sealingWith(t, second); got != old {
		t.Fatalf("after the first step it seals with %s, want %s still", got, old)
	}
	r = parse(t, second)
	if got := r.Waiting(); got != added {
		t.Fatalf("%q waits, want %q", got, added)
	}
	at := begin.Add(waits.Spread)
	early(t, r.Promote(added, at.Add(-time.Second), waits, false), at)
	if r.Text() != second {
		t.Error("a step that was refused has changed the file")
	}
	if err := r.Promote(added, at, waits, false); err != nil {
		t.Fatal(err)
	}
	third := r.Text()
	if got := sealingWith(t, third); got != added {
		t.Fatalf("after the second step it seals with %s, want %s", got, added)
	}
	r = parse(t, third)
	// An instance that read the file late has sealed until then, and the copy vouches for a lease.
	end := at.Add(waits.Spread + waits.MaxLease + time.Minute)
	gone, err := r.Retire("", end.Add(-time.Second), waits, false)
	early(t, err, end)
	if len(gone) != 0 || r.Text() != third {
		t.Errorf("%v went before their time", gone)
	}
	if next := r.Next(waits); len(next) != 1 || next[0].Do != "retire" || next[0].ID != old || !next[0].At.Equal(end) {
		t.Errorf("next is %+v", next)
	}
	if gone, err := r.Retire("", end, waits, false); err != nil || len(gone) != 1 || gone[0] != old {
		t.Fatalf("got %v, %v, want %s gone", gone, err, old)
	}
	r = parse(t, r.Text())
	if len(r.Keys) != 1 || r.Keys[0].ID != added || len(r.Next(waits)) != 0 {
		t.Errorf("the rotation is not over: %s", r.Text())
	}
}

// A key that was moved by hand waits from when that was seen.
func TestHandsMayMoveKeys(t *testing.T) {
	r := parse(t, keyring.New(begin))
	before := r.Keys[0].ID
	secret := strings.Split(r.Text(), "\n")[2]
	mine := seal.NewKey()
	moved := mine.Reveal() + "\n" + strings.Replace(r.Text(), secret, secret+" decrypt-only", 1)
	r = parse(t, moved)
	now := begin.Add(1000 * time.Hour)
	_, err := r.Retire("", now, waits, false)
	early(t, err, now.Add(waits.Spread+waits.MaxLease+time.Minute))
	if r = parse(t, r.Text()); len(r.Keys) != 2 || r.Keys[1].ID != before || !r.Keys[1].SealedUntil.Equal(now) {
		t.Errorf("it is not noted: %s", r.Text())
	}
	r.Add(now)
	r = parse(t, r.Text())
	if got := r.Keys[0]; got.ID != mine.ID().String() || !got.SealsSince.Equal(now) {
		t.Errorf("of the key that seals it notes %+v", got)
	}
}

// The key that was retired in the middle of a rotation, before it sealed, leaves no trace.
func TestARotationIsCalledOff(t *testing.T) {
	text := keyring.New(begin)
	r := parse(t, text)
	id := r.Add(begin)
	r = parse(t, r.Text())
	if gone, err := r.Retire(id, begin, waits, false); err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	if r.Text() != text {
		t.Errorf("got %q, want the file as it was", r.Text())
	}
}

// A file of another editor keeps its byte order mark, its line ends and what it lacks.
func TestAFileKeepsItsForm(t *testing.T) {
	key := seal.NewKey().Reveal()
	for _, tt := range []struct{ is, text string }{
		{"a byte order mark", "\ufeff" + key + "\n# mine\n"},
		{"carriage returns", "# mine\r\n" + key + "\r\n"},
		{"no last line feed", key},
		{"a comment behind the key", key + " # mine"},
		{"blank lines", "\n\n" + key + "\n\n\n"},
		{"commas", key + "," + seal.NewKey().Reveal() + " decrypt-only ,"},
	} {
		t.Run(tt.is, func(t *testing.T) {
			r := parse(t, tt.text)
			keys := len(r.Keys)
			if r.Text() != tt.text {
				t.Fatalf("got %q, want %q", r.Text(), tt.text)
			}
			id := r.Add(begin)
			r = parse(t, r.Text())
			if err := r.Promote(id, begin.Add(time.Hour), waits, false); err != nil {
				t.Fatal(err)
			}
			if got := sealingWith(t, r.Text()); got != id {
				t.Errorf("it seals with %s, want %s: %q", got, id, r.Text())
			}
			r = parse(t, r.Text())
			if len(r.Keys) != keys+1 {
				t.Errorf("it has %d keys, want %d", len(r.Keys), keys+1)
			}
			text := r.Text()
			if strings.HasPrefix(tt.text, "\ufeff") != strings.HasPrefix(text, "\ufeff") || strings.Contains(tt.text, "mine") != strings.Contains(text, "mine") {
				t.Errorf("got %q", text)
			}
			if returns := strings.Count(text, "\r\n"); returns > 0 && returns != strings.Count(text, "\n") {
				t.Errorf("line ends are mixed: %q", text)
			}
		})
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// entries returns the names in a folder.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func TestAReplacedFileKeepsModeAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, "before", 0o640)
	owner := os.Getuid()
	if owner == 0 {
		owner = 12345
		if err := os.Chown(path, owner, 54321); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.Replace(path, func(text string) (string, error) { return text + " and after", nil }); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) {
		t.Error("the file was written over, and not replaced")
	}
	was, is := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	if after.Mode() != before.Mode() || is.Uid != was.Uid || is.Gid != was.Gid {
		t.Errorf("got %v of %d:%d, want %v of %d:%d", after.Mode(), is.Uid, is.Gid, before.Mode(), was.Uid, was.Gid)
	}
	if text, err := keyring.Read(path); err != nil || text != "before and after" {
		t.Errorf("got %q, %v", text, err)
	}
	if names := entries(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestAFileStaysWhereItsChangeFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, "before", 0o600)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	for is, change := range map[string]func(string) (string, error){
		"an error": func(string) (string, error) { return "", refused },
		"the same": func(text string) (string, error) { return text, nil },
	} {
		if err := keyring.Replace(path, change); (is == "the same") != (err == nil) {
			t.Errorf("%s: got %v", is, err)
		}
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, after) || len(entries(t, filepath.Dir(path))) != 1 {
			t.Errorf("%s: the file is another: %v", is, err)
		}
	}
	// Of two at once the second fails.
	err = keyring.Replace(path, func(string) (string, error) {
		return "", keyring.Replace(path, func(string) (string, error) { return "second", nil })
	})
	if err == nil || !strings.Contains(err.Error(), "another one changes") {
		t.Errorf("got %v of two at once", err)
	}
}
