package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed web
var web embed.FS

var layout = template.Must(template.ParseFS(web, "web/page.html"))

// site is all documents of a repository.
type site struct {
	root, source string
	pages        []*page // in the order of the navigation
	byFile       map[string]*page
	indexed      []string        // the documents that the index links to
	pictures     map[string]bool // files that the pages show
}

// index is the document whose links say in which order the others come.
const index = "docs/README.md"

// load reads and renders all documents. Its error names each link that leads nowhere.
func load(root, source string) (*site, error) {
	s := &site{root: root, source: source, byFile: map[string]*page{}, pictures: map[string]bool{}}
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		found, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if !slices.Contains(files, index) {
		return nil, fmt.Errorf("no %s in %s", index, root)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, err
		}
		s.byFile[file] = parse(file, text)
	}
	s.indexed = s.byFile[index].linksTo(s)
	s.order(files)
	var errs []error
	for _, p := range s.pages {
		errs = append(errs, p.render(s)...)
	}
	return s, errors.Join(errs...)
}

// order puts the README first, then what the index links to, then the rest.
func (s *site) order(files []string) {
	wanted := append([]string{"README.md", index}, s.indexed...)
	for _, file := range append(wanted, files...) {
		if p := s.byFile[file]; p != nil && !slices.Contains(s.pages, p) {
			s.pages = append(s.pages, p)
		}
	}
}

// write writes the pages, their pictures, and what the browser needs to search.
func (s *site) write(to string) error {
	files := map[string][]byte{}
	for _, p := range s.pages {
		var b bytes.Buffer
		err := layout.Execute(&b, struct {
			*page
			Navigation []entry
			Root       string
		}{p, s.navigation(p), strings.Repeat("../", strings.Count(p.out, "/"))})
		if err != nil {
			return err
		}
		files[p.out] = b.Bytes()
	}
	for file := range s.pictures {
		b, err := os.ReadFile(filepath.Join(s.root, file))
		if err != nil {
			return err
		}
		files[file] = b
	}
	for _, name := range []string{"site.css", "search.js"} {
		b, err := web.ReadFile("web/" + name)
		if err != nil {
			return err
		}
		files[name] = b
	}
	sections, err := json.Marshal(s.sections())
	if err != nil {
		return err
	}
	// A script and not JSON: a page from a file may not fetch its neighbors.
	files["search-index.js"] = append(append([]byte("const sections = "), sections...), ";\n"...)
	for name, b := range files {
		name = filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// entry is a line of the navigation.
type entry struct {
	Title, Link string
	Current     bool
	Decision    bool
}

// navigation is as p shows it: decisions stand in it among decisions only.
func (s *site) navigation(p *page) (all []entry) {
	for _, other := range s.pages {
		if other.decision() && !p.decision() {
			continue
		}
		all = append(all, entry{other.Title, relative(p.out, other.out), other == p, other.decision()})
	}
	return all
}

// section is what the search finds: a heading and the text below it.
type section struct {
	Page  string `json:"page"`  // its title
	Title string `json:"title"` // of the section
	Link  string `json:"link"`  // from the site's root
	Text  string `json:"text"`
}

func (s *site) sections() (all []section) {
	for _, p := range s.pages {
		all = append(all, p.sections...)
	}
	return all
}

// relative is the link from one file of the site to another one.
func relative(from, to string) string {
	up := strings.Repeat("../", strings.Count(from, "/"))
	dir := path.Dir(from) + "/"
	if rest, ok := strings.CutPrefix(to, dir); ok && dir != "./" {
		return rest
	}
	return up + to
}
