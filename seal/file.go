package seal

import (
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/holdfast-go/session/internal/filewatch"
)

// FileOptions are the options of WatchFile. Nil means all defaults.
type FileOptions struct {
	// Every is how often the file is read again. It defaults to 5 s. The file
	// is small and read whole: no change is missed that leaves its date or
	// size alone.
	Every time.Duration

	// AllowOtherReaders takes a file that its group or everyone may read, as
	// containers often mount their secrets. Without it that is an error. A
	// file that others may write is never taken: they could sign in as anyone.
	AllowOtherReaders bool

	// Report is called with nil when the file has changed and is in use, and with
	// an error when it cannot be used and the keys of before stay: once for each
	// change, not each time the file is read. The goroutine that reads the file
	// calls it. It must neither Reload nor Close the File, and may be nil.
	Report func(error)
}

// File is a file of keys that is read again while the program runs. Its Keys
// are always those of the last time that the file was good. The caller of
// WatchFile closes it.
type File struct {
	*Keys

	watcher *filewatch.Watcher
}

// WatchFile reads keys from a file as ParseKeys does, and again until Close.
// The first time the file must be good: a regular file, or a link to one, of
// at most 64 KiB, that belongs to the user of this process or to root, and that
// only its owner can read, see FileOptions. (Only Unix knows owner and mode;
// elsewhere they are not checked.) To read a file once, close it at once: its
// Keys remain.
func WatchFile(path string, o *FileOptions) (*File, error) {
	var options FileOptions
	if o != nil {
		options = *o
	}
	if options.Every <= 0 {
		options.Every = 5 * time.Second
	}
	f := new(File)
	f.watcher = filewatch.New(filewatch.Options{
		Path:  path,
		Every: options.Every,
		Most:  64 << 10,
		Name:  "seal: key file",
		Check: func(info fs.FileInfo) error {
			if err := checkOwner(info); err != nil {
				return err
			}
			return checkMode(info.Mode().Perm(), options.AllowOtherReaders)
		},
		Parse:  f.parse,
		Report: options.Report,
	})
	if err := f.watcher.First(); err != nil {
		return nil, err
	}
	f.watcher.Start()
	return f, nil
}

func (f *File) parse(text string) (func(), error) {
	r, err := parseRing(text)
	if err != nil {
		return nil, err
	}
	return func() {
		if f.Keys == nil { // the first time, before any other goroutine has the File
			f.Keys = newKeys(r)
			return
		}
		f.ring.Store(r)
	}, nil
}

// Reload reads the file at once, on a signal for example. It returns why the
// file is not good, and then the keys of before stay in use.
func (f *File) Reload() error { return f.watcher.Reload() }

// Close stops reading, and waits for a read under way. The Keys remain usable. It
// never fails.
func (f *File) Close() error {
	f.watcher.Close()
	return nil
}

func checkMode(mode fs.FileMode, othersRead bool) error {
	switch {
	case runtime.GOOS == "windows":
		return nil // the mode says nothing about access there
	case mode&0o022 != 0:
		return fmt.Errorf("others may write it (mode %04o); chmod 600 it", mode)
	case mode&0o044 != 0 && !othersRead:
		return fmt.Errorf("others may read it (mode %04o); chmod 600 it, or set AllowOtherReaders", mode)
	}
	return nil
}
