// Package addressee checks two options of an application that seals texts: the keys, and
// the audience, which names the application and its environment.
package addressee

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-go/session/seal"
)

const longest = 64

// Check reports every mistake in the Keys and the Audience of this option. They decide who
// can open a text.
func Check(option string, keys *seal.Keys, audience string) error {
	var errs []error
	bad := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("session: "+option+"."+format, a...))
	}
	if keys == nil {
		bad("Keys is nil: make keys with seal.NewKeys, seal.ParseKeys, seal.KeysFromEnv or seal.WatchFile")
	}
	switch {
	case audience == "":
		bad("Audience is empty: name the application and its environment, as in %q; "+
			"two applications with the same keys would let each other's visitors in", "shop-production")
	case len(audience) > longest:
		bad("Audience has %d bytes; at most %d are allowed", len(audience), longest)
	case strings.ContainsFunc(audience, func(r rune) bool { return r < ' ' || r > '~' }):
		bad("Audience %q has a character that is not printable ASCII", audience)
	}
	return errors.Join(errs...)
}
