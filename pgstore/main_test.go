package pgstore_test

import (
	"os"
	"testing"

	"github.com/holdfast-go/session/internal/test/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }
