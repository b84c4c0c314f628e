// Command sbom writes the bill of materials of a Go program, in CycloneDX's JSON, from
// what the linker has stamped into it: the modules, their versions and their checksums.
// The same program has the same bill, wherever and whenever it is written.
//
//	go run ./internal/test/sbom -version v0.3.0 dist/holdfast-linux-amd64
package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
)

func main() {
	version := flag.String("version", "", "the `version` of the program and of the modules that are built with it from one tree")
	flag.Parse()
	if flag.NArg() != 1 || *version == "" {
		fmt.Fprintln(os.Stderr, "sbom: want -version and one program")
		os.Exit(2)
	}
	info, err := buildinfo.ReadFile(flag.Arg(0))
	if err == nil {
		err = write(os.Stdout, info, *version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// bill is the part of CycloneDX 1.6 that a Go program fills.
type bill struct {
	BOMFormat   string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

func write(w io.Writer, info *debug.BuildInfo, version string) error {
	main, err := componentOf("application", &info.Main, version)
	if err != nil {
		return err
	}
	b := bill{BOMFormat: "CycloneDX", SpecVersion: "1.6", Version: 1, Metadata: metadata{main}}
	b.Components = append(b.Components, component{
		Type: "library", Name: "std", Version: info.GoVersion, PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"),
	})
	for _, m := range info.Deps {
		c, err := componentOf("library", m, version)
		if err != nil {
			return err
		}
		b.Components = append(b.Components, c)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// componentOf returns a module. A module that is built from the tree has the
// program's version, and no checksum.
func componentOf(kind string, m *debug.Module, version string) (component, error) {
	for m.Replace != nil && m.Replace.Sum != "" { // a folder has no checksum, and its path names nothing elsewhere
		m = m.Replace
	}
	if m.Replace != nil {
		m = &debug.Module{Path: m.Path}
	}
	if m.Version != "(devel)" && m.Version != "" && m.Sum != "" {
		version = m.Version
	}
	c := component{Type: kind, Name: m.Path, Version: version, PURL: "pkg:golang/" + m.Path + "@" + version}
	if m.Sum == "" {
		return c, nil
	}
	text, ok := strings.CutPrefix(m.Sum, "h1:") // SHA-256 over the module's files
	sum, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return c, fmt.Errorf("%s: no checksum: %q", m.Path, m.Sum)
	}
	c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	return c, nil
}
