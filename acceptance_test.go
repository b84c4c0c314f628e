package session_test

import (
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/memstore"
)

func TestPromisesOnMemory(t *testing.T) {
	acceptance.Run(t, func(testing.TB) session.Store { return memstore.New(nil) })
}
