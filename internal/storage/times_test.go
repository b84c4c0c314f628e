package storage_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/storage"
)

// A request without a backup fails where the store does not answer, so that the store has
// longer; a store in this process is late only where the process itself is.
func TestTimeoutsThatAreNotGivenFitTheStore(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		local, backup bool
		read, save    time.Duration
	}{
		{false, false, 250 * ms, 500 * ms},
		{false, true, 50 * ms, 100 * ms},
		{true, false, 10 * time.Second, 10 * time.Second},
		{true, true, 10 * time.Second, 10 * time.Second},
	} {
		var got storage.Times
		if err := got.Complete(test.local, test.backup); err != nil || got.ReadTimeout != test.read || got.SaveTimeout != test.save {
			t.Errorf("local %v, backup %v: got %v and %v, %v, want %v and %v", test.local, test.backup, got.ReadTimeout, got.SaveTimeout, err, test.read, test.save)
		}
		given := storage.Times{ReadTimeout: ms, SaveTimeout: 2 * ms}
		if err := given.Complete(test.local, test.backup); err != nil || given.ReadTimeout != ms || given.SaveTimeout != 2*ms {
			t.Errorf("given ones: got %v and %v, %v", given.ReadTimeout, given.SaveTimeout, err)
		}
	}
}
