package session_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The numbers of V7 in ASVS 5.0.0.
var asvsSessions = []string{
	"7.1.1", "7.1.2", "7.1.3", "7.2.1", "7.2.2", "7.2.3", "7.2.4", "7.3.1", "7.3.2",
	"7.4.1", "7.4.2", "7.4.3", "7.4.4", "7.4.5", "7.5.1", "7.5.2", "7.5.3", "7.6.1", "7.6.2",
}

// Each row of docs/ASVS.md that says "by us" names a test, each that says "yours" a recipe,
// every test that it names exists, and no row of V7 is left out.
func TestTheTableOfASVSIsKept(t *testing.T) {
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Example)\w+)\(`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	nested, err := filepath.Glob("*/go.mod") // none in the module's zip, which lacks their tests
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("docs/ASVS.md")
	if err != nil {
		t.Fatal(err)
	}
	test, recipe := regexp.MustCompile("`((?:Test|Example)\\w+)`"), regexp.MustCompile(`\]\([^)]+\)`)
	chapter := ""
	var sessions []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if title, ok := strings.CutPrefix(line, "## V"); ok {
			chapter, _, _ = strings.Cut(title, " ")
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || cells[0] == " row " || strings.HasPrefix(cells[0], "-") {
			continue
		}
		number := strings.TrimSpace(cells[0])
		verdict := strings.TrimSpace(cells[2])
		how := cells[3]
		if seen[number] || !strings.HasPrefix(number, chapter+".") {
			t.Errorf("row %s of chapter V%s: it is there twice, or in the wrong chapter", number, chapter)
		}
		seen[number] = true
		if chapter == "7" {
			sessions = append(sessions, number)
		}
		named := test.FindAllStringSubmatch(how, -1)
		switch verdict {
		case "by us", "by us, in part":
			if len(named) == 0 {
				t.Errorf("row %s is %s, and names no test", number, verdict)
			}
		case "yours":
			if !recipe.MatchString(how) {
				t.Errorf("row %s is yours, and names no recipe", number)
			}
		case "not":
		default:
			t.Errorf("row %s: %q is no verdict", number, verdict)
		}
		for _, m := range named {
			if !tests[m[1]] && len(nested) > 0 {
				t.Errorf("row %s names %s: there is no such test", number, m[1])
			}
		}
	}
	if !slices.Equal(sessions, asvsSessions) {
		t.Errorf("the rows of V7 are %v, want %v", sessions, asvsSessions)
	}
	if len(seen) < 60 {
		t.Errorf("%d rows found", len(seen))
	}
}
