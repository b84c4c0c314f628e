package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Create writes a file that is not there yet, which only its owner may read.
func Create(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; keys rotate adds a key to it", path)
	}
	if err != nil {
		return err
	}
	if err := finish(f, text); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncDir(filepath.Dir(path))
}

// Read returns the text of a file.
func Read(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, Most+1))
	_ = f.Close()
	return string(text), err
}

// Replace puts what change makes of a file's text into its place, at once: a program that
// reads the file sees the one or the other. Owner and mode stay, and a link leads to the new
// file. Where change fails, or the file cannot be written, it stays as it was. Of two calls
// at once one fails.
func Replace(path string, change func(text string) (string, error)) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	beside := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+".new")
	f, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("another one changes %s, or was killed while it did; then remove %s", path, beside)
	}
	if err != nil {
		return err
	}
	err = replace(f, target, change)
	if err != nil {
		_ = f.Close()
		err = errors.Join(err, os.Remove(beside))
	}
	if errors.Is(err, errSame) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(target))
}

// errSame is a change that makes no difference.
var errSame = errors.New("nothing is changed")

func replace(f *os.File, target string, change func(string) (string, error)) error {
	before, err := Read(target)
	if err != nil {
		return err
	}
	text, err := change(before)
	if err != nil {
		return err
	}
	if text == before {
		return errSame
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	if err := keepOwner(f, info); err != nil {
		return err
	}
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := finish(f, text); err != nil {
		return err
	}
	return os.Rename(f.Name(), target)
}

// finish writes a file through to the disk and closes it.
func finish(f *os.File, text string) error {
	_, err := f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
