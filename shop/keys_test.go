package main

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/seal"
)

func TestTheKeyFileIsMadeOnceAndStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.keys")
	log := slog.New(slog.DiscardHandler)
	// Any number of shops may start at once.
	var all sync.WaitGroup
	rings := make([]keyring, 8)
	for i := range rings {
		all.Go(func() {
			var err error
			if rings[i], err = openKeys(path, log); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	made := 0
	for _, k := range rings {
		if k.close == nil {
			t.Fatal("a shop has no keys")
		}
		defer k.close()
		if strings.Contains(k.said, "a new key") {
			made++
		}
		if got, want := k.Keys.LogValue().String(), rings[0].Keys.LogValue().String(); got != want {
			t.Errorf("got the keys %s, want %s, as the first shop has", got, want)
		}
	}
	if made != 1 {
		t.Errorf("%d shops made the file, want 1", made)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %04o, want 0600", info.Mode().Perm())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("got %v, %v, want the key file alone", left, err)
	}
	box := seal.Box{Keys: rings[0].Keys}
	text, err := box.Seal(time.Now(), []byte("cart"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := (&seal.Box{Keys: rings[7].Keys}).Open(text); err != nil {
		t.Error(err)
	}
}

func TestABadKeyFileIsAClearError(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := seal.NewKey().Reveal()
	for _, c := range []struct{ name, path, said string }{
		{"others can read it", write("open", key, 0o644), "chmod 600"},
		{"it is empty", write("empty", "", 0o600), "no keys"},
		{"a key is cut short", write("short", key[:20], 0o600), "line 1"},
		{"it is a folder", dir, "not a regular file"},
		{"its folder is not there", filepath.Join(dir, "nowhere", "keys"), "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			exit := run(t.Context(), []string{"-addr", "127.0.0.1:0", "-keys", c.path}, &stdout, &stderr)
			said := stderr.String()
			if exit != 1 || !strings.Contains(said, c.said) || !strings.Contains(said, c.path) || stdout.Len() > 0 {
				t.Errorf("got exit status %d, %q and %q, want 1, nothing and %q with the file's name", exit, stdout.String(), said, c.said)
			}
			if strings.Contains(said, key[:20]) || strings.Count(said, "\n") != 1 {
				t.Errorf("got %q, want one line, without the key", said)
			}
		})
	}
}

// A visitor of before the restart is served from the cookies, because the key
// is the same.
func TestWithAKeyFileBackupsOutliveTheShop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.keys")
	first := start(t, "-addr", "127.0.0.1:0", "-insecure", "-keys", path)
	if !strings.Contains(first.opened, "Backups are sealed with a new key, made in "+path+".") {
		t.Errorf("got %q", first.opened)
	}
	first.eventually(t, "/user", 200)
	if exit := first.stop(t); exit != 0 {
		t.Errorf("got exit status %d: %s", exit, first.stderr.String())
	}
	second := start(t, "-addr", "127.0.0.1:0", "-insecure", "-keys", path)
	if !strings.Contains(second.opened, "Backups are sealed with the keys in "+path+".") {
		t.Errorf("got %q", second.opened)
	}
	second.client.Jar = first.client.Jar // cookies of a host go to all its ports
	second.get(t, "/user/readonly", 200) // its store, in memory, is another one
	if exit := second.stop(t); exit != 0 {
		t.Errorf("got exit status %d: %s", exit, second.stderr.String())
	}
}

func TestWithoutAKeyFileTheShopSaysSo(t *testing.T) {
	s := start(t, "-addr", "127.0.0.1:0")
	if want := "with a key of this process; with -keys FILE they outlive it.\n"; !strings.Contains(s.opened, want) {
		t.Errorf("got %q, want %q in it", s.opened, want)
	}
	s.stop(t)
}
