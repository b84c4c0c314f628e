package override

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/filewatch"
)

// FileOptions are the options of WatchFile. Nil means all defaults.
type FileOptions struct {
	// Every is how often the file is read again. It defaults to 2 s.
	Every time.Duration

	// Report is called with nil when the file has changed and is in force. It is
	// called with an error when the file cannot be used, or is missing; the last
	// order stays in force then. It is called once for each change, not each time
	// the file is read. The goroutine that reads the file calls it, the first time
	// WatchFile itself. It must neither Reload nor Close the File, and may be nil.
	Report func(error)
}

// File is a [session.Switch] in a file that is read again while the program runs. Its
// order is the last good one that the file had, and auto before there was one. The
// caller of WatchFile closes it.
type File struct {
	value   Value
	watcher *filewatch.Watcher
}

// WatchFile reads an order from a file as [Parse] does, and again until Close.
// The file need not exist, and mistakes in it go to Report: a program starts and
// goes on whatever an operator has written there. WatchFile fails only for options
// that make no sense.
//
// A file that goes missing changes nothing: write auto to end an order. It is
// a regular file, or a link to one, of at most 4 KiB, which not every user may write.
// (On Windows the right to write is not checked.) Its owner and its group are the
// operators, so any user may own it, unlike a file of keys. Replace it by renaming,
// or write it in place: half of it is no order.
func WatchFile(path string, o *FileOptions) (*File, error) {
	var options FileOptions
	if o != nil {
		options = *o
	}
	switch {
	case path == "":
		return nil, errors.New("override: WatchFile: no path")
	case options.Every < 0:
		return nil, fmt.Errorf("override: WatchFile: Every is %v; zero is the default", options.Every)
	case options.Every == 0:
		options.Every = 2 * time.Second
	}
	f := new(File)
	f.watcher = filewatch.New(filewatch.Options{
		Path:   path,
		Every:  options.Every,
		Most:   4 << 10,
		Name:   "override: file",
		Check:  checkMode,
		Parse:  f.parse,
		Report: options.Report,
	})
	_ = f.watcher.Reload() // Report has the error
	f.watcher.Start()
	return f, nil
}

func (f *File) parse(text string) (func(), error) {
	order, err := parse(text)
	if err != nil {
		return nil, err
	}
	return func() { f.value.set(order) }, nil
}

// Override implements [session.Switch].
func (f *File) Override() session.Override { return f.value.Override() }

// Until implements [session.EndingSwitch].
func (f *File) Until() time.Time { return f.value.Until() }

// Order returns the order that is in force, as [Value.Order] does.
func (f *File) Order() Order { return f.value.Order() }

// Reload reads the file at once, on a signal for example. It returns why the
// file cannot be used; the last order stays in force then.
func (f *File) Reload() error { return f.watcher.Reload() }

// Close stops reading, and waits for a read under way. The last order stays in
// force. It never fails.
func (f *File) Close() error {
	f.watcher.Close()
	return nil
}

// checkMode returns an error for a file that everyone may write.
func checkMode(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o002 != 0 {
		return fmt.Errorf("everyone may write it (mode %04o); chmod o-w it", mode)
	}
	return nil
}
