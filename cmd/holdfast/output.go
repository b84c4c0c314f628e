package main

import (
	"encoding/json"
	"io"
)

// printJSON prints v as JSON, for programs.
func printJSON(stdout io.Writer, v any) error {
	e := json.NewEncoder(stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
