// Package paint colours words on a terminal, and leaves them plain in files and pipes.
package paint

import (
	"io"
	"os"
	"runtime"
)

// Paint colours words, or leaves them as they are. The zero Paint leaves them.
type Paint struct{ on bool }

// For returns a Paint for what is written to w. It colours where w is a terminal, and the
// environment says neither NO_COLOR (https://no-color.org) nor that the terminal is dumb.
func For(w io.Writer) Paint {
	f, ok := w.(*os.File)
	if !ok || runtime.GOOS == "windows" || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return Paint{}
	}
	info, err := f.Stat()
	return Paint{err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Red is for what is wrong.
func (p Paint) Red(word string) string { return p.in("31", word) }

// Yellow is for what may become wrong.
func (p Paint) Yellow(word string) string { return p.in("33", word) }

func (p Paint) in(colour, word string) string {
	if !p.on {
		return word
	}
	return "\x1b[" + colour + "m" + word + "\x1b[0m"
}
