package main

import (
	"html"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// build renders the repository's documents.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := run([]string{"-root", "..", "-out", dir}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The renderer checks links in the documents. This reads what it has made, as a browser
// does.
func TestEveryLinkOfTheSiteLeadsSomewhere(t *testing.T) {
	dir := build(t)
	pages := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".html") {
			pages[filepath.ToSlash(strings.TrimPrefix(name, dir+string(filepath.Separator)))] = read(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 80 {
		t.Fatalf("got %d pages, want those of all documents and decisions", len(pages))
	}
	links := regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	checked := 0
	for name, text := range pages {
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			to := html.UnescapeString(m[1])
			if absolute.MatchString(to) {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(to, "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: the link %s leads to no file", name, to)
			} else if anchor != "" && !strings.Contains(pages[target], `id="`+html.EscapeString(anchor)+`"`) {
				t.Errorf("%s: the link %s leads to nothing in %s", name, to, target)
			}
		}
	}
	if checked < 1000 {
		t.Errorf("only %d links were found", checked)
	}
}

func TestEachDocumentIsInTheIndex(t *testing.T) {
	s, err := load("..", "")
	if err != nil {
		t.Fatal(err)
	}
	indexed := map[string]bool{index: true}
	for _, file := range s.indexed {
		indexed[file] = true
	}
	for file := range s.byFile {
		if path.Dir(file) == "docs" && !indexed[file] {
			t.Errorf("%s is not in %s", file, index)
		}
	}
}

func TestLinksThatLeadNowhereAreErrors(t *testing.T) {
	for _, test := range []struct{ link, want string }{
		{"[a](OTHER.md)", ""},
		{"[a](OTHER.md#two-words-too)", ""},
		{"[a](#here)", ""},
		{"[a](../code.go)", ""},
		{"[a](https://site.test/any)", ""},
		{"![a](picture.svg)", ""},
		{"[a](GONE.md)", `docs/README.md: the link "GONE.md" leads nowhere`},
		{"[a](OTHER.md#gone)", `docs/README.md: the link "OTHER.md#gone" leads to no heading of docs/OTHER.md`},
		{"[a](#gone)", `leads to no heading of docs/README.md`},
		{"[a](../gone.go)", `the link "../gone.go" leads nowhere`},
		{"![a](gone.svg)", `the link "gone.svg" leads nowhere`},
	} {
		t.Run(test.link, func(t *testing.T) {
			root, out := t.TempDir(), t.TempDir()
			for name, text := range map[string]string{
				"README.md": "# A thing\n", "docs/README.md": "# Documents\n\n## Here\n\n" + test.link + "\n",
				"docs/OTHER.md": "# Other\n\n## Two `words`, too\n", "docs/picture.svg": "<svg/>", "code.go": "package code\n",
			} {
				name = filepath.Join(root, filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := run([]string{"-root", root, "-out", out}, io.Discard)
			if test.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if _, err := os.Stat(filepath.Join(out, "index.html")); (err == nil) != (test.want == "") {
				t.Errorf("a page was written: %t", err == nil)
			}
		})
	}
}

// A page that is opened from a file finds what others say, by its own script.
func TestTheSearchWorksWithoutAServer(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			browser = p
			break
		}
	}
	if browser == "" {
		t.Fatal("no Chromium on this machine; install it with: apt-get install chromium")
	}
	dir := build(t)
	search := func(page, words string) string {
		cmd := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
			"--dump-dom", "file://"+filepath.Join(dir, page)+"?q="+words)
		cmd.WaitDelay = time.Minute
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		_, found, _ := strings.Cut(string(out), `id="found"`)
		found, _, _ = strings.Cut(found, "</section>")
		return found
	}
	got := search("docs/decisions/0011-rueidis.html", "quarantine+lease")
	if !strings.Contains(got, `href="../../docs/`) || !strings.Contains(got, "<mark>lease</mark>") {
		t.Errorf("no section was found:\n%s", got)
	}
	index := strings.NewReplacer(`\"`, `"`, `\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(read(t, filepath.Join(dir, "search-index.js")))
	excerpts := regexp.MustCompile(`<p>(.*?) …</p>`).FindAllStringSubmatch(search("index.html", "session"), -1)
	if len(excerpts) < 10 {
		t.Errorf("only %d excerpts were cut", len(excerpts))
	}
	for _, e := range excerpts {
		words := strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(e[1], "")))
		if end := strings.Join(words[len(words)-3:], " ") + " "; !strings.Contains(index, end) {
			t.Errorf("an excerpt ends in the middle of a word: %q", end)
		}
	}
	if got := search("index.html", "zyzzyva"); !strings.Contains(got, "Nothing found") {
		t.Errorf("a word that is nowhere was found:\n%s", got)
	}
}

// What a page shows of Go is part of a file that the compiler sees: an example, a test or
// a program. So no page shows what the library no longer has.
func TestEachBlockOfGoIsCompiled(t *testing.T) {
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	var code strings.Builder
	err := filepath.WalkDir("..", func(name string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".go"):
			code.WriteString(flat(read(t, name)))
			code.WriteByte(' ')
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, all := regexp.MustCompile("(?s)```go\n(.*?)```"), code.String()
	found := 0
	for _, page := range append(pages, "../README.md") {
		for _, block := range blocks.FindAllStringSubmatch(read(t, page), -1) {
			if found++; !strings.Contains(all, flat(block[1])) {
				t.Errorf("this stands in %s, and in no file that is compiled:\n%s", page, block[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d blocks of Go were found", found)
	}
}
