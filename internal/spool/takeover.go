package spool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-go/session/seal"
)

// left is a file of a process that has ended, locked by this one.
type left struct {
	file    *os.File
	path    string
	entries []Entry  // the newest of each session, hints last
	keep    [][]byte // lines that stay in the file
	changed bool     // the file has more than those
}

// TakeOver enters the entries that ended processes have left in the directory. It
// calls enter with each entry, tombstones and revocations before hints; where enter
// returns false, the entry stays in its file. TakeOver removes a file when the own
// file has all entries of it. Where that takes until ctx ends, or fails, a later call
// removes the file: until then this process keeps its lock, and no other process
// enters it.
//
// It also notices that the own file was removed, and has it written anew.
func (s *Spool) TakeOver(ctx context.Context, enter func(Entry) bool) {
	s.taking.Lock()
	defer s.taking.Unlock()
	s.missOwn()
	names, err := os.ReadDir(s.options.Dir)
	if err != nil {
		s.tell(Unreadable, err)
	}
	for _, name := range names {
		path := filepath.Join(s.options.Dir, name.Name())
		switch {
		case ctx.Err() != nil || path == s.path || s.holds(path):
		case strings.HasSuffix(path, newSuffix):
			removeAbandoned(path)
		case strings.HasSuffix(path, suffix):
			if l := s.openLeft(path); l != nil {
				s.enter(l, enter)
				s.held = append(s.held, l)
			}
		}
	}
	if len(s.held) > 0 && s.flush(ctx) {
		s.giveUpHeld()
	}
}

// missOwn has the own file written anew where it was removed: data written to a file
// without a name is lost with the process.
func (s *Spool) missOwn() {
	if _, err := os.Lstat(s.path); errors.Is(err, fs.ErrNotExist) {
		s.wantsRewrite.Store(true)
		s.failed(fmt.Errorf("the file is gone: %w", err))
		s.signal()
	}
}

// holds reports whether the file at path was entered already.
func (s *Spool) holds(path string) bool {
	for _, l := range s.held {
		if l.path == path {
			return true
		}
	}
	return false
}

// removeAbandoned removes a new file whose process ended before the file was complete. The old
// file of that process has everything.
func removeAbandoned(path string) {
	if f, err := openLocked(path); err == nil && f != nil {
		_ = os.Remove(path)
		_ = f.Close()
	}
}

// openLeft reads a file whose process has ended. It returns nil for any other.
func (s *Spool) openLeft(path string) *left {
	f, err := openLocked(path)
	if err != nil {
		s.tell(Unreadable, err)
	}
	if f == nil {
		return nil
	}
	l := &left{file: f, path: path}
	if err := s.read(l); err != nil {
		s.tell(Unreadable, fmt.Errorf("%s: %w", path, err))
		_ = f.Close()
		return nil
	}
	return l
}

// read reads the lines of a file. A line without an end was cut off when its process
// ended, and the answer that waited for the line was never sent.
func (s *Spool) read(l *left) error {
	newest := make(map[string]Entry)
	r := bufio.NewReaderSize(l.file, 64<<10)
	for first := true; ; first = false {
		line, err := r.ReadBytes('\n')
		switch {
		case errors.Is(err, io.EOF):
			l.sort(newest)
			return nil
		case err != nil:
			return err
		case string(line) == header, len(line) == 1: // an empty one is behind a line that was cut off
		case first && bytes.HasPrefix(line, []byte(headerStart)):
			return fmt.Errorf("the format %q is not known to this program", line)
		default:
			s.readLine(l, newest, line[:len(line)-1])
		}
	}
}

// readLine takes in what a line says.
func (s *Spool) readLine(l *left, newest map[string]Entry, line []byte) {
	e, err := s.open(line)
	switch {
	case stays(err):
		l.keep = append(l.keep, line)
		s.tell(Unreadable, fmt.Errorf("%s: %w", l.path, err))
		return
	case err != nil:
		s.damaged(l.path, err)
	case e.Kind == Revoked:
		l.entries = append(l.entries, e)
	case e.Kind == Settled:
		delete(newest, e.ID)
	default:
		newest[e.ID] = e
	}
	l.changed = true
}

// sort puts what is owed among the revocations: tombstones before hints, so that no
// hint of a session that has ended is entered.
func (l *left) sort(owed map[string]Entry) {
	for _, kind := range [...]Kind{Tombstone, Hint} {
		for _, e := range owed {
			if e.Kind == kind {
				l.entries = append(l.entries, e)
			}
		}
	}
}

// stays reports whether another process, or this one later, may be able to open a line
// that does not open here.
func stays(err error) bool {
	unknown := new(seal.UnknownKeyError)
	foreign := errors.Is(err, seal.ErrAudience) || errors.Is(err, seal.ErrFormat)
	return errors.As(err, &unknown) || foreign || errors.Is(err, errNewer)
}

// damaged counts a line that is lost.
func (s *Spool) damaged(path string, err error) {
	s.mu.Lock()
	s.stats.Damaged++
	s.mu.Unlock()
	s.tell(Damaged, fmt.Errorf("%s: %w", path, err))
}

// enter enters the hints of a file into the journal. Those that find no room stay in the
// file.
func (s *Spool) enter(l *left, enter func(Entry) bool) {
	for _, e := range l.entries {
		if enter(e) {
			continue
		}
		if line, err := s.line(e); err == nil {
			l.keep = append(l.keep, bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	l.entries = nil
}

// giveUpHeld removes from the files that were entered what the own file has.
func (s *Spool) giveUpHeld() {
	for _, l := range s.held {
		if err := l.giveUp(); err != nil {
			s.tell(Unreadable, err)
		}
	}
	s.held = nil
}

// giveUp removes the file, or writes it anew with the lines that stay.
func (l *left) giveUp() error {
	defer func() { _ = l.file.Close() }()
	if len(l.keep) == 0 {
		return os.Remove(l.path)
	}
	if !l.changed {
		return nil
	}
	path := strings.TrimSuffix(l.path, suffix) + newSuffix
	f, err := createLocked(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = f.Write(append([]byte(header), append(bytes.Join(l.keep, []byte("\n")), '\n')...))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return os.Rename(path, l.path)
}

// closeHeld ends the takeover: it removes the files of which the own file has all
// entries, and leaves the others to other processes.
func (s *Spool) closeHeld() {
	s.taking.Lock()
	defer s.taking.Unlock()
	s.mu.Lock()
	whole := len(s.backlog) == 0
	s.mu.Unlock()
	if whole || !s.source.OwesAny() {
		s.giveUpHeld()
	}
	for _, l := range s.held {
		_ = l.file.Close()
	}
	s.held = nil
}
