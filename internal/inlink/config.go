// Package inlink lets a token travel in the links of a site, for clients that keep no
// cookies: it takes the token from a request's URL, and puts it, sealed for the client that
// is to have it, into the links and redirections of answers.
//
// Where to look: visit.go is one request, answer.go the header of its answer, address.go says
// which references lead to the site's own pages, and config.go has the options. Package
// transport says which requests' tokens count.
package inlink

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/addressee"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/seal"
)

// Config has the options of an application: see urltoken.Options.
type Config struct {
	Keys     *seal.Keys
	Audience string
	Param    string
	Idle     time.Duration
	Only     func(*http.Request) bool
}

const (
	defaultParam = "session"
	defaultIdle  = 10 * time.Minute
)

// Complete returns a copy of c with the defaults filled in, and reports every mistake. Nil
// stays nil: no token travels in links. idle is the idle timeout of sessions. alone
// reports whether tokens otherwise travel in one cookie of ours alone, which links can
// stand in for.
func (c *Config) Complete(idle time.Duration, alone bool) (*Config, error) {
	if c == nil {
		return nil, nil
	}
	const option = "InsecureURLToken"
	errs := []error{addressee.Check(option, c.Keys, c.Audience)}
	bad := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("session: "+option+format, a...))
	}
	full := *c
	if full.Param == "" {
		full.Param = defaultParam
	}
	if strings.ContainsFunc(full.Param, func(r rune) bool { return !isPlain(r) }) {
		bad(".Param %q has more than letters, digits, - and _", full.Param)
	}
	if full.Idle == 0 {
		full.Idle = min(defaultIdle, idle)
	} else if full.Idle < time.Minute || full.Idle > idle {
		bad(".Idle %v is not between a minute and Options.Idle, %v", full.Idle, idle)
	}
	if !alone {
		bad(" stands in for cookies over https: it works neither with Options.Header or Options.Format, nor with Cookie.Secure")
	}
	return &full, errors.Join(errs...)
}

// isPlain reports whether r stands for itself in a query.
func isPlain(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

// box seals and opens for one client: the text for a client opens only for one that gives
// itself the same name.
func (c *Config) box(agent string) *seal.Box {
	sum := sha256.Sum256([]byte(agent))
	return &seal.Box{Keys: c.Keys, Audience: c.Audience, Purpose: "session link\x00" + c.Param + "\x00" + string(sum[:])}
}

// seal returns the text of a token in links.
func (c *Config) seal(t token.Token, agent string, now time.Time) string {
	text, err := c.box(agent).Seal(now, []byte(t.Reveal()))
	if err != nil {
		return "" // impossible: a token is far below the limit, and there is no codec
	}
	return text
}

// open returns the token in a text that was made for this client within the last Idle.
func (c *Config) open(text, agent string, now time.Time) (token.Token, bool) {
	if len(text) > seal.SealedLen(64) {
		return token.Token{}, false // nothing that seal has made
	}
	plain, sealedAt, err := c.box(agent).Open(text)
	if err != nil {
		return token.Token{}, false
	}
	// A text has the minute in which it was made, which is up to a minute before.
	if age := now.Sub(sealedAt); age >= c.Idle+time.Minute || age < -time.Minute {
		return token.Token{}, false
	}
	return token.Parse(string(plain))
}
