package redisstore_test

import (
	"testing"

	"github.com/holdfast-go/session/internal/test/revocation"
)

// The server loses the lists of the users and all that it has, and is frozen.
func TestUsersInAStorm(t *testing.T) {
	server := startPrimary(t)
	revocation.Users(t, server.place(), revocation.Weather{
		Away: server.Load().Freeze,
		Back: server.Load().Thaw,
		Lose: server.Load().Flush,
		For:  *faultFor,
	})
}
