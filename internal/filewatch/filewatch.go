// Package filewatch reads a small file again and again, for as long as a program
// runs. An operator changes the file, and the program uses the last content that
// was good.
package filewatch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Options name the file, how often it is read, and what is done with its contents.
type Options struct {
	Path  string
	Every time.Duration // between two reads; not zero
	Most  int64         // bytes; a larger file is an error

	// Name stands in front of the path in every error: "seal: key file".
	Name string

	// Check returns why a file cannot be trusted. It is called with the open file,
	// before that is read.
	Check func(fs.FileInfo) error

	// Parse returns what puts the text in force, or why the text cannot be. A
	// text that has not changed is parsed, and not put in force again.
	Parse func(text string) (use func(), err error)

	// Report is called with nil when a changed file is in force, and with an error
	// when the file cannot be used: once for each change, not for each read. It
	// may be nil.
	Report func(error)
}

// A Watcher reads one file. It may be shared.
type Watcher struct {
	o     Options
	close func()
	stop  chan struct{}
	done  chan struct{}

	mu   sync.Mutex        // one reader at a time
	sum  [sha256.Size]byte // of the text in force; the text may be secret
	last string            // the last error that Report was called with
}

// New returns a Watcher that has not read the file yet, and does not before
// First, Reload or Start.
func New(o Options) *Watcher {
	w := &Watcher{o: o, stop: make(chan struct{}), done: make(chan struct{})}
	w.close = sync.OnceFunc(func() { close(w.stop) })
	return w
}

// First reads the file as Reload does, and does not call Report.
func (w *Watcher) First() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	use, sum, err := w.read()
	if err != nil {
		return err
	}
	w.sum = sum
	use()
	return nil
}

// Start reads the file at every tick from now on, until Close. It is called
// once.
func (w *Watcher) Start() { go w.watch() }

func (w *Watcher) watch() {
	defer close(w.done)
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = w.Reload() // Report has the error
		case <-w.stop:
			return
		}
	}
}

// Reload reads the file at once. It returns why the file is not good; what was
// in force before then stays in force.
func (w *Watcher) Reload() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	use, sum, err := w.read()
	if err != nil {
		if w.last != err.Error() {
			w.last = err.Error()
			w.report(err)
		}
		return err
	}
	if sum != w.sum || w.last != "" {
		w.sum = sum
		w.last = ""
		use()
		w.report(nil)
	}
	return nil
}

// Close ends the reads that Start began and waits for one under way. Reload still
// works.
func (w *Watcher) Close() {
	w.close()
	<-w.done
}

func (w *Watcher) report(err error) {
	if w.o.Report != nil {
		w.o.Report(err)
	}
}

// read returns what puts the file in force, and the sum of its text.
func (w *Watcher) read() (use func(), sum [sha256.Size]byte, err error) {
	text, err := w.text()
	if err == nil {
		use, err = w.o.Parse(string(text))
	}
	if err != nil {
		if p := (*fs.PathError)(nil); errors.As(err, &p) {
			err = p.Err // it names the file again
		}
		return nil, sum, fmt.Errorf("%s %q: %w", w.o.Name, w.o.Path, err)
	}
	return use, sha256.Sum256(text), nil
}

// text returns what is in a file that can be trusted.
func (w *Watcher) text() ([]byte, error) {
	// Before it is opened, because opening a pipe waits for a writer.
	if info, err := os.Stat(w.o.Path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	file, err := os.Open(w.o.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := w.o.Check(info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, w.o.Most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > w.o.Most {
		return nil, fmt.Errorf("has more than %d KiB", w.o.Most>>10)
	}
	return text, nil
}
