package session_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
)

// logged is what a log line has, by its message: the level, and the names of the attributes,
// in parentheses those that are not in every line.
type logged map[string]string

// lineNotes is a slog.Handler that notes the levels and attributes of lines.
type lineNotes struct{ seen map[string][]slog.Record }

func (lineNotes) Enabled(context.Context, slog.Level) bool { return true }
func (l lineNotes) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l lineNotes) WithGroup(string) slog.Handler          { return l }
func (l lineNotes) Handle(_ context.Context, r slog.Record) error {
	l.seen[r.Message] = append(l.seen[r.Message], r)
	return nil
}

// all returns what the lines had.
func (l lineNotes) all() logged {
	out := logged{}
	for message, records := range l.seen {
		count := map[string]int{}
		for _, r := range records {
			r.Attrs(func(a slog.Attr) bool { count[a.Key]++; return true })
		}
		var names []string
		for name, n := range count {
			if n < len(records) {
				name = "(" + name + ")"
			}
			names = append(names, name)
		}
		slices.Sort(names)
		out[message] = records[0].Level.String() + " " + strings.Join(names, " ")
	}
	return out
}

// docs/LOGS.md has every line that LogHooks write, with its level and its attributes. A hook
// or a line that this test does not call is an error too.
func TestThePageOfLogLinesHasThemAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lineNotes{map[string][]slog.Record{}}
		hooks := session.LogHooks(slog.New(l))
		callAllLogHooks(t, hooks)
		wrote, page := l.all(), pageOfLogLines(t)
		for message, with := range wrote {
			if got := page[message]; got != with {
				t.Errorf("docs/LOGS.md has of %q: %q, want %q", message, got, with)
			}
		}
		for message := range page {
			if wrote[message] == "" {
				t.Errorf("docs/LOGS.md has %q: no hook writes that", message)
			}
		}
		for _, message := range messagesOfLogHooks(t) {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(wrote)), func(m string) bool { return strings.HasPrefix(m, message) }) {
				t.Errorf("LogHooks can write %q: this test does not make it do so", message)
			}
		}
	})
}

// callAllLogHooks calls each hook as often as its lines differ.
func callAllLogHooks(t *testing.T, h session.Hooks) {
	t.Helper()
	ctx := t.Context()
	outages := []session.Outage{{Err: errRefused}, {Shard: "cache-1", Err: errRefused, Delivered: 1}}
	calls := map[string]func(){
		"Down": func() {
			h.Down(ctx, "", errRefused)
			h.Down(ctx, "cache-1", errRefused)
		},
		"StillDown": func() {
			for _, o := range outages {
				h.StillDown(ctx, o)
			}
		},
		"Up": func() {
			for _, o := range outages {
				h.Up(ctx, o)
			}
		},
		"Settled": func() {
			for _, o := range outages {
				h.Settled(ctx, o)
			}
		},
		"Forgot": func() {
			h.Forgot(ctx, "")
			h.Forgot(ctx, "cache-1")
		},
		"Evicted": func() {
			h.Evicted(ctx, "", 1)
			h.Evicted(ctx, "cache-1", 1)
		},
		"Early": func() { h.Early(ctx, 1) },
		"Failed": func() {
			for range 15 {
				h.Failed(ctx, session.OperationSave, "id", errRefused)
				time.Sleep(time.Second)
			}
		},
		"Backup": func() {
			for f := session.BackupForged; f <= session.BackupTooLarge; f++ {
				h.Backup(ctx, "id", f, errRefused)
			}
		},
		"Overflow": func() { h.Overflow(ctx, "id") },
		"JournalFile": func() {
			for f := session.FileFailing; f <= session.FileUnreadable; f++ {
				h.JournalFile(ctx, f, errRefused)
			}
		},
		"BadValue":        func() { h.BadValue(ctx, "id", &session.ValueError{Key: "cart"}) },
		"PlainHTTP":       func() { h.PlainHTTP(ctx, "shop.test") },
		"InsecureOverTLS": func() { h.InsecureOverTLS(ctx, "shop.test") },
		"Login":           func() { h.Login(ctx, "id", "", "ann") },
		"Renewed":         func() { h.Renewed(ctx, "id", "old", "ann") },
		"Rotated":         func() { h.Rotated(ctx, "id", "old", "ann") },
		"Refused":         func() { h.Refused(ctx, "", "ann") },
		"Ended": func() {
			h.Ended(ctx, session.Ending{ID: "id", User: "ann", By: session.EndedByVisitor, Durability: session.Durable})
			h.Ended(ctx, session.Ending{ID: "id", User: "ann", By: session.EndedByTime})
		},
		"Revoked": func() { h.Revoked(ctx, "ann", session.Durable) },
		"Dropped": func() { h.Dropped(ctx, "id", errRefused) },
	}
	v := reflect.ValueOf(h)
	order := []string{"Down", "StillDown", "Up"} // Failed is silent until the shards are back
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; !v.Field(i).IsNil() && !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	for _, name := range order {
		if calls[name] == nil {
			t.Errorf("LogHooks has a hook %s that this test does not call", name)
			continue
		}
		calls[name]()
	}
}

// messagesOfLogHooks returns the messages in the source of LogHooks' lines; of one that ends
// in a word for a fault, its beginning.
func messagesOfLogHooks(t *testing.T) (found []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "internal/loglines/loglines.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		text, ok := n.(*ast.BasicLit)
		if !ok || text.Kind != token.STRING {
			return true
		}
		message, err := strconv.Unquote(text.Value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(message, "session ") {
			found = append(found, message)
		}
		return true
	})
	if len(found) < 20 {
		t.Fatalf("only %d messages found", len(found))
	}
	return found
}

// pageOfLogLines returns the rows of docs/LOGS.md.
func pageOfLogLines(t *testing.T) logged {
	t.Helper()
	page, err := os.ReadFile("docs/LOGS.md")
	if err != nil {
		t.Fatal(err)
	}
	out := logged{}
	rows := regexp.MustCompile("(?m)^\\| (INFO|WARN|ERROR) \\| `([^`]+)` \\| ([^|]*) \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(string(page), -1)
	for _, row := range rows {
		names := strings.Split(strings.TrimSuffix(strings.ReplaceAll(row[3], "`", ""), "none"), ", ")
		slices.Sort(names)
		if out[row[2]] != "" {
			t.Errorf("docs/LOGS.md has %q twice", row[2])
		}
		out[row[2]] = row[1] + " " + strings.Join(names, " ")
	}
	return out
}
