package redisstore

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
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
	return strings.HasPrefix(reply.Error(), "NOPERM ") || unknownCommand.MatchString(reply.Error())
}

// isGeneral reports whether an error reply has no code of its own, so that it may be a
// refusal in words of a proxy's, or tell of the moment: too many clients, a proxy that
// cannot reach its server.
func isGeneral(reply *rueidis.RedisError) bool {
	code, _, _ := strings.Cut(reply.Error(), " ")
	return code == "ERR" || code != strings.ToUpper(code) // the client leaves out the code ERR
}

var (
	refusedCommand = regexp.MustCompile(`(?i)permissions to run the '([^']+)' command`)
	unknownCommand = regexp.MustCompile("(?i)unknown command [`'\"]?([a-z|]+)")

	// Redis 7.0 names the line of a script and not the command.
	refusedInScript = "can't run this command or subcommand"
	lineOfScript    = regexp.MustCompile(`@user_script: ?([0-9]+)`)
	calledInScript  = regexp.MustCompile(`redis\.call\('([A-Z]+)'`)
)

// inScript returns the commands of which the server refuses one inside a script
// of the store's: the one in the line that text names, or else all of its
// script, or of both.
func inScript(text string) (commands []string) {
	scripts := map[string]string{scriptName: script, rawScriptName: rawScript}
	for name, code := range scripts {
		if !strings.Contains(text, name) {
			continue
		}
		scripts = map[string]string{name: code}
		m, lines := lineOfScript.FindStringSubmatch(text), strings.Split(code, "\n")
		if m == nil {
			break
		}
		n, err := strconv.Atoi(m[1])
		isLine := err == nil && 1 <= n && n <= len(lines)
		if isLine && calledInScript.MatchString(lines[n-1]) {
			scripts[name] = lines[n-1]
		}
		break
	}
	for _, code := range scripts {
		for _, m := range calledInScript.FindAllStringSubmatch(code, -1) {
			if !slices.Contains(commands, m[1]) {
				commands = append(commands, m[1])
			}
		}
	}
	slices.Sort(commands)
	return commands
}

// mayNotRun says which rights are missing.
func mayNotRun(commands []string) string {
	return "the user may not run " + strings.ToUpper(strings.Join(commands, " or ")) +
		"; give it the right +" + strings.ToLower(strings.Join(commands, " and +"))
}

// explained returns err, and where it is the server's refusal of a command an error
// that says what to change. The text leaves out what Redis quotes of the command's
// arguments, because they are sessions.
func explained(err error) error {
	reply, before := new(rueidis.RedisError), new(refusal)
	if errors.As(err, &before) || !errors.As(err, &reply) {
		return err
	}
	whole := err.Error()
	text, _, quotes := strings.Cut(whole, ", with args beginning with")
	switch m := refusedCommand.FindStringSubmatch(text); {
	case m != nil:
		text = mayNotRun(m[1:]) + ": " + text
	case strings.Contains(text, refusedInScript):
		text = mayNotRun(inScript(text)) + ": " + text
	case strings.HasPrefix(text, "NOPERM") && strings.Contains(text, "key"), strings.Contains(text, "can't access at least one of the keys"):
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
