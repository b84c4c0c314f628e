package spool

import "time"

// File is what a Spool does with its own file.
type File = file

// Wrap puts w in front of the own file. It is called before Start.
func (s *Spool) Wrap(w func(File) File) { s.file = w(s.file) }

// Patient lets requests wait as long as a slow machine needs.
func (s *Spool) Patient() { s.wait = time.Minute }

// Path is the own file.
func (s *Spool) Path() string { return s.path }

// RewriteSoon makes the file be written anew with the next change.
func (s *Spool) RewriteSoon() { s.wantsRewrite.Store(true) }

// Encode and Decode are the content of a line.
var (
	Encode    = Entry.encode
	Decode    = decode
	ErrFull   = errFull
	ErrSlow   = errSlow
	LockAt    = lockAt
	MaxWait   = maxWait
	Smallest  = int64(smallest)
	NewSuffix = newSuffix
)
