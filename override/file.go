package override

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// FileOptions say how WatchFile reads. Nil means all defaults.
type FileOptions struct {
	// Every is how often the file is read again. It defaults to 2 s.
	Every time.Duration

	// Report is told nil when the file has changed and is in force, and an
	// error when it cannot be used and what was said before stays in force:
	// once for each change, not each time the file is read. A file that is
	// missing is such an error. It is called by whoever reads, the first time
	// by WatchFile itself. It must neither Reload nor Close the File, and may
	// be nil.
	Report func(error)
}

// File is a [session.Switch] in a file that is read again while the program
// runs. It is what the file said the last time that it was good, and auto
// before. Whoever watches a file closes it.
type File struct {
	path  string
	o     FileOptions
	value Value
	stop  func()
	done  chan struct{}

	mu   sync.Mutex // one reader at a time
	text string     // what is in force
	last string     // the last error that Report was told
}

// WatchFile reads an order from a file as [Parse] does, and again until Close.
// The file need not be there, and what is wrong with it goes to the Report:
// a program starts, and goes on, whatever an operator did to it. It fails for
// options that cannot be meant only.
//
// A file that goes missing changes nothing: write auto to end an order. It is
// a regular file, or a link to one, of at most 4 KiB, which not everyone may
// write. (On Windows who may write it is not checked.) Its owner and its group
// are the operators who may, so any user may be its owner, unlike that of a file
// of keys. Replace it by renaming,
// or write it in place: half of it is no order.
func WatchFile(path string, o *FileOptions) (*File, error) {
	f := &File{path: path, done: make(chan struct{})}
	if o != nil {
		f.o = *o
	}
	switch {
	case path == "":
		return nil, errors.New("override: WatchFile: no path")
	case f.o.Every < 0:
		return nil, fmt.Errorf("override: WatchFile: Every is %v; zero is the default", f.o.Every)
	case f.o.Every == 0:
		f.o.Every = 2 * time.Second
	}
	_ = f.Reload() // Report has been told

	stop := make(chan struct{})
	f.stop = sync.OnceFunc(func() { close(stop) })
	go f.watch(stop)
	return f, nil
}

func (f *File) watch(stop <-chan struct{}) {
	defer close(f.done)
	tick := time.NewTicker(f.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = f.Reload() // Report has been told
		case <-stop:
			return
		}
	}
}

// Override implements [session.Switch].
func (f *File) Override() session.Override { return f.value.Override() }

// Reload reads the file at once, on a signal for example. It returns why the
// file is not good, and then what was said before stays in force.
func (f *File) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := read(f.path)
	var o Order
	if err == nil {
		o, err = parse(text)
	}
	if err != nil {
		err = fmt.Errorf("override: file %q: %w", f.path, err)
		if f.last != err.Error() {
			f.last = err.Error()
			f.report(err)
		}
		return err
	}
	if text != f.text || f.last != "" {
		f.text, f.last = text, ""
		f.value.SetUntil(o.Override, o.Until)
		f.report(nil)
	}
	return nil
}

// Close stops reading, and waits until nobody does. What was said last stays
// in force. It never fails.
func (f *File) Close() error {
	f.stop()
	<-f.done
	return nil
}

func (f *File) report(err error) {
	if f.o.Report != nil {
		f.o.Report(err)
	}
}

// read returns what is in a file that can be trusted.
func read(path string) (string, error) {
	text, err := readRegular(path)
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err // it names the file again
	}
	return text, err
}

func readRegular(path string) (string, error) {
	// Before it is opened, because opening a pipe waits for a writer.
	if info, err := os.Stat(path); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", errors.New("is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o002 != 0 {
		return "", fmt.Errorf("everyone may write it (mode %04o); chmod o-w it", mode)
	}
	const most = 4 << 10
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > most:
		return "", errors.New("has more than 4 KiB")
	}
	return string(text), nil
}
