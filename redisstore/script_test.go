package redisstore

import (
	"crypto/sha1"
	"encoding/hex"
	"testing"
)

func TestTheScriptsHaveTheirNames(t *testing.T) {
	for text, name := range map[string]string{script: scriptName, rawScript: rawScriptName} {
		sum := sha1.Sum([]byte(text))
		if got := hex.EncodeToString(sum[:]); got != name {
			t.Errorf("scriptName: got %s, want %s", name, got)
		}
	}
}
