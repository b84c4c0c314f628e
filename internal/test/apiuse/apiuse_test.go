package apiuse

import (
	"maps"
	"slices"
	"testing"
)

func TestWhatNobodyUsesIsListed(t *testing.T) {
	got, err := Unused("testdata/house")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		".":      {"Blue", "Door.Depth", "Door.Shut", "Loser", "Room.Leave", "Shape", "Square"},
		"stores": {"Store", "Store.Wash"},
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFolderThatIsNoModuleIsAnError(t *testing.T) {
	if got, err := Unused(t.TempDir()); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}
