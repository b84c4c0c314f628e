package main

import (
	"context"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheListsFitTheCode(t *testing.T) {
	const root = "../../../"
	lists, err := readLists("lists")
	if err != nil {
		t.Fatal(err)
	}
	harmless, err := readPage(root + pageFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := harmless.check(lists); err != nil {
		t.Error(err)
	}
	for _, l := range lists {
		for _, m := range l.mutations {
			text, err := m.mutated(root)
			if err != nil {
				t.Error(err)
				continue
			}
			if _, err := parser.ParseFile(token.NewFileSet(), m.file, text, parser.SkipObjectResolution); err != nil {
				t.Errorf("%v: %v", m, err)
			}
		}
	}
}

// The fixture is a module of its own.
const tower = "testdata/tower"

func runOn(t *testing.T, list string, s settings) (status int, out string, err error) {
	t.Helper()
	t.Setenv("GOWORK", "off")
	before, err := os.ReadFile(tower + "/tower.go")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	s.parallel, s.limit = 2, 10*time.Second
	status, err = s.run(t.Context(), &text, tower, tower+"/lists", tower+"/MUTANTS.md", list, "")
	after, _ := os.ReadFile(tower + "/tower.go")
	if string(after) != string(before) {
		t.Error("the run has changed the tree")
	}
	return status, text.String(), err
}

// containsLine reports whether a line begins so, blanks apart. Behind that may
// stand how long it took.
func containsLine(text, begin string) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), begin)
	})
}

func TestMutantsAreKilledOrSurvive(t *testing.T) {
	status, out, err := runOn(t, "tower", settings{verbose: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"killed    tower: the sum is a difference", "by TestHeight",
		"killed    tower: as tall is taller", "by TestTaller",
		"killed    tower: the loop does not go on", "by the time limit, in TestHeight",
		"harmless  tower: no tower is tall without floors", "a sum of nothing is 0",
		"SURVIVED  tower: what is written is not read back",
		"tower        5       3         1         1       60.0",
		"all        5       3         1         1       60.0",
	} {
		if !containsLine(out, want) {
			t.Errorf("no line begins with %q", want)
		}
	}
	if status != someSurvived {
		t.Errorf("got status %d, want %d", status, someSurvived)
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestWhatIsToldUnasked(t *testing.T) {
	var out strings.Builder
	r := report{out: &out, harmless: harmless{{"l", "harmless", "why"}, {"l", "harmless, and killed", "why"}}}
	for _, test := range []struct {
		name string
		f    fate
		want string
	}{
		{"killed", fate{kind: killed, by: "TestA"}, ""},
		{"harmless", fate{kind: survived}, ""},
		{"harmless, and killed", fate{kind: killed, by: "TestA"}, "killed    l: harmless, and killed\n          by TestA; docs/MUTANTS.md says that it is harmless\n"},
		{"hangs", fate{kind: hangs, by: "TestA"}, "killed    l: hangs\n          by the time limit, in TestA\n"},
		{"survives", fate{kind: survived}, "SURVIVED  l: survives\n"},
		{"does not compile", fate{kind: unusable, by: "why"}, "ERROR     l: does not compile\n          why\n"},
	} {
		out.Reset()
		r.add(mutation{list: "l", name: test.name}, test.f)
		if got := out.String(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestARunThatSaysNothingFails(t *testing.T) {
	for name, s := range map[string]settings{"run": {}, "checked": {check: true}} {
		t.Run(name, func(t *testing.T) {
			status, out, err := runOn(t, "unusable", s)
			if err != nil || status != saysNothing {
				t.Errorf("got status %d and %v, want %d", status, err, saysNothing)
			}
			for _, want := range []string{
				"ERROR     unusable: what does not compile", "does not compile: ",
				"ERROR     unusable: what is there twice", "mutants: unusable: what is there twice: tower.go: the text to find is there more than once:",
				"ERROR     unusable: what is not there", "mutants: unusable: what is not there: tower.go: the text to find is not there:",
			} {
				if !containsLine(out, want) {
					t.Errorf("no line begins with %q", want)
				}
			}
			if got := containsLine(out, "a test does not compile with it:"); got == s.check {
				t.Errorf("that a test does not compile is seen: %v", got)
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
	_, _, err := runOn(t, "sick", settings{})
	if err == nil || !strings.Contains(err.Error(), "go test . -sick does not pass without a mutation: TestStore") {
		t.Errorf("got %v, want that a test fails without a mutation", err)
	}
	if _, _, err := runOn(t, "none", settings{}); err == nil {
		t.Error("a list that is not there is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, _ := (settings{}).run(ctx, new(strings.Builder), tower, tower+"/lists", tower+"/MUTANTS.md", "tower", ""); status != saysNothing {
		t.Errorf("a run that was interrupted has status %d, want %d", status, saysNothing)
	}
}

func TestACheckRunsNoTest(t *testing.T) {
	status, out, err := runOn(t, "sick", settings{check: true})
	if want := "1 of 1 mutations apply and compile\n"; status != allKilled || out != want || err != nil {
		t.Errorf("got status %d, %v and %q, want %q", status, err, out, want)
	}
}

func TestOnePlaceIsReplaced(t *testing.T) {
	const text = "func f() {\n\tif a   == b {\n\t\treturn\t// why\n\t}\n\tgo  on()\n}\n"
	for name, test := range map[string]struct{ find, with, want string }{
		"within a line":             {"a == b", "a != b", "func f() {\n\tif a != b {\n\t\treturn\t// why\n\t}\n\tgo  on()\n}\n"},
		"blanks in the find":        {"a \t ==  b", "c", "func f() {\n\tif c {\n\t\treturn\t// why\n\t}\n\tgo  on()\n}\n"},
		"lines, indented otherwise": {"if a == b {\n  return // why\n}\n", "stop()\n", "func f() {\n\tstop()\n\tgo  on()\n}\n"},
		"at the end":                {"}\ngo on()\n}\n", "}\n}\n", "func f() {\n\tif a   == b {\n\t\treturn\t// why\n\t}\n}\n"},
		"removed":                   {"go on()", "", "func f() {\n\tif a   == b {\n\t\treturn\t// why\n\t}\n\t\n}\n"},
		"not there":                 {"a ==b", "", ""},
		"a line break is no blank":  {"{ return", "", ""},
		"twice":                     {"n", "", ""},
		"twice, one over the other": {"\n}\n", "", ""},
	} {
		in := text
		if name == "twice, one over the other" {
			in = "\n}\n}\n"
		}
		if got, err := replaceOnce(in, test.find, test.with); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
}

func TestListsThatAreWrongAreRefused(t *testing.T) {
	const whole = "test .\nfile a.go\n=== name\n--- find\na\n--- with\nb\n"
	if l, err := parseList("l", whole); err != nil || len(l.mutations) != 1 {
		t.Fatalf("got %v, %v", l, err)
	}
	for what, text := range map[string]string{
		"no test":           strings.Replace(whole, "test .\n", "", 1),
		"no file":           strings.Replace(whole, "file a.go\n", "", 1),
		"no name":           strings.Replace(whole, "name", " ", 1),
		"nothing to find":   strings.Replace(whole, "a\n--- with", "--- with", 1),
		"nothing changes":   strings.Replace(whole, "b\n", "  a\n", 1),
		"one name twice":    whole + "=== name\n--- find\nc\n--- with\nd\n",
		"an unknown key":    "tests .\n" + whole,
		"a key of no value": "file\n" + whole,
	} {
		if l, err := parseList("l", text); err == nil {
			t.Errorf("%s: got %v", what, l)
		}
	}
	own, err := parseList("l", strings.Replace(whole, "=== name\n", "=== name\nfile b.go\ntest ./b -race\ntest ./c\n# no\n", 1))
	if err != nil {
		t.Fatal(err)
	}
	if m := own.mutations[0]; m.file != "b.go" || !slices.EqualFunc(m.tests, [][]string{{"./b", "-race"}, {"./c"}}, slices.Equal) || m.find != "a" || m.with != "b" {
		t.Errorf("got %+v", m)
	}
}

func TestRowsOfThePageAreOfMutations(t *testing.T) {
	lists, err := readLists(tower + "/lists")
	if err != nil {
		t.Fatal(err)
	}
	page, err := readPage(tower + "/MUTANTS.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(page) != 1 || page.check(lists) != nil {
		t.Errorf("got %v, %v", page, page.check(lists))
	}
	stale := harmless{{"tower", "a mutation of before", "why"}, {"sick", "no tower is tall without floors", "why"}}
	if err := stale.check(lists); err == nil || strings.Count(err.Error(), "is in no list") != 2 {
		t.Errorf("got %v, want two rows that are in no list", err)
	}
	name := t.TempDir() + "/page.md"
	if err := os.WriteFile(name, []byte("| list | mutation | why |\n|---|---|---|\n| tower | no reason | |\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if rows, err := readPage(name); err == nil {
		t.Errorf("a row without a reason is taken: %v", rows)
	}
}
