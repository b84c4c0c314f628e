package override

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-go/session"
)

// Order is an override as an operator writes it.
type Order struct {
	session.Override

	// Until is when the order ends by itself. Zero means never.
	Until time.Time

	// By names the operator or the program that gave the order, for people to
	// read. It is at most 100 bytes, and may be empty.
	By string
}

// Parse reads an order as a file has it. It is a line of words, or JSON:
//
//	auto
//	store-only
//	backup-only 2h
//	{"mode": "backup-only", "lease": "2h", "until": "2026-11-01T18:00:00Z"}
//	{"mode": "backup-only", "shard": "10.0.0.7:11211", "until": "2026-11-01T18:00:00Z"}
//
// A line of words ends with a newline, because without its last characters it
// would be another order. There is a mode always; lease, until and by may be
// missing. A shard goes with backup-only. Anything else is an error.
func Parse(text string) (Order, error) {
	o, err := parse(text)
	if err != nil {
		return Order{}, fmt.Errorf("override: %w", err)
	}
	return o, nil
}

// parseWhole is parse for a text that was written in one piece, and needs no newline.
func parseWhole(text string) (Order, error) { return parse(text + "\n") }

func parse(text string) (Order, error) {
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "":
		return Order{}, errors.New("empty; write auto, store-only or backup-only")
	case trimmed[0] == '{':
		return parseJSON(text, nil)
	}
	words, end, ok := strings.Cut(text, "\n")
	switch {
	case !ok:
		return Order{}, errors.New("the line has no end; end it with a newline, so that half a line is no order")
	case strings.TrimSpace(end) != "":
		return Order{}, errors.New("more than one line")
	}
	fields := strings.Fields(words)
	if len(fields) > 2 {
		return Order{}, fmt.Errorf("%d words; write a mode and a lease, or JSON", len(fields))
	}
	mode, err := parseMode(fields[0])
	if err != nil {
		return Order{}, err
	}
	o := Order{Override: session.Override{Mode: mode}}
	if len(fields) == 2 {
		o.Lease, err = parseDuration("lease", fields[1])
	}
	return o, err
}

// mostBy is what By may have, as a page shows it.
const mostBy = 100

// message is an order in JSON.
type message struct {
	Mode  string     `json:"mode"`
	Shard string     `json:"shard,omitempty"`
	Lease string     `json:"lease,omitempty"`
	For   string     `json:"for,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	By    string     `json:"by,omitempty"`
}

// parseJSON reads a message. Where now is nil, "for" is refused: a file is read
// many times, and it would never end.
func parseJSON(text string, now func() time.Time) (o Order, err error) {
	var m message
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Order{}, fmt.Errorf("not the JSON of an order: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Order{}, errors.New("something follows the JSON")
	}
	if o.Mode, err = parseMode(m.Mode); err != nil {
		return Order{}, err
	}
	o.Shard, o.By = m.Shard, m.By
	if err := o.checkNames(); err != nil {
		return Order{}, err
	}
	if m.Lease != "" {
		if o.Lease, err = parseDuration("lease", m.Lease); err != nil {
			return Order{}, err
		}
	}
	if m.Until != nil {
		if o.Until, err = checkEnd(*m.Until); err != nil {
			return Order{}, err
		}
	}
	switch {
	case m.For == "":
		return o, nil
	case m.Until != nil:
		return Order{}, errors.New("for and until; write one of them")
	case now == nil:
		return Order{}, errors.New("for is counted from when it is said, which a file cannot tell; write until")
	}
	length, err := parseDuration("for", m.For)
	if err != nil {
		return Order{}, err
	}
	o.Until = now().Add(length)
	return o, nil
}

// checkNames returns what is wrong with the shard and with who gives the order.
func (o Order) checkNames() error {
	switch {
	case o.Shard != "" && o.Mode != session.BackupOnly:
		return fmt.Errorf("a shard goes with backup-only, and the mode is %s", modes[o.Mode])
	case unprintable(o.Shard) || unprintable(o.By):
		return errors.New("shard or by has a character that cannot be printed")
	case len(o.By) > mostBy:
		return fmt.Errorf("by has %d bytes; write at most %d", len(o.By), mostBy)
	}
	return nil
}

// checkEnd returns an end in UTC, where equal times are equal values. JSON cannot say a year
// of more than four digits.
func checkEnd(until time.Time) (time.Time, error) {
	until = until.UTC()
	if until.IsZero() || until.Year() < 1 || until.Year() > 9999 {
		return time.Time{}, errors.New("until is no time; leave it out for an order without an end")
	}
	return until, nil
}

// unprintable reports whether a terminal would obey s rather than show it.
func unprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func parseDuration(field, s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s %q is no duration; write 90m or 2h", field, s)
	case d <= 0:
		return 0, fmt.Errorf("%s %q is not more than nothing", field, s)
	}
	return d, nil
}

var modes = [...]string{session.Auto: "auto", session.StoreOnly: "store-only", session.BackupOnly: "backup-only"}

func parseMode(s string) (session.Mode, error) {
	for m, word := range modes {
		if s == word {
			return session.Mode(m), nil
		}
	}
	if s == "" {
		return 0, errors.New("no mode; write auto, store-only or backup-only")
	}
	return 0, fmt.Errorf("mode %q; write auto, store-only or backup-only", s)
}

// MarshalJSON writes the order as Parse reads it.
func (o Order) MarshalJSON() ([]byte, error) {
	if int(o.Mode) >= len(modes) {
		return nil, fmt.Errorf("override: %v has no word", o.Mode)
	}
	m := message{Mode: modes[o.Mode], Shard: o.Shard, By: o.By}
	if o.Lease > 0 {
		m.Lease = o.Lease.String()
	}
	if !o.Until.IsZero() {
		m.Until = &o.Until
	}
	return json.Marshal(m)
}
