package session_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

func TestADirectoryThatCannotKeepTheJournalIsAMistake(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		backup session.Backup
		want   string
	}{
		"it is missing":           {session.Backup{Dir: file + "-missing"}, "session: Backup.Dir: "},
		"it is a file":            {session.Backup{Dir: file}, "session: Backup.Dir: "},
		"it is not named":         {session.Backup{Sync: true}, "session: Backup.Sync without a Dir"},
		"and what else is wrong":  {session.Backup{Dir: file, Journal: -1}, "session: Backup.Journal is negative"},
		"it is a file, and more ": {session.Backup{Dir: file, Journal: -1}, "session: Backup.Dir: "},
	} {
		t.Run(name, func(t *testing.T) {
			test.backup.Keys, test.backup.Audience = keys, "test"
			_, err := session.New(memstore.New(nil), &session.Options{Backup: &test.backup})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New = %v, want %q", err, test.want)
			}
		})
	}
}

// A process that ends in an outage leaves the write of a visitor who never returns. The
// next process delivers it.
func TestTheJournalOutlivesItsProcess(t *testing.T) {
	of, left := t.TempDir(), t.TempDir()
	o := session.Options{Backup: &session.Backup{Dir: of}}
	testSite(t, o, func(s *site) {
		s.store.Fail(errRefused)
		s.after(10 * time.Second)
		v := sessiontest.NewVisitor(t, s.a)
		s.serve(s.a, v, func(x *session.Session) { food.Set(x, "tofu") })
		f := s.a.Stats().Journal.File
		if f.Bytes == 0 || f.Unwritten != 0 {
			t.Errorf("the figures are %+v", f)
		}
		files, err := filepath.Glob(filepath.Join(of, "*"))
		if err != nil || len(files) != 2 {
			t.Fatalf("there are %q, %v, want the files of two processes", files, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"tofu", string(sessionIDOf(cookieOf(v))), cookieOf(v)} {
				if strings.Contains(string(b), secret) {
					t.Errorf("the file has %q in clear text", secret)
				}
			}
			if err := os.WriteFile(filepath.Join(left, filepath.Base(name)), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}

		o := o
		o.Backup = &session.Backup{Keys: s.keys, Audience: "shop-test", Dir: left}
		other := storetest.NewFaulty(memstore.New(nil))
		next := mustNew(t, other, &o)
		if n := next.Stats().Journal.States; n != 1 {
			t.Errorf("the next process owes %d states, want one", n)
		}
		s.after(20 * time.Second)
		knowsNothing := mustNew(t, other, &session.Options{})
		got := ""
		s.serve(knowsNothing, v, func(x *session.Session) { got = food.Or(x, "") })
		if got != "tofu" {
			t.Errorf("the store has %q, want what was written before the process ended", got)
		}
		if err := next.Close(s.Context()); err != nil {
			t.Error(err)
		}
		if rest, _ := filepath.Glob(filepath.Join(left, "*")); len(rest) != 0 {
			t.Errorf("Close left %q", rest)
		}
	})
}

func TestAFileThatCannotBeReadIsTold(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "0.journal"), []byte("session journal 1\nnothing that opens\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "1.journal"), []byte("session journal 99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := map[session.FileFault]int{}
	o := session.Options{Backup: &session.Backup{Dir: dir}}
	o.Hooks.JournalFile = func(_ context.Context, fault session.FileFault, err error) {
		if err == nil {
			t.Errorf("%v without an error", fault)
		}
		told[fault]++
	}
	testSite(t, o, func(s *site) {
		if told[session.FileDamaged] != 1 || told[session.FileUnreadable] == 0 {
			t.Errorf("the hook was told %v", told)
		}
		if n := s.a.Stats().Journal.File.Damaged; n != 1 {
			t.Errorf("%d lines are damaged, want one", n)
		}
	})
}

func TestFileFaultsHaveNames(t *testing.T) {
	names := []string{"no fault", "failing", "recovered", "damaged", "unreadable", "FileFault(5)"}
	for f, want := range names {
		if got := session.FileFault(f).String(); got != want {
			t.Errorf("FileFault(%d) = %q, want %q", f, got, want)
		}
	}
}

func TestLogHooksTellOfAFile(t *testing.T) {
	var log strings.Builder
	hooks := session.LogHooks(slog.New(slog.NewTextHandler(&log, nil)))
	hooks.JournalFile(t.Context(), session.FileFailing, errRefused)
	hooks.JournalFile(t.Context(), session.FileRecovered, nil)
	for _, want := range []string{`level=WARN msg="session journal file: failing" error="connection refused"`, `level=INFO msg="session journal file: recovered"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log is %q, want %q", log.String(), want)
		}
	}
}
