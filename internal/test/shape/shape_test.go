package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// The fixture is a module of its own, in which each figure can be counted by
// hand.
func fixture(t *testing.T) map[string]source {
	t.Helper()
	sources, err := load("testdata/house")
	if err != nil {
		t.Fatal(err)
	}
	byPath := make(map[string]source)
	for _, s := range sources {
		byPath[s.path] = s
	}
	return byPath
}

func TestEveryPackageThatIsNoTestIsMeasured(t *testing.T) {
	sources := fixture(t)
	got := slices.Sorted(maps.Keys(sources))
	want := []string{"house.test", "house.test/internal/room", "house.test/internal/test/helper"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for path, want := range map[string]struct{ root, product bool }{
		"house.test":                      {root: true},
		"house.test/internal/room":        {product: true},
		"house.test/internal/test/helper": {},
	} {
		s := sources[path]
		if s.root != want.root || s.product != want.product {
			t.Errorf("%s: got root %v and product %v, want %v and %v", path, s.root, s.product, want.root, want.product)
		}
	}
}

func TestTheFiguresOfTheFixture(t *testing.T) {
	sources := fixture(t)
	root := measure(sources["house.test"])
	if root.files != 6 {
		t.Errorf("got %d files, want 6: tests do not count", root.files)
	}
	// branches, door, frame, manager, origin, window
	if want := 40 + 9 + 2 + 11 + 2 + 5; root.lines != want {
		t.Errorf("got %d lines of code, want %d", root.lines, want)
	}
	if want := []string{"door.go", "manager.go", "origin.go", "window.go"}; !slices.Equal(root.cycle, want) {
		t.Errorf("got the cycle %q, want %q", root.cycle, want)
	}
	if want := []function{{"held", 17}, {"sixteen", 16}}; !slices.Equal(root.branchy, want) {
		t.Errorf("got %v over %d branches, want %v", root.branchy, maxBranches, want)
	}
	if want := map[string]int{"Manager": 2, "Window": 1}; !maps.Equal(root.methods, want) {
		t.Errorf("got the methods %v, want %v", root.methods, want)
	}

	room := measure(sources["house.test/internal/room"])
	if want := []string{"a.go", "b.go"}; !slices.Equal(room.cycle, want) {
		t.Errorf("got the cycle %q, want %q: c.go uses the others, and nobody uses c.go", room.cycle, want)
	}
}

func TestAFileDependsOnTheFilesThatDeclareWhatItUses(t *testing.T) {
	graph := dependencies(fixture(t)["house.test"])
	for file, want := range map[string][]string{
		"branches.go": nil,
		"door.go":     {"frame.go", "manager.go"},
		"frame.go":    nil,
		"manager.go":  {"door.go", "window.go"},
		"origin.go":   {"door.go"},
		"window.go":   {"door.go", "frame.go", "origin.go"}, // door.go has the field that promotes wood
	} {
		if got := slices.Sorted(slices.Values(graph[file])); !slices.Equal(got, want) {
			t.Errorf("%s depends on %q, want %q", file, got, want)
		}
	}
}

func TestFunctionsAreCountedAsGocycloDoes(t *testing.T) {
	var got []function
	for _, file := range fixture(t)["house.test"].files {
		got = append(got, functions(file)...)
	}
	for _, want := range []function{
		{"Manager.Open", 4}, {"Manager.Close", 1}, {"sixteen", 16}, {"held", 17}, {"fifteen", 15},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%v is not in %v", want, got)
		}
	}
}

func TestTheLargestCycle(t *testing.T) {
	for name, tt := range map[string]struct {
		graph map[string][]string
		want  []string
	}{
		"no nodes have none":                {nil, nil},
		"a chain has cycles of one":         {map[string][]string{"a": {"b"}, "b": {"c"}, "c": nil}, []string{"a"}},
		"a node that is led to is not in":   {map[string][]string{"a": {"b", "c"}, "b": {"a"}, "c": nil}, []string{"a", "b"}},
		"the larger of two":                 {map[string][]string{"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"e"}, "e": {"c"}}, []string{"c", "d", "e"}},
		"two that share a node are one":     {map[string][]string{"a": {"b"}, "b": {"a", "c"}, "c": {"b"}}, []string{"a", "b", "c"}},
		"an edge to a closed cycle is none": {map[string][]string{"a": {"b"}, "b": {"a"}, "c": {"a", "d"}, "d": {"e"}, "e": {"c"}}, []string{"c", "d", "e"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := largestCycle(tt.graph); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheGateNamesEachFigureOverItsLimit(t *testing.T) {
	limits := limitSet{rootLines: 10, rootCycle: 2, rootBranchy: 1, productCycle: 1, rootMethods: map[string]int{"Manager": 3}}
	files := func(n int) []string { return make([]string, n) }
	within := []figures{
		{path: "m", root: true, lines: 10, cycle: files(2), branchy: make([]function, 1), methods: map[string]int{"Manager": 3, "Session": 99}},
		{path: "m/internal/a", product: true, lines: 99, cycle: files(1), branchy: make([]function, 9)},
		{path: "m/internal/test/b", lines: 99, cycle: files(9)},
	}
	if got := limits.exceeded(within); got != nil {
		t.Errorf("got %q, want none", got)
	}
	got := limits.exceeded([]figures{
		{path: "m", root: true, lines: 11, cycle: files(3), branchy: make([]function, 2), methods: map[string]int{"Manager": 4}},
		{path: "m/internal/a", product: true, cycle: files(2)},
	})
	want := []string{
		"shape: m has 11 lines of code, at most 10 are allowed",
		"shape: m has 3 files in one cycle, at most 2 are allowed",
		"shape: m has 2 functions over 15 branches, at most 1 are allowed",
		"shape: m.Manager has 4 methods, at most 3 are allowed",
		"shape: m/internal/a has 2 files in one cycle, at most 1 are allowed",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheReportNamesFilesOnlyIfAsked(t *testing.T) {
	house := []figures{{
		path: "m", root: true, lines: 10, files: 3, cycle: []string{"a.go", "b.go"},
		branchy: []function{{"T.long", 16}}, methods: map[string]int{"T": methodsReported, "U": 1},
	}}
	const always = "lines  files  in a cycle  over 15 branches  package\n     10      3           2                 1  m\nbranches:  16  m.T.long\n"
	for verbose, want := range map[bool]string{
		false: always + "methods:   10  m.T\n",
		true:  always + "cycle of 2 files in m: a.go b.go\nmethods:   10  m.T\nmethods:    1  m.U\n",
	} {
		var out strings.Builder
		report(&out, house, verbose)
		if got := strings.TrimLeft(out.String(), " "); got != want {
			t.Errorf("verbose %v: got\n%swant\n%s", verbose, got, want)
		}
	}
}
