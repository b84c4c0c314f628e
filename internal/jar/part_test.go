package jar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/jar"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		is   string
		text string
		room int
		want []string
	}{
		{"what fits is one part", "text", 15, []string{"abc-_9.0.1.text"}},
		{"one character more is two", "text", 14, []string{"abc-_9.0.2.tex", "abc-_9.1.2.t"}},
		{"four parts at most", "text", 12, []string{"abc-_9.0.4.t", "abc-_9.1.4.e", "abc-_9.2.4.x", "abc-_9.3.4.t"}},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			got, err := split("abc-_9", tt.text, tt.room)
			if err != nil || strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("Split: got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func split(name, text string, room int) (values []string, err error) {
	parts, err := jar.Split(name, text, room)
	for _, v := range parts {
		values = append(values, v.String())
	}
	return values, err
}

func TestSplitRefuses(t *testing.T) {
	tests := []struct {
		is, name, text string
		room           int
		large          bool
	}{
		{"a text of five parts", "abcdef", "texts", 12, true},
		{"no room for a character", "abcdef", "t", 11, true},
		{"room below nothing", "abcdef", "t", -5, true},
		{"an empty text", "abcdef", "", 100, false},
		{"a short name", "abcde", "t", 100, false},
		{"a name with a dot", "abc.ef", "t", 100, false},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			got, err := split(tt.name, tt.text, tt.room)
			if err == nil || got != nil {
				t.Fatalf("Split: got %q and the error %v, want an error alone", got, err)
			}
			if got := errors.Is(err, jar.ErrTooLarge); got != tt.large {
				t.Errorf("Split: got %v, which is ErrTooLarge: %v, want %v", err, got, tt.large)
			}
		})
	}
}

func TestNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		name := jar.NewName()
		if seen[name] {
			t.Fatalf("NewName: got %q twice in 1000", name)
		}
		seen[name] = true
		if _, err := split(name, "text", 100); err != nil {
			t.Fatalf("Split takes no name that NewName made: %v", err)
		}
	}
}

func TestMask(t *testing.T) {
	m := jar.Mask(0b1010)
	for i, want := range map[int]bool{-1: false, 0: false, 1: true, 2: false, 3: true, 4: false, 64: false} {
		if got := m.Has(i); got != want {
			t.Errorf("Has(%d): got %v, want %v", i, got, want)
		}
	}
	if got := m.Len(); got != 2 {
		t.Errorf("Len: got %d, want 2", got)
	}
}
