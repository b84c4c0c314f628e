package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
	"testing"
)

func TestTheScriptHasItsName(t *testing.T) {
	sum := sha1.Sum([]byte(script))
	if got := hex.EncodeToString(sum[:]); got != scriptName {
		t.Errorf("scriptName: got %s, want %s", scriptName, got)
	}
}
