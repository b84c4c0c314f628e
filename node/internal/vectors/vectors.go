// Package vectors hands the test vectors to tests: what the real packages
// wrote and accepted. They are in node/testdata/vectors, or in the folder that
// the environment variable NODE_VECTORS names.
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Rows returns a section of a vector file. In another folder than the default
// one, files and sections may be missing.
func Rows[Row any](t testing.TB, file, section string) []Row {
	t.Helper()
	var rows []Row
	if raw := Section(t, file, section); raw != nil {
		if err := json.Unmarshal(raw, &rows); err != nil {
			t.Fatalf("%s: %s: %v", file, section, err)
		}
	}
	return rows
}

// Section returns a section as it is written, and nil where it may be missing
// and is.
func Section(t testing.TB, file, section string) json.RawMessage {
	t.Helper()
	dir, own := folder(t)
	text, err := os.ReadFile(filepath.Join(dir, file))
	if !own && errors.Is(err, fs.ErrNotExist) {
		t.Logf("%s has no %s", dir, file)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(text, &sections); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if sections[section] == nil && own {
		t.Fatalf("%s has no section %s", file, section)
	}
	return sections[section]
}

// Row is what rows have in common. A test embeds it in its own.
type Row struct {
	Name string `json:"name"`
}

// RowName returns the name.
func (r Row) RowName() string { return r.Name }

// Named is a row with a name.
type Named interface{ RowName() string }

// Request is a row that was run over HTTP.
type Request struct {
	Row
	Options      json.RawMessage   `json:"options"`
	Now          int64             `json:"now"`
	CookieHeader string            `json:"cookieHeader"`
	Handler      string            `json:"handler"`
	Status       int               `json:"status"`
	Body         string            `json:"body"`
	SetCookie    []string          `json:"setCookie"`
	StoreOps     []json.RawMessage `json:"storeOps"`
}

// Time returns the row's clock.
func (r Request) Time() time.Time { return time.UnixMilli(r.Now) }

// Run runs a subtest for each row of a section, and skips those that are in
// the list of [Skips].
func Run[Row Named](t *testing.T, file, section string, test func(t *testing.T, row Row)) {
	t.Helper()
	for _, row := range Rows[Row](t, file, section) {
		t.Run(row.RowName(), func(t *testing.T) {
			SkipListed(t, file, section, row.RowName())
			test(t, row)
		})
	}
}

// SkipListed skips the test if its row is in the list of [Skips]: what the row says is
// no promise of Go's, so that no CI step runs it.
func SkipListed(t *testing.T, file, section, name string) {
	t.Helper()
	for _, skip := range Skips {
		if skip.File == file && skip.Section == section && skip.has(name) {
			t.Skip(skip.Reason)
		}
	}
}

// folder returns where the vectors are, and whether that is the default.
func folder(t testing.TB) (dir string, own bool) {
	t.Helper()
	named := os.Getenv("NODE_VECTORS")
	if filepath.IsAbs(named) {
		return named, false
	}
	look := named
	if named == "" {
		look = filepath.Join("testdata", "vectors")
	}
	// go test runs in the package's folder, the name was given further up.
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		dir := filepath.Join(at, look)
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, named == ""
		}
		up := filepath.Dir(at)
		if up == at {
			t.Fatalf("no folder %s here or above", look)
		}
		at = up
	}
}

// Unhex decodes a field of a row that is in hex.
func Unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
