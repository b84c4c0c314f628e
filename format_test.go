package session_test

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

type formatOfAnotherModule struct{}

func (formatOfAnotherModule) String() string { return "php" }

func TestNewRefusesAFormatOfAnotherModule(t *testing.T) {
	m, err := session.New(memstore.New(nil), &session.Options{Format: formatOfAnotherModule{}})
	if m != nil || err == nil || !strings.Contains(err.Error(), "session_test.formatOfAnotherModule is not a format of this module") {
		t.Errorf("got %v, want an error that names the type", err)
	}
}
