package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A list is a file of mutations, most of them of one package:
//
//	# A line that begins with # is a comment.
//	test ./internal/state
//	test . -run=^TestNoPromiseIsBroken$ -seeds=50
//	file internal/state/entry.go
//
//	=== the larger dot does not win
//	--- find
//	e.Dot.compare(f.Dot),
//	--- with
//	f.Dot.compare(e.Dot),
//
// Each test line has arguments of "go test", without blanks in them. The commands
// run one after another until a test fails. The lines in front of the first
// mutation hold for all that have none of their own behind their name.
//
// The text to find stands in the file exactly once. Blanks count only between
// words, and one is as good as several, so that gofmt may indent and align the
// code anew. Without a text behind "--- with", the text found is removed.
type list struct {
	name      string
	mutations []mutation
}

// A mutation is one change of the code that a test should notice.
type mutation struct {
	list  string
	name  string
	file  string     // relative to the module's root, with slashes
	tests [][]string // arguments of go test
	find  string
	with  string
}

func (m mutation) String() string { return m.list + ": " + m.name }

// readLists returns the lists of a directory, in the order of their names.
func readLists(dir string) ([]list, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("mutants: no list in %s", dir)
	}
	var lists []list
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("mutants: %w", err)
		}
		l, err := parseList(strings.TrimSuffix(filepath.Base(name), ".txt"), string(text))
		if err != nil {
			return nil, fmt.Errorf("mutants: %s: %w", name, err)
		}
		lists = append(lists, l)
	}
	return lists, nil
}

func parseList(name, text string) (list, error) {
	p := listParser{list: list{name: name}}
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(line); err != nil {
			return list{}, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if err := p.endMutation(); err != nil {
		return list{}, fmt.Errorf("the last line: %w", err)
	}
	return p.list, nil
}

// listParser reads a list line by line.
type listParser struct {
	list     list
	defaults mutation
	m        *mutation // under way
	block    *string   // the text that lines are added to, or nil
}

func (p *listParser) line(line string) error {
	if strings.HasPrefix(line, "#") {
		return nil
	}
	if name, ok := strings.CutPrefix(line, "=== "); ok {
		if err := p.endMutation(); err != nil {
			return err
		}
		p.m = &mutation{list: p.list.name, name: strings.TrimSpace(name)}
		return nil
	}
	into := p.m
	if into == nil {
		into = &p.defaults
	}
	switch {
	case line == "--- find":
		p.block = &into.find
	case line == "--- with":
		p.block = &into.with
	case p.block != nil:
		*p.block += line + "\n"
	case strings.TrimSpace(line) == "":
	default:
		return into.set(line)
	}
	return nil
}

// set takes a line of a key and its value.
func (m *mutation) set(line string) error {
	key, value, _ := strings.Cut(line, " ")
	switch {
	case strings.TrimSpace(value) == "":
		return fmt.Errorf("%q has no value", key)
	case key == "file":
		m.file = strings.TrimSpace(value)
	case key == "test":
		m.tests = append(m.tests, strings.Fields(value))
	default:
		return fmt.Errorf("%q is neither file nor test", key)
	}
	return nil
}

// endMutation adds the mutation that is under way to the list.
func (p *listParser) endMutation() error {
	p.block = nil
	if p.m == nil {
		return nil
	}
	m := *p.m
	p.m = nil
	if m.file == "" {
		m.file = p.defaults.file
	}
	if m.tests == nil {
		m.tests = p.defaults.tests
	}
	m.find, m.with = strings.TrimSpace(m.find), strings.TrimSpace(m.with)
	twice := slices.ContainsFunc(p.list.mutations, func(other mutation) bool { return other.name == m.name })
	switch {
	case m.name == "":
		return errors.New("a mutation has no name")
	case twice:
		return fmt.Errorf("a second mutation is named %q", m.name)
	case m.file == "":
		return fmt.Errorf("%q has no file", m.name)
	case m.tests == nil:
		return fmt.Errorf("%q has no tests", m.name)
	case m.find == "":
		return fmt.Errorf("%q has nothing to find", m.name)
	case squeeze(m.find).text == squeeze(m.with).text:
		return fmt.Errorf("%q changes nothing", m.name)
	}
	p.list.mutations = append(p.list.mutations, m)
	return nil
}
