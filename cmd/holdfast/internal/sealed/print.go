package sealed

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/paint"
)

// String is the minute, as it stands in JSON too.
func (m Minute) String() string { return m.Format("2006-01-02T15:04Z") }

// MarshalText returns the minute.
func (m Minute) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// String is the date to the millisecond.
func (d Date) String() string { return d.Format("2006-01-02T15:04:05.000Z") }

// MarshalText returns the date.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Write prints the report for people, at the time now.
func (r *Report) Write(w io.Writer, now time.Time) {
	for _, t := range r.Tokens {
		fmt.Fprintf(w, "%s: the token of the session %s\n", t.Cookie, t.ID)
	}
	for _, t := range r.Texts {
		t.write(w, now)
	}
}

func (t *Text) write(w io.Writer, now time.Time) {
	fmt.Fprintf(w, "%s: %s, %d bytes", strings.Join(t.Cookies, ", "), t.Kind, t.Bytes)
	if t.Sealed != nil {
		fmt.Fprintf(w, ", format %d, key %s, sealed at %s", t.Format, t.KeyID, t.Sealed)
		if !t.Opened {
			fmt.Fprint(w, " by its own account")
		}
	}
	fmt.Fprintln(w)
	if t.Fault != "" {
		fmt.Fprintf(w, "    %s: %s\n", paint.For(w).Red(t.Fault), t.Why)
	}
	if t.Session != nil {
		t.Session.write(w, now)
	}
	for _, e := range t.Ended {
		fmt.Fprintf(w, "    ended %s\n", e)
	}
}

// String is a session that ended, in a line.
func (e Ended) String() string {
	text := e.ID + " at " + e.At.String()
	if len(e.Flags) > 0 {
		text += " (" + strings.Join(e.Flags, ", ") + ")"
	}
	return text
}

func (s *Session) write(w io.Writer, now time.Time) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(table, "    %s\t%s\n", name, value) }
	row("session", s.ID)
	if s.LoggedIn != nil {
		row("user", strconv.Quote(s.User)+", since "+s.LoggedIn.String())
	}
	row("created", s.Created.String())
	row("authenticated", s.Authenticated.String())
	row("last seen", s.LastSeen.String())
	row("ends", s.End.String()+passed(s.End, now))
	if s.Rotated != nil {
		row("token rotated", s.Rotated.String())
	}
	row("store confirmed", s.Confirmed.String())
	row("vouches until", s.Vouches.String()+passed(s.Vouches, now))
	switch {
	case s.NeverStored:
		row("store", "never had the session")
	case s.Unsaved:
		row("store", "lacked something of it when it was sealed")
	}
	for _, e := range s.Supersedes {
		row("supersedes", e.String())
	}
	_ = table.Flush()
	for _, v := range s.Values {
		fmt.Fprintf(table, "    value %s\t%d bytes\trank %d\twritten %s\t%s\n", strconv.Quote(v.Name), v.Size, v.Rank, v.Written, strings.Join(v.Flags, ", "))
	}
	_ = table.Flush()
	for _, v := range s.Values {
		switch {
		case v.Value != nil:
			fmt.Fprintf(w, "    %s = %s\n", strconv.Quote(v.Name), *v.Value)
		case v.Base64 != nil:
			fmt.Fprintf(w, "    %s = base64 %s\n", strconv.Quote(v.Name), *v.Base64)
		}
	}
}

func passed(d Date, now time.Time) string {
	if now.After(d.Time) {
		return ", which is over"
	}
	return ""
}
