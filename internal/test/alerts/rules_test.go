package alerts_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/metrics"
)

const docs = "../../../docs"

var (
	rulesFile = filepath.Join(docs, "alerts.yaml")
	testsFile = filepath.Join(docs, "alerts_test.yaml")
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// matches returns what the first group of a pattern matches.
func matches(pattern, text string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestTheRulesPassTheirTests(t *testing.T) {
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "test", "rules", testsFile)
}

// A test that names no alert would pass: each alert is expected in one.
func TestEachRuleHasItsTest(t *testing.T) {
	tests := read(t, testsFile)
	names := matches(`(?m)^  - alert: (\S+)$`, read(t, rulesFile))
	if len(names) < 20 {
		t.Fatalf("%d alerts found", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests, `exp_samples: [{labels: '{alertname="`+name+`"}', value: 1}]`) {
			t.Errorf("%s fires in no test", name)
		}
	}
}

// A rule on a metric that is not there never fires, which no operator would notice.
func TestEachMetricOfARuleIsWritten(t *testing.T) {
	var figures metrics.Metrics
	m, err := session.New(figures.Store(memstore.New(nil), "memory"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close(t.Context()) }()
	known := map[string]bool{}
	for _, f := range figures.Figures(m) {
		known[f.Name] = true
		if f.Kind == metrics.Histogram {
			known[f.Name+"_bucket"] = true
			known[f.Name+"_count"] = true
			known[f.Name+"_sum"] = true
		}
	}
	names := matches(`\b((?:session|db_client)_[a-z_]+)`, read(t, rulesFile))
	if len(names) < 30 {
		t.Fatalf("%d names found", len(names))
	}
	for _, name := range names {
		if !known[name] {
			t.Errorf("a rule is about %s, which no page has", name)
		}
	}
	w := httptest.NewRecorder()
	figures.Handler(m).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, bound := range matches(`le="([^"]+)"`, read(t, rulesFile)) {
		if !strings.Contains(w.Body.String(), `le="`+bound+`"`) {
			t.Errorf("a rule is about a bucket of %s s, which no page has", bound)
		}
	}
}

// Each alert leads to a paragraph of its own, with the answers that a person on call needs.
func TestEachAlertHasItsParagraph(t *testing.T) {
	page := read(t, filepath.Join(docs, "OPERATIONS.md"))
	rules := read(t, rulesFile)
	names := matches(`(?m)^  - alert: (\S+)$`, rules)
	links := matches(`runbook_url: https://github.com/holdfast-go/session/blob/main/docs/OPERATIONS.md#(\S+)`, rules)
	if len(names) != len(links) {
		t.Fatalf("%d alerts have %d links", len(names), len(links))
	}
	for i, name := range names {
		if links[i] != strings.ToLower(name) {
			t.Errorf("%s leads to #%s", name, links[i])
		}
		_, after, found := strings.Cut(page, "\n#### "+name+"\n")
		if !found {
			t.Errorf("OPERATIONS.md has no paragraph about %s", name)
			continue
		}
		paragraph, _, _ := strings.Cut(after, "\n#")
		for _, part := range []string{"**Visitors**", "**Look**", "**Do**", "**Order**"} {
			if !strings.Contains(paragraph, part) {
				t.Errorf("the paragraph about %s has no %s", name, part)
			}
		}
	}
	for _, name := range matches(`(?m)^#### (Session\w+)$`, page) {
		if !strings.Contains(rules, "alert: "+name+"\n") {
			t.Errorf("OPERATIONS.md tells of %s, and no rule is called so", name)
		}
	}
}

// Each rule says how long, how bad and what.
func TestEachRuleIsWhole(t *testing.T) {
	for _, rule := range strings.Split(read(t, rulesFile), "\n  - alert: ")[1:] {
		name, _, _ := strings.Cut(rule, "\n")
		wait := regexp.MustCompile(`(?m)^    for: (\S+)$`).FindStringSubmatch(rule)
		if wait == nil {
			t.Errorf("%s does not say for how long", name)
		} else if _, err := time.ParseDuration(strings.Replace(wait[1], "1d", "24h", 1)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !regexp.MustCompile(`(?m)^    labels: \{severity: (page|warning|info)\}$`).MatchString(rule) {
			t.Errorf("%s has no severity", name)
		}
		if !strings.Contains(rule, "      summary: '") {
			t.Errorf("%s has no summary", name)
		}
	}
}
