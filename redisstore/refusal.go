package redisstore

import (
	"errors"
	"regexp"
	"strings"

	"github.com/redis/rueidis"
)

// refusal is an error reply to a command that the store needs, with the command
// and the right that is missing.
type refusal struct {
	text  string
	cause error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.cause }

// isRefusal reports whether the server will not run a command for this user,
// or does not know it, rather than being unable to at the moment.
func isRefusal(reply *rueidis.RedisError) bool {
	code, _, _ := strings.Cut(reply.Error(), " ")
	isGeneral := code != strings.ToUpper(code) // the client leaves out the code ERR
	return code == "NOPERM" || code == "ERR" || isGeneral
}

var (
	refusedCommand = regexp.MustCompile(`(?i)permissions to run the '([^']+)' command`)
	unknownCommand = regexp.MustCompile("(?i)unknown command [`'\"]?([a-z|]+)")
)

// explained says what to change where err is the server's refusal of a command,
// and leaves out what Redis quotes of the command's arguments: they are
// sessions.
func explained(err error) error {
	reply, before := new(rueidis.RedisError), new(refusal)
	if errors.As(err, &before) || !errors.As(err, &reply) {
		return err
	}
	whole := err.Error()
	text, _, quotes := strings.Cut(whole, ", with args beginning with")
	switch m := refusedCommand.FindStringSubmatch(text); {
	case m != nil:
		text = "the user may not run " + strings.ToUpper(m[1]) + "; give it the right +" + strings.ToLower(m[1]) + ": " + text
	case strings.HasPrefix(text, "NOPERM") && strings.Contains(text, "key"):
		text = "the user may not use the store's keys; give it those of the store's prefix, such as ~session:*: " + text
	default:
		m := unknownCommand.FindStringSubmatch(text)
		if m == nil && !quotes {
			return err
		}
		if m != nil {
			text = "the server has no " + strings.ToUpper(m[1]) + ", which the store needs: " + text
		}
	}
	return &refusal{text: text, cause: err}
}
