package session_test

import (
	"path/filepath"
	"testing"

	"github.com/holdfast-go/session/internal/test/apiuse"
)

// A name that neither the shop nor a store, a tool or an example has a use for
// was never tried as its user meets it.
func TestEveryExportedNameIsUsedOutsideOfThisPackage(t *testing.T) {
	if nested, _ := filepath.Glob("*/go.mod"); len(nested) == 0 {
		t.Skip("the nested modules are not here, as in the module's zip: make test runs it in the repository")
	}
	unused, err := apiuse.Unused(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range unused {
		t.Errorf("session.%s is used by no application, store, tool or example; show its use in one, or remove it", name)
	}
}
