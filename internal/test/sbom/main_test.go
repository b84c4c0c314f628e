package main

import (
	"bytes"
	"encoding/json"
	"runtime/debug"
	"testing"
)

func TestABillNamesEachModuleWithItsVersion(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Path: "example.test/command", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.test/own", Version: "v0.0.0", Replace: &debug.Module{Path: "../../", Version: "(devel)"}},
			{Path: "example.test/left", Version: "v1.0.0", Replace: &debug.Module{Path: "example.test/fork", Version: "v1.0.1", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},
			{Path: "example.test/other", Version: "v1.2.3", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
		},
	}
	var out bytes.Buffer
	if err := write(&out, info, "v0.3.0"); err != nil {
		t.Fatal(err)
	}
	var got bill
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.BOMFormat != "CycloneDX" || got.Metadata.Component.PURL != "pkg:golang/example.test/command@v0.3.0" {
		t.Errorf("got %+v, want CycloneDX of the command at v0.3.0", got)
	}
	want := []string{"pkg:golang/std@1.26.8", "pkg:golang/example.test/own@v0.3.0", "pkg:golang/example.test/fork@v1.0.1", "pkg:golang/example.test/other@v1.2.3"}
	if len(got.Components) != len(want) {
		t.Fatalf("got %d components, want %d", len(got.Components), len(want))
	}
	for i, c := range got.Components {
		if c.PURL != want[i] {
			t.Errorf("component %d: got %s, want %s", i, c.PURL, want[i])
		}
	}
	const sum = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	if h := got.Components[3].Hashes; len(h) != 1 || h[0] != (hash{"SHA-256", sum}) {
		t.Errorf("got the checksum %v, want %s", h, sum)
	}
	if h := got.Components[1].Hashes; len(h) != 0 {
		t.Errorf("a module of the tree has the checksum %v", h)
	}
	info.Deps[2].Sum = "h2:?"
	if err := write(&out, info, "v0.3.0"); err == nil {
		t.Error("a checksum of another kind is no error")
	}
}
