package storetest

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the contract into docs/STORES.md anew")

const (
	storesPage = "../docs/STORES.md"
	pageBegins = "<!-- contract: go test ./storetest -run TestStoresPage -update -->\n"
	pageEnds   = "<!-- end of contract -->\n"
)

// documented are the stores of this project. What a store lacks is found in
// its code: in the Harness of its tests, and in its methods. Why it lacks that
// stands here.
var documented = []struct {
	name  string
	lacks map[capability]string
}{
	{"memstore", map[capability]string{
		again:       "it lives in one process, which no second one can see into",
		freeze:      "there is no server that could freeze",
		connections: "there is no server to connect to",
		down:        "there is no server that could be away",
		freshLoader: "there is no cache in front of it",
		prober:      "it is no server: it answers for as long as the process does, and loses all with it",
		pinner:      "it is one shard",
	}},
	{"redisstore", map[capability]string{
		maxRecord: "Redis takes 512 MB; that more is refused before it is sent is a test of its own",
		pinner:    "the key alone decides which node of a cluster has it; its shards are fixed ranges of slots, so that all instances have the same",
	}},
	{"pgstore", map[capability]string{
		freshLoader: "there is no cache in front of it: each Load asks the server",
		pinner:      "it is one shard",
	}},
	{"memcachedstore", map[capability]string{
		freshLoader: "there is no cache in front of it: each Load asks the server",
		lister:      "memcached has no command that tells all keys to a program",
	}},
	{"sqlitestore", map[capability]string{
		connections: "there is no server to connect to",
		maxRecord:   "SQLite takes 1 GB; that more is refused before it is written is a test of its own",
		freshLoader: "there is no cache in front of it: each Load asks the file",
		pinner:      "it is one shard",
	}},
	{"mysqlstore", map[capability]string{
		freshLoader: "there is no cache in front of it: each Load asks the server",
		pinner:      "it is one shard",
	}},
	{"mirrorstore", map[capability]string{
		connections: "its connections are those of the two stores",
		pinner:      "a shard is a pair, one of each store",
	}},
}

// docs/STORES.md quotes the contract, with the cases that check it, and says
// for each store which of them do not apply.
func TestStoresPage(t *testing.T) {
	page, err := os.ReadFile(storesPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), pageBegins)
	old, after, ends := strings.Cut(rest, pageEnds)
	if !begins || !ends {
		t.Fatalf("%s: no part between %q and %q", storesPage, pageBegins, pageEnds)
	}
	fresh := contractText(t)
	switch {
	case old == fresh:
	case *update:
		if err := os.WriteFile(storesPage, []byte(before+pageBegins+fresh+pageEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: the contract has changed; run go test ./storetest -run TestStoresPage -update", storesPage)
	}
}

func contractText(t *testing.T) string {
	var b strings.Builder
	b.WriteString("\n### Sentence by sentence\n\n")
	for _, s := range sentences(t) {
		fmt.Fprintf(&b, "* %s\n", s)
		if why, ok := unchecked[s]; ok {
			fmt.Fprintf(&b, "  * no case: %s\n", why)
		}
		for _, c := range cases {
			if c.says == s {
				fmt.Fprintf(&b, "  * `%s`\n", c.name)
			}
		}
	}
	b.WriteString("\n### Which cases do not apply to which store\n\nAll others pass, on the real server where there is one.\n\n" +
		"| store | cases | why |\n|---|---|---|\n")
	for _, store := range documented {
		have := capabilitiesOf(t, "../"+store.name)
		for _, lack := range allCapabilities {
			why, excused := store.lacks[lack]
			if there := slices.Contains(have, lack); there == excused {
				t.Errorf("%s: has %s: %v; has a reason to have none: %v", store.name, lack, there, excused)
			}
			if !excused {
				continue
			}
			var names []string
			for _, c := range cases {
				if slices.Contains(c.needs, lack) {
					names = append(names, "`"+c.name+"`")
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", store.name, strings.Join(names, ", "), why)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// capabilitiesOf reads what a store has from its code.
func capabilitiesOf(t *testing.T, dir string) (have []capability) {
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	fields := map[string]capability{"Again": again, "Restart": restart, "Thaw": freeze, "Connections": connections, "Up": down, "MaxRecord": maxRecord}
	methods := map[string]capability{"LoadFresh": freshLoader, "List": lister, "Probe": prober, "Pin": pinner}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if c, ok := methods[n.Name.Name]; ok && n.Recv != nil && !strings.HasSuffix(name, "_test.go") {
					have = append(have, c)
				}
			case *ast.CompositeLit:
				if s, ok := n.Type.(*ast.SelectorExpr); !ok || s.Sel.Name != "Harness" {
					break
				}
				for _, e := range n.Elts {
					if c, ok := fields[e.(*ast.KeyValueExpr).Key.(*ast.Ident).Name]; ok {
						have = append(have, c)
					}
				}
			}
			return true
		})
	}
	return have
}
