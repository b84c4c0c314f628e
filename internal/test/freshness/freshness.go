// Package freshness finds what the texts of a repository name and the repository does
// not have: paths, tests, targets of make, and names of the code. It reads documents
// (*.md) and the comments of Go files. names.go collects what there is, and
// freshness.go compares the texts with it.
package freshness

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Check returns a line for each name in the texts below root that the repository does
// not have, sorted. Of a document whose path others matches, because it tells of earlier
// versions or of other libraries, only links are checked.
func Check(root string, others *regexp.Regexp) ([]string, error) {
	n, err := collect(root)
	if err != nil {
		return nil, err
	}
	var found []string
	report := func(t text, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s:%d: ", t.file, t.line)+fmt.Sprintf(format, args...))
	}
	for _, t := range n.comments {
		n.check(t, report)
		n.checkDocLinks(t, report)
	}
	for file := range n.files {
		if !strings.HasSuffix(file, ".md") || strings.Contains(file, "node_modules/") {
			continue
		}
		page, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, err
		}
		for _, t := range paragraphs(file, string(page)) {
			n.checkLinks(t, report)
			if others.MatchString(file) {
				continue
			}
			for _, code := range quoted.FindAllStringSubmatch(t.body, -1) {
				n.check(text{t.file, t.line, code[1]}, report)
			}
			n.checkTests(t, report)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	fence  = regexp.MustCompile("(?ms)^```.*?^```")
)

// paragraphs returns the text of a document, without its blocks of code.
func paragraphs(file, page string) (out []text) {
	page = fence.ReplaceAllStringFunc(page, func(block string) string {
		return strings.Repeat("\n", strings.Count(block, "\n"))
	})
	for i, line := range strings.Split(page, "\n") {
		if line != "" {
			out = append(out, text{file, i + 1, line})
		}
	}
	return out
}

type reporter = func(t text, format string, args ...any)

var (
	pathName  = regexp.MustCompile(`(?:^|[\s("'\x60])((?:[\w-]+(?:\.[\w-]+)*/)*[\w-]+(?:\.[\w-]+)*)`)
	goFile    = regexp.MustCompile(`^[\w-]+\.go$`)
	testWord  = regexp.MustCompile(`\b(?:Test|Benchmark|Fuzz)[A-Z]\w+`)
	qualified = regexp.MustCompile(`(^|[^\w./])([A-Za-z]\w*)\.([A-Z]\w*)`)
	decision  = regexp.MustCompile(`\b[Dd]ecision (\d+)`)
	makeCall  = regexp.MustCompile(`^make ([a-z][a-z0-9-]*)`)
)

// check reports the paths, tests and qualified names in a text.
func (n *names) check(t text, report reporter) {
	for _, m := range pathName.FindAllStringSubmatch(t.body, -1) {
		if !n.pathExists(t, m[1]) {
			report(t, "no file or folder %s", m[1])
		}
	}
	n.checkTests(t, report)
	for _, m := range qualified.FindAllStringSubmatch(t.body, -1) {
		if !n.nameExists(m[2], m[3]) {
			report(t, "no %s.%s", m[2], m[3])
		}
	}
	for _, m := range decision.FindAllStringSubmatch(t.body, -1) {
		if !n.hasDecision(m[1]) {
			report(t, "no decision %s", m[1])
		}
	}
	if m := makeCall.FindStringSubmatch(t.body); m != nil && len(n.targets) > 0 && !n.targets[m[1]] {
		report(t, "no target %s in the Makefile", m[1])
	}
}

// hasDecision reports whether docs/decisions has a record of that number.
func (n *names) hasDecision(number string) bool {
	for file := range n.files {
		record, ok := strings.CutPrefix(file, "docs/decisions/")
		if ok && strings.HasPrefix(strings.TrimLeft(record, "0"), number+"-") {
			return true
		}
	}
	return false
}

func (n *names) checkTests(t text, report reporter) {
	for _, name := range testWord.FindAllString(t.body, -1) {
		if !n.tests[name] && !n.isPattern(name) {
			report(t, "no test %s", name)
		}
	}
}

// isPattern reports whether a test's name begins so, as in a -run argument.
func (n *names) isPattern(prefix string) bool {
	for test := range n.tests {
		if strings.HasPrefix(test, prefix) {
			return true
		}
	}
	return false
}

// pathExists reports whether a word is no path of this repository, or one that exists.
// It is one if it begins with a folder of the root. A Go file without a folder stands
// beside the text, in its testdata, in the root, or in a package that the same paragraph
// names.
func (n *names) pathExists(t text, word string) bool {
	dir := path.Dir(t.file)
	first, _, nested := strings.Cut(word, "/")
	switch {
	case nested:
		return !n.topFolder(first) || n.hasFile(dir, word)
	case !goFile.MatchString(word) || n.hasFile(dir, word):
		return true
	}
	for file := range n.files {
		named := strings.Contains(t.body, path.Base(path.Dir(file)))
		if path.Base(file) == word && (named || strings.HasPrefix(file, dir+"/testdata/")) {
			return true
		}
	}
	return false
}

// nameExists reports whether x.name is no name of this repository's code, or one that
// it has: of a package x, or a field or method of a type x.
func (n *names) nameExists(x, name string) bool {
	isPackage, isType := n.packages[x] != nil, n.members[x] != nil
	if !isPackage && !isType {
		return true
	}
	return n.packages[x][name] || n.hasMember(x, name, 3)
}

var docLink = regexp.MustCompile(`\[\*?([A-Za-z]\w*(?:\.\w+){0,2})\](?:[^(:]|$)`)

// checkDocLinks reports the links of a doc comment that lead nowhere.
func (n *names) checkDocLinks(t text, report reporter) {
	for _, m := range docLink.FindAllStringSubmatch(t.body, -1) {
		parts := strings.Split(m[1], ".")
		known := len(parts) > 1 || n.declared(parts[0])
		if !known && len(m[1]) > 1 && parts[0][0] >= 'A' && parts[0][0] <= 'Z' {
			report(t, "no [%s]", m[1])
		}
	}
}

// declared reports whether any package or type has a name.
func (n *names) declared(name string) bool {
	for _, has := range n.packages {
		if has[name] {
			return true
		}
	}
	for _, has := range n.members {
		if has[name] {
			return true
		}
	}
	return n.tests[name]
}

var link = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)]*))?\)`)

// checkLinks reports the links of a document to files and headings that do not exist.
func (n *names) checkLinks(t text, report reporter) {
	for _, m := range link.FindAllStringSubmatch(t.body, -1) {
		to := t.file
		if m[1] != "" {
			to = path.Join(path.Dir(t.file), m[1])
		}
		switch {
		case !n.files[to]:
			report(t, "no file %s to link to", to)
		case m[2] != "" && strings.HasSuffix(to, ".md") && !n.hasHeading(to, m[2]):
			report(t, "no heading #%s in %s", m[2], to)
		}
	}
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// hasHeading reports whether a document has a heading with that anchor.
func (n *names) hasHeading(file, anchor string) bool {
	page, err := os.ReadFile(filepath.Join(n.root, file))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(page)) {
		title := strings.TrimLeft(strings.TrimSpace(line), "#")
		if !strings.HasPrefix(line, "#") || !strings.HasPrefix(title, " ") {
			continue
		}
		title = notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		if strings.ReplaceAll(title, " ", "-") == anchor {
			return true
		}
	}
	return false
}
