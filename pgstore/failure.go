package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/holdfast-go/session"
	"github.com/jackc/pgx/v5/pgconn"
)

// failure wraps the cause. It says that a context ended only where the caller's did, and
// not where the statement's own budget was over.
func (s *Store) failure(ctx context.Context, what string, err error) error {
	isAnswer := err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict)
	if isAnswer {
		return err
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("session: postgres %s: %w", what, ended)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("session: postgres %s: no answer within %v: %s", what, budget, err.Error()) // hides whose context it was
	}
	return fmt.Errorf("session: postgres %s: %w", what, explained(err, s.options))
}

// isBroken reports whether a connection was lost, rather than that the server answered or
// could not be connected to.
func isBroken(err error) bool {
	if connect := new(pgconn.ConnectError); errors.As(err, &connect) {
		return false
	}
	switch codeOf(err) {
	case "":
	case "57P01", "57P02": // it shuts down, or another of its processes crashed
		return true
	default:
		return false
	}
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.As(err, &op) || pgconn.SafeToRetry(err)
}

// isSerialization reports whether another transaction came first, as PostgreSQL says it
// above READ COMMITTED.
func isSerialization(err error) bool { return codeOf(err) == "40001" }

func codeOf(err error) string {
	if reply := new(pgconn.PgError); errors.As(err, &reply) {
		return reply.Code
	}
	return ""
}

// refusal is an answer of the server's with what to do about it.
type refusal struct {
	text  string
	cause error
}

// Error is one line. The driver's has one for each address that it has tried.
func (r *refusal) Error() string {
	return r.text + ": " + strings.NewReplacer(":\n\t", ": ", "\n\t", "; ").Replace(r.cause.Error())
}

func (r *refusal) Unwrap() error { return r.cause }

// explained says what to change where err is the server's refusal. Names of codes are in
// appendix A of PostgreSQL's manual.
func explained(err error, o options) error {
	var text string
	connect := new(pgconn.ConnectError)
	switch codeOf(err) {
	case "42P01", "42703": // undefined_table, undefined_column
		text = "the tables are missing or of another version; run pgstore.Migrate, or the statements of pgstore.Schema"
	case "42P07": // duplicate_table
		text = "there is another table of this name; give the store its own by the option Table"
	case "42501": // insufficient_privilege
		text = "a right is missing; " + o.grant()
	case "25006": // read_only_sql_transaction
		text = "the server takes no writes: it is a standby, or default_transaction_read_only is on"
	case "55000", "0A000": // object_not_in_prerequisite_state, and of unlogged tables feature_not_supported
		text = "the server is a standby, or starts"
	case "57014": // query_canceled
		text = "the statement took longer than statement_timeout"
	default:
		if !errors.As(err, &connect) {
			return err
		}
		text = "not connected"
	}
	return &refusal{text, err}
}

// grant is the statement that gives a user the rights that a store needs.
func (o options) grant() string {
	return fmt.Sprintf("run GRANT SELECT, INSERT, UPDATE, DELETE ON %s, %s TO the store's user", o.name(), o.state())
}
