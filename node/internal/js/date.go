package js

import (
	"math"
	"strings"
	"time"
)

// MaxDate is the last millisecond, counted from 1970 in both directions, that
// a JavaScript Date can be.
const MaxDate = 864e13

// TimeClip makes a date's milliseconds of a number, which loses its fraction.
func TimeClip(ms float64) (int64, bool) {
	if math.IsNaN(ms) || math.Abs(ms) > MaxDate {
		return 0, false
	}
	return int64(ms), true
}

// FormatDate is Date.prototype.toISOString.
func FormatDate(ms int64) string {
	t := time.UnixMilli(ms).UTC()
	layout := "2006-01-02T15:04:05.000Z"
	if y := t.Year(); y < 0 || y > 9999 {
		sign, digits := "+", "000000"
		if y < 0 {
			sign, y = "-", -y
		}
		n := string(FormatNumber(float64(y)))
		return sign + digits[:6-len(n)] + n + t.Format(layout[4:])
	}
	return t.Format(layout)
}

// FormatUTC is Date.prototype.toUTCString, for years from 0 to 9999.
func FormatUTC(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

// ParseDate is Date.parse for the forms that programs write: the ISO forms of
// ECMAScript, with any number of fraction digits, and what toUTCString and
// toString write. A time without an offset is taken for UTC, where JavaScript
// takes the zone of its process. Anything else is no date, although V8 guesses
// at more.
func ParseDate(s string) (ms int64, ok bool) {
	if t, ok := parseISO(s); ok {
		return TimeClip(t)
	}
	if i := strings.IndexByte(s, '('); i > 0 {
		s = strings.TrimRight(s[:i], " ") // toString ends with the zone's name
	}
	for _, layout := range []string{time.RFC1123, time.RFC1123Z, "Mon Jan 02 2006 15:04:05 GMT-0700"} {
		t, err := time.Parse(layout, s)
		if name, offset := t.Zone(); err == nil && (offset != 0 || name == "GMT" || name == "UTC" || name == "") {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// parseISO reads YYYY, YYYY-MM or YYYY-MM-DD, a year of six digits with a
// sign too, then a time HH:mm, HH:mm:ss or HH:mm:ss.f… with Z or ±HH:mm.
func parseISO(s string) (float64, bool) {
	p := scanner{s: s}
	var year int
	sign := 1
	switch {
	case p.take('+'):
		year = p.digits(6)
	case p.take('-'):
		year, sign = p.digits(6), -1
		p.bad = p.bad || year == 0
	default:
		year = p.digits(4)
	}
	month, day := 1, 1
	if p.take('-') {
		month = p.digits(2)
		if p.take('-') {
			day = p.digits(2)
		}
	}
	p.bad = p.bad || month < 1 || month > 12 || day < 1 || day > 31
	var hour, minute, second, offset int
	var fraction float64
	if p.take('T') || p.take('t') || p.take(' ') {
		hour = p.digits(2)
		p.want(':')
		minute = p.digits(2)
		if p.take(':') {
			second = p.digits(2)
			if p.take('.') {
				fraction = p.fraction()
			}
		}
		offset = p.offset()
		p.bad = p.bad || hour > 24 || minute > 59 || second > 59 ||
			hour == 24 && (minute > 0 || second > 0 || fraction > 0)
	}
	if p.bad || p.s != "" {
		return 0, false
	}
	// time.Date carries what is too much for a month over, as V8 does.
	t := time.Date(sign*year, time.Month(month), day, hour, minute-offset, second, 0, time.UTC)
	return float64(t.UnixMilli()) + fraction, true
}

// scanner eats a text from its start.
type scanner struct {
	s   string
	bad bool
}

func (p *scanner) take(c byte) bool {
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

func (p *scanner) want(c byte) { p.bad = !p.take(c) || p.bad }

func (p *scanner) digits(n int) int {
	v := 0
	for ; n > 0; n-- {
		if p.s == "" || p.s[0] < '0' || p.s[0] > '9' {
			p.bad = true
			return 0
		}
		v = v*10 + int(p.s[0]-'0')
		p.s = p.s[1:]
	}
	return v
}

// fraction reads digits and returns whole milliseconds: more is cut off.
func (p *scanner) fraction() float64 {
	v, scale := 0, 100
	p.bad = p.bad || p.s == "" || p.s[0] < '0' || p.s[0] > '9'
	for p.s != "" && p.s[0] >= '0' && p.s[0] <= '9' {
		v += int(p.s[0]-'0') * scale
		scale /= 10
		p.s = p.s[1:]
	}
	return float64(v)
}

// offset returns minutes east of UTC.
func (p *scanner) offset() int {
	sign := 1
	switch {
	case p.s == "" || p.take('Z') || p.take('z'):
		return 0
	case p.take('+'):
	case p.take('-'):
		sign = -1
	default:
		p.bad = true
		return 0
	}
	h := p.digits(2)
	p.want(':')
	m := p.digits(2)
	p.bad = p.bad || h > 23 || m > 59
	return sign * (h*60 + m)
}
