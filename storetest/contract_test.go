package storetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unchecked are the sentences of the contract that no case can check.
var unchecked = map[string]string{
	// Store
	"Store is where sessions live while it answers.":                                                            "says what it is",
	"Package storetest checks every sentence below against an implementation.":                                  "says it of this package, and this test sees to it",
	"Neither method retries and neither logs.":                                                                  "seen on the wire and in the log only; a store's own tests count its commands",
	"There is no Delete: a session is ended by saving its tombstone.":                                           "says what there is not",
	"A Save may be refused for want of room, with an error of the store's own: what stood before still stands.": "a store that can be full has a test of its own for it",
	"An ID is 1 to 200 bytes of printable ASCII without spaces.":                                                "binds the callers; a case has IDs of every shape",
	"A FreshLoader may return what another process has replaced since, and never what it replaced itself.":      "allows the first; the second is in what every store returns",
	"Expires may be zero.": "allows, and asks for nothing",
	// Record and Version
	"Record is a stored session: bytes that mean nothing to the store.": "what it comes to is in Save: Data may hold any bytes",
	"Version tells one write of a record from every other.":             "what it comes to is in Save: a Version is unique to its write",
	"It is opaque to all but the store that made it.":                   "binds the callers",
	// FreshLoader
	"FreshLoader is a Store with a cache in front of it.": "says what it is",
	"RequireStore and the retry after a conflict use it.": "says it of package session",
	// Lister
	"Lister is a Store that can tell what it holds.":                                              "says what it is",
	"The ID of a session that is saved while List runs may be missing, and an ID may come twice.": "allows, and asks for nothing",
	"List may be slow, and is meant for operators, not for requests.":                             "allows, and asks for nothing",
	// Prober
	"Prober is a Store made of shards, which fail one by one: servers, of which each has its part of the sessions.": "says what it is",
	// Pinner
	"Pinner is a Prober that also puts records into a shard whatever their IDs.":                                                                      "says what it is",
	"In such records the instances tell each other which sessions have ended, and so hear it also from an instance that has another list of servers.": "says it of package session",
	"A wrapper of a Store that is no Pinner names no shards.":                                                                                         "allows: it is checked as a Prober then",
}

// sentences of the comments on the types, and their methods, that make the
// contract.
func sentences(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../store.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	contract := []string{"Store", "Record", "Version", "FreshLoader", "Lister", "Prober", "Pinner"}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			ts := spec.(*ast.TypeSpec)
			if !slices.Contains(contract, ts.Name.Name) {
				continue
			}
			all = append(all, split(g.Doc.Text())...)
			if i, ok := ts.Type.(*ast.InterfaceType); ok {
				for _, m := range i.Methods.List {
					all = append(all, split(m.Doc.Text())...)
				}
			}
		}
	}
	return all
}

var end = regexp.MustCompile(`\.\s+`)

// split cuts a text where a full stop is followed by a space, and makes one
// space of each run of white space.
func split(text string) []string {
	text = strings.Join(strings.Fields(text), " ")
	var out []string
	for text != "" {
		s, rest := text, ""
		if i := end.FindStringIndex(text); i != nil {
			s, rest = text[:i[0]+1], text[i[1]:]
		}
		out = append(out, s)
		text = rest
	}
	return out
}

func TestEverySentenceOfTheContractHasACaseOrAReason(t *testing.T) {
	checked := map[string]bool{}
	for _, c := range cases {
		checked[c.says] = true
	}
	contract := sentences(t)
	if len(contract) < 30 {
		t.Fatalf("found %d sentences in store.go only: %q", len(contract), contract)
	}
	for _, s := range contract {
		_, excused := unchecked[s]
		switch {
		case checked[s] && excused:
			t.Errorf("has a case, and a reason to have none: %s", s)
		case !checked[s] && !excused:
			t.Errorf("has no case: %s", s)
		}
	}
	for s := range checked {
		if !slices.Contains(contract, s) {
			t.Errorf("checked, and not in store.go: %s", s)
		}
	}
	for s := range unchecked {
		if !slices.Contains(contract, s) {
			t.Errorf("excused, and not in store.go: %s", s)
		}
	}
}

func TestCasesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.name] || c.name == "" || strings.ContainsAny(c.name, "/;") {
			t.Errorf("case %q: not a name of its own, or not one for a subtest", c.name)
		}
		seen[c.name] = true
	}
}

func TestSplit(t *testing.T) {
	got := split("It waits\nuntil r.Expires, or ctx.Err(). A Save\n\nthat fails. ")
	if want := []string{"It waits until r.Expires, or ctx.Err().", "A Save that fails."}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
