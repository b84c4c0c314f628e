package filewatch_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/filewatch"
)

// An operator has a file, and a program that watches it. Texts that begin with
// "bad" cannot be used.
type operator struct {
	t       *testing.T
	path    string
	watcher *filewatch.Watcher
	refuses error // by Check

	mu      sync.Mutex // guards all below
	used    []string   // what was put in force
	reports []string   // what Report was told; "" is nil
}

func newOperator(t *testing.T) *operator {
	o := &operator{t: t, path: filepath.Join(t.TempDir(), "file")}
	o.watcher = filewatch.New(filewatch.Options{
		Path:  o.path,
		Every: time.Second,
		Most:  1 << 10,
		Name:  "test: file",
		Check: func(fs.FileInfo) error { return o.refuses },
		Parse: func(text string) (func(), error) {
			if strings.HasPrefix(text, "bad") {
				return nil, errors.New(text)
			}
			return func() {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.used = append(o.used, text)
			}, nil
		},
		Report: func(err error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			if err == nil {
				o.reports = append(o.reports, "")
			} else {
				o.reports = append(o.reports, strings.TrimPrefix(err.Error(), `test: file "`+o.path+`": `))
			}
		},
	})
	return o
}

func (o *operator) write(text string) {
	o.t.Helper()
	if err := os.WriteFile(o.path, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) want(when string, used, reports []string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.used, used) {
		o.t.Errorf("%s: got %q in force, want %q", when, o.used, used)
	}
	if !slices.Equal(o.reports, reports) {
		o.t.Errorf("%s: got the reports %q, want %q", when, o.reports, reports)
	}
	o.used = nil
	o.reports = nil
}

func TestEachChangeIsUsedAndReportedOnce(t *testing.T) {
	o := newOperator(t)
	for _, step := range []struct {
		is      string
		change  func()
		used    []string
		reports []string
	}{
		{"no file", func() {}, nil, []string{"no such file or directory"}},
		{"a text", func() { o.write("a") }, []string{"a"}, []string{""}},
		{"another", func() { o.write("b") }, []string{"b"}, []string{""}},
		{"a bad one", func() { o.write("bad 1") }, nil, []string{"bad 1"}},
		{"another bad one", func() { o.write("bad 2") }, nil, []string{"bad 2"}},
		{"the text in force", func() { o.write("b") }, []string{"b"}, []string{""}},
		{"as large as may be", func() { o.write(strings.Repeat("x", 1<<10)) }, []string{strings.Repeat("x", 1<<10)}, []string{""}},
		{"a byte too large", func() { o.write(strings.Repeat("x", 1<<10+1)) }, nil, []string{"has more than 1 KiB"}},
		{"refused", func() { o.refuses = errors.New("no") }, nil, []string{"no"}},
		{"a directory", func() {
			if err := errors.Join(os.Remove(o.path), os.Mkdir(o.path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, nil, []string{"is not a regular file"}},
	} {
		step.change()
		for range 2 {
			err := o.watcher.Reload()
			if bad := step.used == nil; bad != (err != nil) {
				t.Errorf("%s: got %v", step.is, err)
			}
		}
		o.want(step.is, step.used, step.reports)
	}
}

func TestTheFirstReadTellsItsCallerAlone(t *testing.T) {
	o := newOperator(t)
	if err := o.watcher.First(); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), `test: file "`+o.path+`": no such file`) {
		t.Errorf("got %v, want fs.ErrNotExist with the file's name once", err)
	}
	o.want("no file", nil, nil)
	o.write("a")
	if err := o.watcher.First(); err != nil {
		t.Fatal(err)
	}
	o.want("a text", []string{"a"}, nil)
	if err := o.watcher.Reload(); err != nil {
		t.Fatal(err)
	}
	o.want("the same text", nil, nil)
}

func TestAFileIsReadFromStartToClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOperator(t)
		o.write("a")
		o.watcher.Start()
		synctest.Wait()
		o.want("before the first tick", nil, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		o.want("after it", []string{"a"}, []string{""})

		o.watcher.Close()
		o.watcher.Close()
		o.write("b")
		time.Sleep(time.Minute)
		o.want("after Close", nil, nil)
		if err := o.watcher.Reload(); err != nil {
			t.Fatal(err)
		}
		o.want("reloaded", []string{"b"}, []string{""})
	})
}

func TestReportMayBeNil(t *testing.T) {
	w := filewatch.New(filewatch.Options{Path: filepath.Join(t.TempDir(), "none"), Every: time.Second})
	if err := w.Reload(); err == nil {
		t.Error("a missing file: got no error")
	}
}
