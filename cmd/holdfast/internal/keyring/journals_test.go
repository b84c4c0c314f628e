package keyring

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-go/session/seal"
)

// A key stays while a line of any journal was sealed with it, whatever its age, and goes by force.
func TestAKeyOfAJournalStays(t *testing.T) {
	ring, err := Parse(New(time.Unix(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	old := ring.Keys[0]
	sealed := func(k *Key) string {
		key, err := seal.ParseKeys(k.secret)
		if err != nil {
			t.Fatal(err)
		}
		text, err := (&seal.Box{Keys: key, Audience: "journal"}).Seal(time.Now(), []byte("owed"))
		if err != nil {
			t.Fatal(err)
		}
		return text + "\n"
	}
	fresh := ring.Add(time.Unix(0, 0))
	if ring, err = Parse(ring.Text()); err != nil {
		t.Fatal(err)
	}
	if err := ring.Promote(fresh, time.Unix(60, 0), Waits{}, false); err != nil {
		t.Fatal(err)
	}
	if ring, err = Parse(ring.Text()); err != nil {
		t.Fatal(err)
	}
	for _, k := range ring.Keys {
		if seals := k.ID == fresh; k.DecryptOnly == seals {
			t.Errorf("the key %s is decrypt-only: %v", k.ID, k.DecryptOnly)
		}
	}
	dir, other := t.TempDir(), t.TempDir()
	write := func(dir, name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(dir, "00.journal", "session journal 1\n"+sealed(ring.Keys[0])+"cut o")
	write(dir, "01.journal", "session journal 1\n\n"+sealed(ring.Keys[0])+sealed(old))
	write(other, "02.journal.new", sealed(old))
	write(other, "notes.txt", sealed(&Key{secret: seal.NewKey().Reveal()}))
	found, err := ReadJournals([]string{dir})
	want := Journals{fresh: filepath.Join(dir, "00.journal"), old.ID: filepath.Join(dir, "01.journal")}
	if err != nil || !maps.Equal(found, want) {
		t.Errorf("got %v, %v, want %v", found, err, want)
	}
	found, err = ReadJournals([]string{other})
	if err != nil || !maps.Equal(found, Journals{old.ID: filepath.Join(other, "02.journal.new")}) {
		t.Errorf("got %v, %v, want the file that is being written anew", found, err)
	}
	late := time.Now()
	e := (*JournalError)(nil)
	if gone, err := ring.Retire("", late, Waits{Journals: found}, false); len(gone) > 0 || !errors.As(err, &e) || e.ID != old.ID {
		t.Errorf("got %v, %v, want the key to stay", gone, err)
	}
	if gone, err := ring.Retire("", late, Waits{Journals: Journals{fresh: "other"}}, false); len(gone) != 1 || err != nil {
		t.Errorf("for another key's journal: got %v, %v, want the key to go", gone, err)
	}
	if _, err := Parse(ring.Text()); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadJournals([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a directory that is none is an empty one")
	}
}

// No force takes the key away that seals, nor one that waits, unless it is named.
func TestTheKeyThatSealsStays(t *testing.T) {
	ring, err := Parse(New(time.Unix(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	before := ring.Text()
	if gone, err := ring.Retire(ring.Keys[0].ID, time.Now(), Waits{}, true); len(gone) > 0 || err == nil || ring.Text() != before {
		t.Errorf("got %v, %v, want the key to stay", gone, err)
	}
	waiting := ring.Add(time.Unix(0, 0))
	if ring, err = Parse(ring.Text()); err != nil {
		t.Fatal(err)
	}
	if !ring.Keys[1].DecryptOnly {
		t.Error("a key that was added is not decrypt-only")
	}
	if gone, err := ring.Retire("", time.Now(), Waits{}, true); len(gone) > 0 || err != nil {
		t.Errorf("with one that waits: got %v, %v, want both to stay", gone, err)
	}
	if gone, err := ring.Retire(waiting, time.Now(), Waits{}, false); len(gone) != 1 || err != nil {
		t.Errorf("by its name: got %v, %v, want it to go", gone, err)
	}
}

func TestForceRetiresAKeyOfAJournal(t *testing.T) {
	ring, err := Parse(New(time.Unix(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	old := ring.Keys[0].ID
	id := ring.Add(time.Unix(0, 0))
	if ring, err = Parse(ring.Text()); err != nil {
		t.Fatal(err)
	}
	if err := ring.Promote(id, time.Unix(60, 0), Waits{}, true); err != nil {
		t.Fatal(err)
	}
	if ring, err = Parse(ring.Text()); err != nil {
		t.Fatal(err)
	}
	if gone, err := ring.Retire("", time.Unix(61, 0), Waits{Journals: Journals{old: "file"}}, true); len(gone) != 1 || err != nil {
		t.Errorf("got %v, %v, want the key to go", gone, err)
	}
}
