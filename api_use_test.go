package session_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/apiuse"
)

// An exported name that neither the shop nor a store, a tool or an example uses was
// never tried from where its user stands. A name that waits for its use stands in a
// list, which is empty.
func TestEveryExportedNameIsUsedOutsideOfItsPackage(t *testing.T) {
	if nested, _ := filepath.Glob("*/go.mod"); len(nested) == 0 {
		t.Skip("the nested modules are not here, as in the module's zip: make test runs it in the repository")
	}
	unused, err := apiuse.Unused(".")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("internal/test/apiuse/unused.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		known[strings.TrimSpace(line)] = true
	}
	for folder, names := range unused {
		for _, name := range names {
			line := folder + " " + name
			if !known[line] {
				t.Errorf("%s: no application, store, tool or example uses it; show its use in one, or remove it", line)
			}
			delete(known, line)
		}
	}
	for line := range known {
		t.Errorf("%s: it has a use now, or is gone; take it out of internal/test/apiuse/unused.txt", line)
	}
}
