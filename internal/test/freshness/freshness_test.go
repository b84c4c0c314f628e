package freshness

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

// A document that names a file, a test or a part of the API which has another name now
// sends its reader nowhere.
func TestEveryNameInTheTextsExists(t *testing.T) {
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("%s is not the root of the module: %v", root, err)
	}
	if nested, _ := filepath.Glob(filepath.Join(root, "*", "go.mod")); len(nested) == 0 {
		t.Skip("the nested modules are not here, as in the module's zip: make test runs it in the repository")
	}
	found, err := Check(root, regexp.MustCompile(`^(CHANGELOG|docs/FROM-[A-Z]+)\.md$`))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range found {
		t.Error(line)
	}
}

// repository is a small one in which all texts are right.
var repository = map[string]string{
	"Makefile":                         "test: ## test\n\tgo test\n",
	"README.md":                        "# A thing\n\n## How it works, in short\n",
	"docs/decisions/0007-why-seven.md": "# Why seven\n",
	"docs/OTHERS.md":                   "",
	"docs/PAGE.md":                     "",
	"jar/jar.go": `package jar

// Jar has cookies. See [Jar.Open], [Lid] and lid.go.
type Jar struct{ Lid }

type Lid struct{ Size int }

func (*Jar) Open() {}
`,
	"jar/lid.go":      "package jar\n",
	"jar/jar_test.go": "package jar\n\nfunc TestAJarOpens(t *testing.T) {}\n",
}

// found writes the repository with a document and a comment more, and returns what Check
// finds there.
func found(t *testing.T, page, comment string) []string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, body string) {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range repository {
		write(name, body)
	}
	write("docs/PAGE.md", page)
	write("docs/OTHERS.md", page)
	if comment != "" {
		write("jar/more.go", "package jar\n\n// "+strings.ReplaceAll(comment, "\n", "\n// ")+"\nvar more int\n")
	}
	all, err := Check(dir, regexp.MustCompile(`OTHERS\.md$`))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatADocumentNamesAndIsNotThereIsFound(t *testing.T) {
	for _, test := range []struct{ page, want string }{
		{"", ""},
		{"[jar](../jar/jar.go), [top](../README.md), [way](../README.md#how-it-works-in-short)", ""},
		{"`jar/jar.go`, `jar.Jar`, `Jar.Open`, `Jar.Size`, `TestAJarOpens`, `make test`, `-run TestAJar`", ""},
		{"`net/http`, `http.NoBody`, `Reader.Missing`, https://jar.test/nowhere, jar/gone.go in prose", ""},
		{"```go\njar.Missing() // `jar.Missing`\n```", ""},
		{"one line\n`jar/gone.go`", "docs/PAGE.md:2: no file or folder jar/gone.go"},
		{"`jar.Missing`", "docs/PAGE.md:1: no jar.Missing"},
		{"`Jar.Close`", "docs/PAGE.md:1: no Jar.Close"},
		{"`go test -run TestAJarCloses ./jar`", "docs/PAGE.md:1: no test TestAJarCloses"},
		{"TestAJarCloses shows it", "docs/PAGE.md:1: no test TestAJarCloses"},
		{"`make fuzz`", "docs/PAGE.md:1: no target fuzz in the Makefile"},
		{"`decision 7`", ""},
		{"`decision 8`", "docs/PAGE.md:1: no decision 8"},
	} {
		if got := strings.Join(found(t, test.page, ""), "\n"); got != test.want {
			t.Errorf("%q:\ngot  %q\nwant %q", test.page, got, test.want)
		}
	}
}

func TestALinkIsCheckedInEveryDocument(t *testing.T) {
	got := found(t, "[gone](../jar/gone.go) and [no such part](../README.md#elsewhere)", "")
	want := []string{
		"docs/OTHERS.md:1: no file jar/gone.go to link to",
		"docs/OTHERS.md:1: no heading #elsewhere in README.md",
		"docs/PAGE.md:1: no file jar/gone.go to link to",
		"docs/PAGE.md:1: no heading #elsewhere in README.md",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatACommentNamesAndIsNotThereIsFound(t *testing.T) {
	for _, test := range []struct{ comment, want string }{
		{"more is in jar.go, of package jar: see [Jar] and decision 7.", ""},
		{"more:\n\n\tjar.Missing(x)\n\nis an example.", ""},
		{"more is in cap.go.", "jar/more.go:3: no file or folder cap.go"},
		{"more is\n\nin cap.go.", "jar/more.go:5: no file or folder cap.go"},
		{"more is in docs/GONE.md.", "jar/more.go:3: no file or folder docs/GONE.md"},
		{"more is jar.Missing's.", "jar/more.go:3: no jar.Missing"},
		{"more is a [Cap].", "jar/more.go:3: no [Cap]"},
		{"more is measured, see TestSizes.", "jar/more.go:3: no test TestSizes"},
		{"more: decision 8.", "jar/more.go:3: no decision 8"},
	} {
		if got := strings.Join(found(t, "", test.comment), "\n"); got != test.want {
			t.Errorf("%q:\ngot  %q\nwant %q", test.comment, got, test.want)
		}
	}
}
