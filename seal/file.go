package seal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"
)

// FileOptions say how WatchFile reads. Nil means all defaults.
type FileOptions struct {
	// Every is how often the file is read again. It defaults to 5 s. The file
	// is small and read whole: no change is missed that leaves its date or
	// size alone.
	Every time.Duration

	// AllowOtherReaders takes a file that its group or everyone may read, as
	// containers often mount their secrets. Without it that is an error. A
	// file that others may write is never taken: they could sign in as anyone.
	AllowOtherReaders bool

	// Report is told nil when the file has changed and is in use, and an error
	// when it cannot be used and the keys of before stay: once for each change,
	// not each time the file is read. It is called by whoever reads, must
	// neither Reload nor Close the File, and may be nil.
	Report func(error)
}

// File is a file of keys that is read again while the program runs. Its Keys
// are always those of the last time that the file was good. Whoever watches a
// file closes it.
type File struct {
	*Keys

	path string
	o    FileOptions
	stop func()
	done chan struct{}

	mu   sync.Mutex // one reader at a time
	sum  [sha256.Size]byte
	last string // the last error that Report was told
}

// WatchFile reads keys from a file as ParseKeys does, and again until Close.
// The first time the file must be good: a regular file, or a link to one, of
// at most 64 KiB, that belongs to the user of this process or to root, and that
// only its owner can read, see FileOptions. (Only Unix knows owner and mode;
// elsewhere they are not checked.) To read a file once, close it at once: its
// Keys remain.
func WatchFile(path string, o *FileOptions) (*File, error) {
	f := &File{path: path, done: make(chan struct{})}
	if o != nil {
		f.o = *o
	}
	if f.o.Every <= 0 {
		f.o.Every = 5 * time.Second
	}
	r, sum, err := f.read()
	if err != nil {
		return nil, err
	}
	f.Keys, f.sum = newKeys(r), sum

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

// Reload reads the file at once, on a signal for example. It returns why the
// file is not good, and then the keys of before stay in use.
func (f *File) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, sum, err := f.read()
	if err != nil {
		if f.last != err.Error() {
			f.last = err.Error()
			f.report(err)
		}
		return err
	}
	if sum != f.sum || f.last != "" {
		f.sum, f.last = sum, ""
		f.ring.Store(r)
		f.report(nil)
	}
	return nil
}

// Close stops reading, and waits until nobody does. The Keys remain usable. It
// never fails.
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

func (f *File) read() (*ring, [sha256.Size]byte, error) {
	r, sum, err := readFile(f.path, f.o.AllowOtherReaders)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err // it names the file again
		}
		err = fmt.Errorf("seal: key file %q: %w", f.path, err)
	}
	return r, sum, err
}

func readFile(path string, othersRead bool) (r *ring, sum [sha256.Size]byte, err error) {
	// Before it is opened, because opening a pipe waits for a writer.
	if info, err := os.Stat(path); err != nil {
		return nil, sum, err
	} else if !info.Mode().IsRegular() {
		return nil, sum, errors.New("is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, sum, err
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return nil, sum, err
	}
	if err := checkOwner(info); err != nil {
		return nil, sum, err
	}
	if err := checkMode(info.Mode().Perm(), othersRead); err != nil {
		return nil, sum, err
	}
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, sum, err
	case len(text) > most:
		return nil, sum, errors.New("has more than 64 KiB")
	}
	r, err = parseRing(string(text))
	return r, sha256.Sum256(text), err
}

func checkMode(mode fs.FileMode, othersRead bool) error {
	switch {
	case runtime.GOOS == "windows":
		return nil // the mode says nothing there
	case mode&0o022 != 0:
		return fmt.Errorf("others may write it (mode %04o); chmod 600 it", mode)
	case mode&0o044 != 0 && !othersRead:
		return fmt.Errorf("others may read it (mode %04o); chmod 600 it, or set AllowOtherReaders", mode)
	}
	return nil
}
