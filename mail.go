package session

import (
	"github.com/holdfast-go/session/internal/transport"
)

// carrier is how the token travels to the client and back.
type carrier struct{ transport.Transport }
