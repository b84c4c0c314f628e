package keyring

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Journals are the files in which instances keep what waits for the store (Backup.Dir), each by
// the keys that have sealed lines of it.
type Journals map[string]string // the ID of a key: a file that has a line of it

// JournalError is the error for a key that cannot be removed, because a journal would not open
// without it.
type JournalError struct{ ID, File string }

func (e *JournalError) Error() string {
	return fmt.Sprintf("the key %s has sealed lines of the journal %s: what waits there for the store would be lost, logouts too; "+
		"let an instance with that directory run until they are delivered; --force does it all the same", e.ID, e.File)
}

// Bytes of a sealed line before its ciphertext: docs/SPEC.md.
const (
	lineFormat = 1
	lineHead   = 1 + 4 + 4
)

// ReadJournals reads which keys the journals in some directories need. It fails for a directory
// that is none, or that it cannot read: an empty one may be the wrong one, and is no error.
func ReadJournals(dirs []string) (Journals, error) {
	found := Journals{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("--journals: %w", err)
		}
		for _, e := range entries {
			if ok, _ := filepath.Match("*.journal*", e.Name()); !ok {
				continue
			}
			if err := found.read(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("--journals: %w", err)
			}
		}
	}
	return found, nil
}

// read notes the keys of a file's lines. A line that is none was cut off, or is not ours.
func (j Journals) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		head := make([]byte, lineHead)
		if n, _ := base64.RawURLEncoding.Decode(head, line[:min(len(line), lineHead/3*4)]); n == lineHead && head[0] == lineFormat {
			if id := hex.EncodeToString(head[1:5]); j[id] == "" {
				j[id] = path
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
