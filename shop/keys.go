package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/holdfast-go/session/seal"
)

// keyring is what backups are sealed with.
type keyring struct {
	*seal.Keys
	said  string // about it, when the shop opens
	close func()
}

// openKeys reads the keys from a file, and again when it changes. Where there
// is no file it makes one.
func openKeys(path string, log *slog.Logger) (keyring, error) {
	if path == "" {
		keys, err := seal.NewKeys(seal.NewKey())
		return keyring{keys, "Backups are sealed with a key of this process; with -keys FILE they outlive it.", func() {}}, err
	}
	said := "Backups are sealed with the keys in " + path + "."
	switch made, err := makeKeys(path); {
	case err != nil:
		return keyring{}, fmt.Errorf("-keys %s: %w", path, err)
	case made:
		said = "Backups are sealed with a new key, made in " + path + "."
	}
	file, err := seal.WatchFile(path, &seal.FileOptions{Report: func(err error) {
		if err != nil {
			log.Warn("the key file is not good, the keys of before stay", "error", err)
			return
		}
		log.Info("the key file has changed and is in use")
	}})
	if err != nil {
		return keyring{}, fmt.Errorf("-keys: %w", err)
	}
	return keyring{file.Keys, said, func() { _ = file.Close() }}, nil
}

// makeKeys writes a file with one key, unless there is a file. It appears whole
// or not at all: two shops may start at once.
func makeKeys(path string) (made bool, err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return false, nil // reading the file reports what is wrong with it
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+name+"-*") // mode 0600
	if err != nil {
		return false, plain(err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = fmt.Fprintf(f, "# Keys of the shop's session backups. The first seals, all open. Keep it secret.\n%s\n", seal.NewKey().Reveal())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, plain(err)
	}
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return false, nil // another shop was first
	} else if err != nil {
		return false, plain(err)
	}
	return true, nil
}

// plain leaves out the temporary name, which no user gave.
func plain(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	if l := (*os.LinkError)(nil); errors.As(err, &l) {
		return l.Err
	}
	return err
}
