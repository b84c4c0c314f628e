package main

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// page is a document.
type page struct {
	file, out string // in the repository, and in the site
	source    []byte
	tree      ast.Node
	anchors   map[string]bool
	sections  []section

	Title    string
	Body     template.HTML
	Contents []heading
}

// heading is a line of a page's table of contents.
type heading struct {
	Level  int
	Title  string
	Anchor string
}

// markdown leaves out what HTML a document has: the marks of sections that programs write.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// parse reads a document.
func parse(file string, source []byte) *page {
	p := &page{file: file, out: outOf(file), source: source, anchors: map[string]bool{}, Title: file}
	ids := parser.NewContext(parser.WithIDs(anchors{}))
	p.tree = markdown.Parser().Parse(text.NewReader(source), parser.WithContext(ids))
	at := section{}
	keep := func() {
		if at.Text = strings.Join(strings.Fields(at.Text), " "); at.Title != "" {
			p.sections = append(p.sections, at)
		}
	}
	for n := p.tree.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			at.Text += words(n, source) + " "
			continue
		}
		keep()
		title := strings.TrimSpace(words(h, source))
		anchor := ""
		if id, ok := h.AttributeString("id"); ok {
			anchor = string(id.([]byte))
			p.anchors[anchor] = true
		}
		if h.Level == 1 {
			p.Title = title
		} else if h.Level <= 3 {
			p.Contents = append(p.Contents, heading{h.Level, title, anchor})
		}
		at = section{Page: p.Title, Title: title, Link: p.out + "#" + anchor}
	}
	keep()
	return p
}

// outOf is where the page of a document is in the site.
func outOf(file string) string {
	if file == "README.md" {
		return "index.html"
	}
	return strings.TrimSuffix(file, ".md") + ".html"
}

func (p *page) decision() bool { return strings.HasPrefix(p.file, "docs/decisions/") }

// words is the text of a node and all below it.
func words(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					b.WriteByte(' ')
				}
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			if entering {
				b.Write(n.Lines().Value(source))
			}
		default:
			if !entering && n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// linksTo returns the documents that a page links to, in their order.
func (p *page) linksTo(s *site) (files []string) {
	_ = ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if link, ok := n.(*ast.Link); ok && entering {
			file, _, _ := strings.Cut(string(link.Destination), "#")
			if file = path.Join(path.Dir(p.file), file); s.byFile[file] != nil {
				files = append(files, file)
			}
		}
		return ast.WalkContinue, nil
	})
	return files
}

// render makes the page's HTML, with links that lead where they do in the repository. It
// returns an error for each link that leads nowhere.
func (p *page) render(s *site) (errs []error) {
	_ = ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		var err error
		switch n := n.(type) {
		case *ast.Link:
			n.Destination, err = p.link(s, string(n.Destination), false)
		case *ast.Image:
			n.Destination, err = p.link(s, string(n.Destination), true)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.file, err))
		}
		return ast.WalkContinue, nil
	})
	var b bytes.Buffer
	if err := markdown.Renderer().Render(&b, p.source, p.tree); err != nil {
		return append(errs, fmt.Errorf("%s: %w", p.file, err))
	}
	p.Body = template.HTML(b.String())
	return errs
}

var absolute = regexp.MustCompile(`^[a-z]+:`)

// link returns where a link of the document leads in the site.
func (p *page) link(s *site, to string, picture bool) ([]byte, error) {
	if absolute.MatchString(to) {
		return []byte(to), nil
	}
	file, anchor, _ := strings.Cut(to, "#")
	target := p
	if file != "" {
		file = path.Join(path.Dir(p.file), file)
		target = s.byFile[file]
	}
	switch {
	case target == nil:
		if _, err := os.Stat(filepath.Join(s.root, file)); err != nil {
			return nil, fmt.Errorf("the link %q leads nowhere: %w", to, short(err))
		}
		if picture {
			s.pictures[file] = true
			return []byte(relative(p.out, file)), nil
		}
		return []byte(s.source + file), nil
	case anchor != "" && !target.anchors[anchor]:
		return nil, fmt.Errorf("the link %q leads to no heading of %s", to, target.file)
	case anchor != "":
		anchor = "#" + anchor
	}
	if target == p {
		return []byte(anchor), nil
	}
	return []byte(relative(p.out, target.out) + anchor), nil
}

// short is an error without the path, which its reader knows by another name.
func short(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// anchors gives headings the anchors that GitHub gives them, so that links work in both.
type anchors map[string]int

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// Generate returns the anchor of a heading.
func (a anchors) Generate(title []byte, _ ast.NodeKind) []byte {
	plain := notInAnchors.ReplaceAllString(strings.ToLower(string(util.TrimLeftSpace(util.TrimRightSpace(title)))), "")
	plain = strings.ReplaceAll(plain, " ", "-")
	n := a[plain]
	a[plain]++
	if n > 0 {
		return fmt.Appendf(nil, "%s-%d", plain, n)
	}
	return []byte(plain)
}

// Put notes an anchor that a document gives itself.
func (a anchors) Put(anchor []byte) { a[string(anchor)]++ }
