package override_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

// reports are what a Report was told.
type reports struct {
	mu   sync.Mutex
	told []error
}

func (r *reports) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, err)
}

func (r *reports) want(t *testing.T, when string, n int, says string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.told) != n {
		t.Fatalf("%s: got %d reports, want %d: %v", when, len(r.told), n, r.told)
	}
	switch last := r.told[n-1]; {
	case says == "" && last != nil, says != "" && (last == nil || !strings.Contains(last.Error(), says)):
		t.Errorf("%s: got the report %v, want %q", when, last, says)
	}
}

func TestAFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "override")
	synctest.Test(t, func(t *testing.T) {
		var r reports
		f, err := override.WatchFile(path, &override.FileOptions{Every: time.Second, Report: r.report})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		look := func() {
			time.Sleep(2 * time.Second)
			synctest.Wait()
		}
		want(t, "no file yet", f, session.Override{})
		r.want(t, "no file yet", 1, path)

		for n, step := range []struct {
			is, text, says string
			want           session.Override
		}{
			{"words", "backup-only 2h\n", "", backupOnly2h},
			{"half of it", "backup-only 2", "newline", backupOnly2h},
			{"the whole of it", "backup-only 2h\n", "", backupOnly2h},
			{"nonsense", "off\n", `mode "off"`, backupOnly2h},
			{"other nonsense", "on\n", `mode "on"`, backupOnly2h},
			{"an empty file", "", "empty", backupOnly2h},
			{"too much", strings.Repeat(" ", 5<<10) + "auto\n", "4 KiB", backupOnly2h},
			{"JSON", `{"mode":"backup-only"}`, "", backupOnly},
			{"half of the JSON", `{"mode":"auto"`, "JSON", backupOnly},
			{"auto", "auto\n", "", session.Override{}},
		} {
			write(t, path, step.text)
			look()
			want(t, step.is, f, step.want)
			r.want(t, step.is, n+2, step.says)
		}

		write(t, path, "backup-only\n")
		look()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		look()
		want(t, "the file is gone", f, backupOnly)
		r.want(t, "the file is gone", 13, "no such file")
		if err := f.Reload(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Reload: got %v, want fs.ErrNotExist", err)
		}

		f.Close()
		write(t, path, "auto\n")
		look()
		want(t, "after Close", f, backupOnly)
		if err := f.Reload(); err != nil {
			t.Errorf("Reload after Close: %v", err)
		}
		want(t, "reloaded", f, session.Override{})
	})
}

func TestAnOrderInAFileEndsByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "override")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, `{"mode":"backup-only","until":"`+time.Now().Add(time.Hour).Format(time.RFC3339Nano)+`"}`)
		for range 2 { // a program that starts again while it lasts
			f, err := override.WatchFile(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "before until", f, backupOnly)
			time.Sleep(30 * time.Minute)
			f.Close()
		}
		f, err := override.WatchFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		want(t, "after until", f, session.Override{})
	})
}

func TestAFileThatCannotBeTrustedIsRefused(t *testing.T) {
	tests := []struct {
		is, says string
		make     func(path string) error
	}{
		{"everyone may write it", "chmod o-w", func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("backup-only\n"), 0o600), os.Chmod(path, 0o666))
		}},
		{"a directory", "not a regular file", func(path string) error { return os.Mkdir(path, 0o755) }},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) { refuses(t, tt.make, tt.says) })
	}
}

// refuses creates a file and asks that it is no order.
func refuses(t *testing.T, create func(path string) error, says string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "override")
	if err := create(path); err != nil {
		t.Fatal(err)
	}
	var r reports
	f, err := override.WatchFile(path, &override.FileOptions{Report: r.report})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want(t, "at the start", f, session.Override{})
	r.want(t, "at the start", 1, says)
}

func TestAGroupMayWriteTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "override")
	write(t, path, "backup-only\n")
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	f, err := override.WatchFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want(t, "at the start", f, backupOnly)
}

func TestWatchFileRefusesWhatCannotBeMeant(t *testing.T) {
	if _, err := override.WatchFile("", nil); err == nil {
		t.Error("without a path: got no error")
	}
	if _, err := override.WatchFile("x", &override.FileOptions{Every: -1}); err == nil {
		t.Error("a negative Every: got no error")
	}
}
