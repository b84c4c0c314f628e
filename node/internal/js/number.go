package js

import (
	"encoding/json"
	"math"
	"strconv"
)

// Number returns the number that a JSON value is, as JavaScript has it.
func Number(value json.RawMessage) (float64, bool) {
	if len(value) == 0 {
		return 0, false
	}
	isDigit := '0' <= value[0] && value[0] <= '9'
	if value[0] != '-' && !isDigit {
		return 0, false
	}
	n, _ := strconv.ParseFloat(string(value), 64) // ±Inf beyond the range, as in JavaScript
	return n, true
}

// FormatNumber writes n as JSON.stringify does: null where it is no number.
func FormatNumber(n float64) json.RawMessage {
	if n == 0 {
		return json.RawMessage("0") // -0 too
	}
	b, err := json.Marshal(n) // ECMAScript's form
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}

// ParseInt is parseInt(s, 10): blanks and a sign, then digits up to the first
// character that is none. Without a digit it is not a number.
func ParseInt(s string) float64 {
	for len(s) > 0 && blank(s[0]) {
		s = s[1:]
	}
	end := 0
	if end < len(s) && (s[end] == '+' || s[end] == '-') {
		end++
	}
	digits := end
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	if end == digits {
		return math.NaN()
	}
	n, _ := strconv.ParseFloat(s[:end], 64)
	return n
}

func blank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// FormatText is String(n).
func FormatText(n float64) string {
	switch {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 1):
		return "Infinity"
	case math.IsInf(n, -1):
		return "-Infinity"
	}
	return string(FormatNumber(n))
}
