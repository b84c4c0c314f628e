package transport

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Action is what an answer does with its client's token. The zero Action leaves the
// client the token that it has.
type Action struct {
	Kind  ActionKind
	Token token.Token // that is sent
	End   time.Time   // when its cookie does; zero: when the browser closes
}

// ActionKind is what an Action does.
type ActionKind uint8

// The kinds of an Action.
const (
	Nothing ActionKind = iota
	Send
	Clear
	Repeat // a token that the client has already, which only another system's format does
	Pass   // of a rotation, to a client that may not have it yet
)

// Pass makes a the action that passes on a token which another request has made. The
// answer that sends the client a token goes on sending one.
func (a *Action) Pass(t token.Token, end time.Time) {
	a.Token, a.End = t, end
	if a.Kind != Send {
		a.Kind = Pass
	}
}

// Sends reports whether an answer has a token. The answer to a request that is read-only
// passes none on.
func (a *Action) Sends(readOnly bool) bool { return a.Kind == Send || a.Kind == Pass && !readOnly }

// Shows reports whether an answer sets or clears the token, so that an answer that
// replaces it must do the same.
func (a *Action) Shows(readOnly bool) bool { return a.Kind == Clear || a.Sends(readOnly) }

// Size returns how many bytes of Set-Cookie lines the token takes up in an answer that
// sends it.
func (a *Action) Size(tr *Transport) int {
	out := make(http.Header)
	tr.Send(out, a.Token, a.End)
	return headers.SetCookieSize(out["Set-Cookie"])
}

// Write puts what the client must know of its token into the header of an answer. again
// reports whether the header is built again, so that the new line replaces the one that
// is there.
func (a *Action) Write(h http.Header, tr *Transport, readOnly, again bool) {
	if !a.Shows(readOnly) {
		return
	}
	if again {
		headers.RemoveCookies(h, tr.IsToken)
	}
	if a.Kind == Clear {
		tr.Clear(h)
	} else {
		tr.Send(h, a.Token, a.End)
	}
}

// WriteForeign is Write for tokens of another system, whose format decides about the
// line. The session of the answer has the state st, and saved reports whether this request
// has saved it.
func (a *Action) WriteForeign(ctx context.Context, h http.Header, tr *Transport, st state.State, saved, again bool, now time.Time) {
	t, why := a.Token, foreign.Begun
	switch a.Kind {
	case Nothing:
		return
	case Clear:
		t, why = token.Token{}, foreign.Ended
	case Repeat:
		why = foreign.Seen
		if saved {
			why = foreign.Changed
		}
	default: // the token is new
	}
	line := tr.Format.SetCookie(ctx, t.Reveal(), st, why, now)
	if line == "" {
		return
	}
	if again {
		name, _, _ := strings.Cut(line, "=")
		headers.RemoveCookies(h, func(other string) bool { return other == name })
	}
	h.Add("Set-Cookie", line)
	headers.NoCache(h, "Set-Cookie")
}
