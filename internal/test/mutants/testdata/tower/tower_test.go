package tower

import (
	"flag"
	"path/filepath"
	"testing"
)

var sick = flag.Bool("sick", false, "fail")

func TestHeight(t *testing.T) {
	if got := Height([]int{3, 4}); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
}

func TestTaller(t *testing.T) {
	t.Run("a tower is not taller than itself", func(t *testing.T) {
		if Taller([]int{1}, []int{1}) {
			t.Error("it is")
		}
	})
}

func TestStore(t *testing.T) {
	if *sick {
		t.Error("sick")
	}
	if got, err := Store(filepath.Join(t.TempDir(), "height"), 7); err != nil || got != 7 {
		t.Errorf("got %d, %v, want 7", got, err)
	}
}
