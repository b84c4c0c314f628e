package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestTheMetricsAreForPrometheus(t *testing.T) {
	s := openLive(t, "memory:")
	w, err := http.Get(s.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	page, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", w.StatusCode, err)
	}
	if !strings.Contains(string(page), "\nsession_store_failing 0\n") {
		t.Errorf("the page is\n%s", page)
	}
}
