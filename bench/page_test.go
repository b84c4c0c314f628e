package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSections(t *testing.T) {
	page := "# Head\n"
	for _, s := range [][2]string{{"a", "one\n"}, {"b", "two\n"}, {"a", "three\n"}} {
		var err error
		if page, err = withSection(page, s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	want := "# Head\n\n<!-- a -->\nthree\n<!-- end of a -->\n\n<!-- b -->\ntwo\n<!-- end of b -->\n"
	if page != want {
		t.Errorf("got %q, want %q", page, want)
	}
	for _, broken := range []string{"<!-- a -->\n", "<!-- end of a -->\n"} {
		if _, err := withSection(broken, "a", "text"); err == nil {
			t.Errorf("%q: got no error", broken)
		}
	}
}

func TestWhatSomebodyWroteBetweenTheSectionsStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := writePage(path, map[string]string{"lines": "one\n", "application": "two\n"}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	by := strings.Replace(string(text), "<!-- end of lines -->\n", "<!-- end of lines -->\n\nWhat was tried.\n", 1)
	if err := os.WriteFile(path, []byte(by), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePage(path, map[string]string{"lines": "three\n"}); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if want := strings.Replace(by, "one", "three", 1); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
