package apiuse

import (
	"slices"
	"testing"
)

func TestWhatNobodyUsesIsListed(t *testing.T) {
	got, err := Unused("testdata/house")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Blue", "Door.Depth", "Door.Shut", "Loser", "Room.Leave", "Shape", "Square"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFolderThatIsNoModuleIsAnError(t *testing.T) {
	if got, err := Unused(t.TempDir()); err == nil {
		t.Errorf("got %q, want an error", got)
	}
}
