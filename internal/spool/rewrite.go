package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// rewrite is a file that is being written anew, from what the source owes, in parts;
// no request waits for it. Meanwhile each batch goes into both files, so that either
// file is complete whenever the process ends. A line of the new file states what is
// owed at that moment, and the newer line of a session stands behind the older one
// in both files.
type rewrite struct {
	file    file
	path    string
	ids     []string     // sessions still to be written
	settled []Revocation // revocations still to be written
	size    int64
	contents
	err error // the new file is of no use
}

// retryRewrite is how long the file is not written anew after that has failed.
const retryRewrite = time.Minute

// outdated reports whether the file is to be written anew: most of it is settled, or
// it may lack something.
func (s *Spool) outdated() bool {
	failedLately := !s.rewriteFailedAt.IsZero() && time.Since(s.rewriteFailedAt) < retryRewrite
	if failedLately {
		return false
	}
	return s.wantsRewrite.Load() || s.size > smallest+2*(s.live+s.revocations)
}

// beginRewrite makes the new file.
func (s *Spool) beginRewrite() {
	path := strings.TrimSuffix(s.path, suffix) + newSuffix
	f, err := createLocked(path)
	if err != nil {
		s.rewriteFailed(err)
		return
	}
	s.wantsRewrite.Store(false)
	s.mu.Lock()
	s.anew = true
	s.mu.Unlock()
	s.rewriting = &rewrite{file: f, path: path, contents: contents{lines: make(map[string]int)}}
	s.rewriting.ids = s.source.UndeliveredIDs()
	if s.Revocations != nil {
		for r := range s.Revocations {
			s.rewriting.settled = append(s.rewriting.settled, r)
		}
	}
}

// continueRewrite writes a part of the new file, and lets it take the place of the
// old one when it has everything.
func (s *Spool) continueRewrite() {
	r := s.rewriting
	var lines built
	var err error
	switch {
	case r.err != nil:
		err = r.err
	case len(r.ids) > 0:
		lines, r.ids, err = s.build(r.ids, r.has)
	case len(r.settled) > 0 && r.size < s.options.Limit/2:
		lines, r.settled, err = s.buildRevocations(r.settled)
	default:
		err = s.exchange(r)
	}
	if err == nil {
		err = r.write(&lines)
	}
	if err != nil {
		s.abandonRewrite()
		s.rewriteFailed(err)
	}
}

// rewriteFailed counts and reports why the file was not written anew. The old one has
// everything that it had.
func (s *Spool) rewriteFailed(err error) {
	s.rewriteFailedAt = time.Now()
	s.wantsRewrite.Store(true)
	s.mu.Lock()
	s.stats.Failures++
	s.mu.Unlock()
	s.tell(Failing, fmt.Errorf("the file cannot be written anew: %w", err))
}

// abandonRewrite removes the new file.
func (s *Spool) abandonRewrite() {
	if s.rewriting == nil {
		return
	}
	_ = os.Remove(s.rewriting.path)
	_ = s.rewriting.file.Close()
	s.rewriting = nil
	s.mu.Lock()
	s.anew = false
	s.mu.Unlock()
}

// rewriteNow writes the file anew before anything else, because it has no room.
func (s *Spool) rewriteNow() {
	if s.rewriting == nil {
		if s.size <= smallest+s.live+s.revocations {
			return // there is nothing to gain
		}
		s.beginRewrite()
	}
	for s.rewriting != nil {
		s.continueRewrite()
	}
}

// has reports whether the new file says that something is owed of a session.
func (r *rewrite) has(id string) bool {
	_, ok := r.lines[id]
	return ok
}

// append writes lines that the old file gets too. r may be nil. The failure shows
// when the rewriting goes on.
func (r *rewrite) append(lines *built) {
	if r == nil || r.err != nil {
		return
	}
	r.err = r.write(lines)
}

// write writes lines to the new file.
func (r *rewrite) write(lines *built) error {
	if len(lines.ends) == 0 {
		return nil
	}
	text := lines.text
	if r.size == 0 {
		text = append([]byte(header), text...)
		r.size = int64(len(header))
	}
	if _, err := r.file.Write(text); err != nil {
		return err
	}
	r.size += int64(lines.ends[len(lines.ends)-1].at)
	r.account(lines)
	return nil
}

// exchange lets the new file take the place of the old one, under its name. The new
// file is locked already. A process that has opened the old file, and gets its lock
// now, sees that the name belongs to another file.
func (s *Spool) exchange(r *rewrite) error {
	if s.options.Sync {
		if err := r.file.Sync(); err != nil {
			return err
		}
	}
	if err := os.Rename(r.path, s.path); err != nil {
		return err
	}
	old := s.file
	s.file, s.size = r.file, r.size
	s.torn = false
	s.rewriting, s.rewriteFailedAt = nil, time.Time{}
	s.mu.Lock()
	s.anew = false
	s.contents = r.contents
	s.stats.Bytes = s.size
	s.mu.Unlock()
	_ = old.Close()
	if s.options.Sync {
		if err := syncDir(filepath.Dir(s.path)); err != nil {
			s.failed(err)
		}
	}
	return nil
}
