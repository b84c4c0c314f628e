//go:build unix

package seal_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/seal"
)

// another makes a file belong to another user than the one that this process
// seems to run as, and undoes it.
func another(t *testing.T, path string) (undo func()) {
	t.Helper()
	if os.Geteuid() != 0 { // only root gives files away; then it is the process that changes
		return seal.RunAs(os.Geteuid() + 1)
	}
	if err := os.Chown(path, 4321, -1); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Chown(path, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAKeyFileOfAnotherUserIsRefused(t *testing.T) {
	path := keyFile(t, key1.Reveal())
	undo := another(t, path)
	t.Cleanup(undo)
	for _, allow := range []bool{false, true} {
		f, err := seal.WatchFile(path, &seal.FileOptions{AllowOtherReaders: allow})
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "owns it") || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "chown") {
			t.Errorf("AllowOtherReaders %v: %v", allow, err)
		}
	}
}

func TestAKeyFileThatComesToBelongToAnotherUserChangesNothing(t *testing.T) {
	path := keyFile(t, key1.Reveal())
	var told []error
	f := watch(t, path, &seal.FileOptions{Every: time.Hour, Report: func(err error) { told = append(told, err) }})
	want := fmt.Sprint(mustKeys(t, key1))
	replace(t, path, key2.Reveal())
	undo := another(t, path)
	err := f.Reload()
	undo()
	if err == nil || !strings.Contains(err.Error(), "owns it") || len(told) != 1 {
		t.Errorf("Reload() = %v, and %v was told", err, told)
	}
	if got := fmt.Sprint(f); got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
	if err := f.Reload(); err != nil {
		t.Errorf("given back: %v", err)
	}
	if got, want := fmt.Sprint(f), fmt.Sprint(mustKeys(t, key2)); got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
}

func TestAKeyFileOfRootIsTaken(t *testing.T) {
	if os.Geteuid() == 0 { // ours then, and root's for another process
		t.Cleanup(seal.RunAs(4321))
	}
	path := keyFile(t, key1.Reveal())
	if os.Geteuid() != 0 {
		path = "/etc/passwd" // root's everywhere; its text is no key
	}
	_, err := seal.WatchFile(path, &seal.FileOptions{AllowOtherReaders: true})
	if err != nil && strings.Contains(err.Error(), "owns it") {
		t.Error(err)
	}
}
