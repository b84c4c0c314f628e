//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// A key stays as long as a journal has a line that it has sealed.
func TestAKeyThatAJournalNeedsStays(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "keys"), t.TempDir()
	holdfast := func(want int, args ...string) string {
		t.Helper()
		var said printed.Text
		if got := run(t.Context(), args, &said, &said); got != want {
			t.Fatalf("%v: exit status %d, want %d: %s", args, got, want, said.String())
		}
		return said.String()
	}
	holdfast(0, "keys", "new", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.ParseKeys(string(text))
	if err != nil {
		t.Fatal(err)
	}
	store := storetest.NewFaulty(memstore.New(nil))
	m, err := session.New(store, &session.Options{Backup: &session.Backup{Keys: keys, Audience: "keys-test", Dir: dir}})
	if err != nil {
		t.Fatal(err)
	}
	cart := session.NewKey[string]("cart")
	store.Fail(errors.New("refused"))
	sessiontest.NewVisitor(t, m, func(s *session.Session) { cart.Set(s, "bread") })
	until(t, "a journal", func() bool { return m.Stats().Journal.File.Bytes > 200 })

	holdfast(0, "keys", "rotate", "--spread", "0s", file)
	holdfast(0, "keys", "rotate", "--promote", "--spread", "0s", file)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	retire := []string{"keys", "retire", "--spread", "0s", "--max-lease", "0s", "--journals", dir, file}
	if said := holdfast(1, retire...); !strings.Contains(said, "has sealed lines of the journal "+dir) || strings.Contains(said, "too early") {
		t.Errorf("it said %s", said)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the file has changed: %v", err)
	}
	store.Heal()
	until(t, "the delivery", func() bool { s := m.Stats().Journal; return s.States+s.Tombstones == 0 })
	if err := m.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if said := holdfast(1, retire...); !strings.Contains(said, "too early") || strings.Contains(said, "journal") {
		t.Errorf("once all is delivered it said %s", said)
	}
	if said := holdfast(2, "keys", "retire", "--journals", filepath.Join(dir, "none"), file); !strings.Contains(said, "--journals: ") {
		t.Errorf("for a directory that is none it said %s", said)
	}
	if said := holdfast(0, "keys", "retire", "--force", file); !strings.Contains(said, "No journal was looked at") {
		t.Errorf("without --journals it said %s", said)
	}
}
