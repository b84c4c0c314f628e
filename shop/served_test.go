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
	for _, want := range []string{
		"session_store_failing 0",
		`session_override_mode{mode="auto"} 1`,
		"session_journal_oldest_seconds 0",
		"session_backup_keys 1",
		`session_backup_faults_total{fault="forged"} 0`,
		`session_revocations_total{durability="durable"} 0`,
		"session_copy_bytes_total ",
		`session_shard_members{shard=""} 1`,
		`session_shard_heard_seconds{shard=""} `,
		`session_shard_losses_total{shard=""} 0`,
		`db_client_operation_duration_seconds_bucket{db_system_name="memory",db_operation_name="load",error_type="",le="0.025"} `,
	} {
		if !strings.Contains(string(page), "\n"+want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if t.Failed() {
		t.Logf("the page is\n%s", page)
	}
}
