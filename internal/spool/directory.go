package spool

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	headerStart = "session journal "
	header      = headerStart + "1\n" // the first line of a file
	suffix      = ".journal"
	newSuffix   = ".journal.new" // of a file that is being written anew
)

// file is what a Spool does with its own file.
type file interface {
	Write([]byte) (int, error) // at the end
	Sync() error
	Truncate(size int64) error
	Close() error
}

// Check returns why a Spool cannot keep its file in a directory, as a mistake in the
// options of a session.Backup. It is none to have no directory.
func Check(dir string, sync bool) error {
	switch {
	case dir == "" && sync:
		return errors.New("session: Backup.Sync without a Dir has no file to write")
	case dir == "":
		return nil
	}
	f, path, err := create(dir)
	if err != nil {
		return mistake(err)
	}
	return errors.Join(os.Remove(path), f.Close())
}

func mistake(err error) error { return fmt.Errorf("session: Backup.Dir: %w", err) }

// create makes an empty file with a name of its own, locked. The header comes with the
// first line: a process starts on a full disk, too.
func create(dir string) (*os.File, string, error) {
	var name [8]byte
	rand.Read(name[:]) // never fails, see crypto/rand
	path := filepath.Join(dir, hex.EncodeToString(name[:])+suffix)
	f, err := createLocked(path)
	return f, path, err
}

// createLocked makes a file that is not there, and locks it. Another process that
// looks for files may lock the file first, and removes it: it is made again then.
func createLocked(path string) (*os.File, error) {
	for range maxCreate {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if errors.Is(err, fs.ErrExist) {
			time.Sleep(time.Millisecond) // it is being removed
			continue
		}
		if err != nil {
			return nil, err
		}
		locked, err := lockAt(f, path)
		if locked {
			return f, nil
		}
		_ = f.Close()
		if err != nil {
			return nil, errors.Join(err, os.Remove(path))
		}
	}
	return nil, fmt.Errorf("%s: %w", path, fs.ErrExist)
}

// maxCreate is how many times a file is made before that counts as a failure.
const maxCreate = 200

// openLocked opens a file of another process and locks it. It returns nil where its
// process runs, or another has it.
func openLocked(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, ignoreMissing(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	locked, err := lockAt(f, path)
	if !locked {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// lockAt locks f, which was opened by path, and reports whether it is locked and
// path still names it.
//
// The lock is of a file and not of a name: since the file was opened, the name may
// have come to stand for another one, because a file was written anew or removed.
func lockAt(f *os.File, path string) (bool, error) {
	locked, err := lock(f)
	return err == nil && locked && isAt(f, path), err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isAt reports whether path names f.
func isAt(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

// syncDir writes the names in a directory through to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
