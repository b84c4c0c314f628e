package seal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/seal"
)

// replace does it as the package comment says: by renaming.
func replace(t testing.TB, path, text string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func keyFile(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "keys")
	replace(t, path, text)
	return path
}

func watch(t testing.TB, path string, o *seal.FileOptions) *seal.File {
	t.Helper()
	f, err := seal.WatchFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestAFileIsReadAgain(t *testing.T) {
	path := keyFile(t, key1.Reveal())
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []error
		f := watch(t, path, &seal.FileOptions{Every: time.Second, Report: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, err)
		}})
		b := &seal.Box{Keys: f.Keys}
		old := mustSeal(t, b, nil)
		look := func() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		expect := func(when, keys string, reports int) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if got := fmt.Sprint(f.Keys); got != keys {
				t.Errorf("%s: the keys are %s, want %s", when, got, keys)
			}
			if len(told) != reports {
				t.Errorf("%s: %d reports, want %d: %v", when, len(told), reports, told)
			}
		}
		first := fmt.Sprint(mustKeys(t, key1))
		rotated := fmt.Sprint(mustKeys(t, key2, key1))
		last := func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(told) == 0 {
				return errors.New("nothing told")
			}
			return told[len(told)-1]
		}

		look()
		expect("nothing changed", first, 0)

		replace(t, path, key2.Reveal()+"\n"+key1.Reveal())
		look()
		expect("rotated", rotated, 1)
		if last() != nil {
			t.Error(last())
		}
		if _, _, err := b.Open(old); err != nil {
			t.Errorf("the old key does not open: %v", err)
		}

		replace(t, path, key2.Reveal()+"\nnonsense")
		look()
		look()
		expect("a bad file", rotated, 2)
		if last() == nil || !strings.Contains(last().Error(), "line 2") || !strings.Contains(last().Error(), path) {
			t.Errorf("told %v", last())
		}

		replace(t, path, "")
		look()
		expect("an empty file", rotated, 3)

		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		look()
		look()
		expect("no file", rotated, 4)
		if !errors.Is(last(), fs.ErrNotExist) {
			t.Errorf("told %v", last())
		}

		replace(t, path, key2.Reveal()+"\n"+key1.Reveal())
		look()
		expect("as before", rotated, 5)
		if last() != nil {
			t.Error(last())
		}

		f.Close()
		replace(t, path, key1.Reveal())
		look()
		expect("closed", rotated, 5)
		if _, _, err := b.Open(old); err != nil {
			t.Errorf("after Close: %v", err)
		}
		if err := f.Close(); err != nil { // synctest fails if a goroutine is left
			t.Error(err)
		}
	})
}

func TestCloseWaits(t *testing.T) {
	path := keyFile(t, key1.Reveal())
	synctest.Test(t, func(t *testing.T) {
		returned := false
		f := watch(t, path, &seal.FileOptions{Every: time.Second, Report: func(error) {
			time.Sleep(time.Minute)
			returned = true
		}})
		replace(t, path, key2.Reveal())
		time.Sleep(2 * time.Second)
		f.Close()
		if !returned {
			t.Error("Close did not wait for Report")
		}
	})
}

// Same size, same date: what a look at the date alone would miss.
func TestAChangeThatKeepsDateAndSizeIsSeen(t *testing.T) {
	path := keyFile(t, key1.Reveal())
	f := watch(t, path, nil)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(key2.Reveal()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(f.Keys), fmt.Sprint(mustKeys(t, key2)); got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
}

func TestReloadSaysWhy(t *testing.T) {
	path := keyFile(t, key1.Reveal())
	f := watch(t, path, &seal.FileOptions{Every: time.Hour})
	replace(t, path, "nonsense")
	for range 2 {
		if err := f.Reload(); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("got %v", err)
		}
	}
	if got, want := fmt.Sprint(f), fmt.Sprint(mustKeys(t, key1)); got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
}

func TestWhoMayReadAKeyFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows: make test checks them on Linux")
	}
	path := keyFile(t, key1.Reveal())
	for _, test := range []struct {
		mode    fs.FileMode
		want    string
		allowed string // with AllowOtherReaders
	}{
		{0o600, "", ""},
		{0o400, "", ""},
		{0o640, "others may read it (mode 0640)", ""},
		{0o604, "others may read it (mode 0604)", ""},
		{0o444, "others may read it (mode 0444)", ""},
		{0o620, "others may write it (mode 0620)", "others may write it"},
		{0o666, "others may write it (mode 0666)", "others may write it"},
	} {
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		for allow, want := range map[bool]string{false: test.want, true: test.allowed} {
			f, err := seal.WatchFile(path, &seal.FileOptions{AllowOtherReaders: allow})
			if err == nil {
				f.Close()
			}
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("mode %04o, AllowOtherReaders %v: %v, want %q", test.mode, allow, err, want)
			}
		}
	}
}

func TestWhatIsNotAKeyFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, []byte(key1.Reveal()+"\n"+strings.Repeat("#", 64<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(keyFile(t, key1.Reveal()), link); err != nil {
		t.Fatal(err)
	}
	watch(t, link, nil)
	for path, want := range map[string]string{
		dir:                        "is not a regular file",
		os.DevNull:                 "is not a regular file",
		large:                      "has more than 64 KiB",
		filepath.Join(dir, "none"): "no such file",
	} {
		_, err := seal.WatchFile(path, nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// Requests go on while keys change under them.
func TestKeysChangeUnderConcurrentUse(t *testing.T) {
	path := keyFile(t, key1.Reveal()+"\n"+key2.Reveal())
	f := watch(t, path, &seal.FileOptions{Every: time.Millisecond})
	b := &seal.Box{Keys: f.Keys}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 50 {
			pair := []string{key1.Reveal(), key2.Reveal()}
			replace(t, path, pair[i%2]+"\n"+pair[1-i%2])
			if err := f.Reload(); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		if _, _, err := b.Open(mustSeal(t, b, nil)); err != nil {
			t.Error(err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func TestAFileIsReadAgainWithinFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys")
		write := func(k seal.Key) {
			if err := os.WriteFile(path, []byte(k.Reveal()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(key1)
		f, err := seal.WatchFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		before := f.Generation()
		write(seal.NewKey())
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if f.Generation() != before {
			t.Error("the file is read before it is due")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if f.Generation() == before {
			t.Error("after six seconds the file was not read again")
		}
	})
}
