package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// operators is a page of a Manager that a token opens.
type operators struct {
	url      string
	order    override.Value
	sessions *session.Manager
}

func openPage(t *testing.T) *operators {
	t.Helper()
	o := &operators{}
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	o.sessions = sessiontest.New(t, &session.Options{Backup: &session.Backup{Keys: keys, Audience: "command-test"}, Switch: &o.order})
	page, err := admin.New(o.sessions, func(r *http.Request) (string, admin.Access) {
		switch r.Header.Get("Authorization") {
		case "Bearer act":
			return "ann", admin.MayAct
		case "Bearer look":
			return "lou", admin.MayLook
		}
		return "", admin.Denied
	}, &admin.Options{Name: "shop-1\x1b[2J", Order: o.order.Order, Log: slog.New(slog.DiscardHandler), Store: memstore.New(nil)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/ops", page))
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := page.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	o.url = server.URL + "/ops"
	return o
}

func (o *operators) logIn(t *testing.T, user string) *sessiontest.Visitor {
	t.Helper()
	return sessiontest.NewVisitor(t, o.sessions, func(s *session.Session) { s.SetUser(user) })
}

// says runs the command, and returns what it prints and its exit status.
func says(t *testing.T, args string) (stdout, stderr string, exit int) {
	t.Helper()
	var out, err printed.Text
	exit = run(t.Context(), strings.Fields(args), &out, &err)
	if all := out.String() + err.String(); strings.Contains(all, "\x1b") {
		t.Errorf("%s: %q would move a terminal's cursor", args, all)
	}
	return out.String(), err.String(), exit
}

func TestSessionsAreFoundAndEnded(t *testing.T) {
	o := openPage(t)
	t.Setenv("HOLDFAST_TOKEN", "act")
	ada := o.logIn(t, "ada")
	other := o.logIn(t, "ada")
	bo := o.logIn(t, "bo")
	id := string(ada.Session().ID())
	until(t, "the list", func() bool {
		out, _, _ := says(t, "sessions ls "+o.url+" ada")
		return strings.Count(out, "\n") == 3 && strings.Contains(out, id)
	})
	for _, step := range []struct {
		args, said string
		exit       int
	}{
		{"sessions ls " + o.url + " nobody", "ID ", 1},
		{"sessions show " + o.url + " " + id, "id         " + id + "\nuser       ada\n", 0},
		{"sessions show --json " + o.url + " " + id, `{"id":"` + id + `","user":"ada"`, 0},
		{"sessions end " + o.url + " " + id, "ended\n", 0},
		{"sessions show " + o.url + " " + id, "", 1},
		{"sessions end " + o.url + " " + id, "no session has this ID; none can begin under it\n", 1},
		{"sessions end --json " + o.url + " " + id, `{"outcome":"durable","missing":true}`, 1},
		{"sessions end-user --json " + o.url + " ada", `{"outcome":"durable"}`, 0},
		{"sessions end-before " + o.url + " yesterday", "", 2},
	} {
		out, errs, exit := says(t, step.args)
		if exit != step.exit || !strings.HasPrefix(out, step.said) {
			t.Errorf("%s: exit status %d and %q, want %d and %q: %s", step.args, exit, out, step.exit, step.said, errs)
		}
	}
	if ada.Session().User() != "" || other.Session().User() != "" || bo.Session().User() != "bo" {
		t.Errorf("%q and %q are logged in, and %q; want bo alone", ada.Session().User(), other.Session().User(), bo.Session().User())
	}
	if out, errs, exit := says(t, "sessions end-before "+o.url+" now"); exit != 0 || out != "ended\n" {
		t.Errorf("exit status %d, %q: %s", exit, out, errs)
	}
	if got := bo.Session().User(); got != "" {
		t.Errorf("%s is still logged in", got)
	}
	// An end that waits for the store is not done.
	o.order.SetUntil(session.Override{Mode: session.BackupOnly}, time.Now().Add(time.Hour))
	if out, _, exit := says(t, "sessions end-user "+o.url+" bo"); exit != 1 || !strings.Contains(out, "pending") {
		t.Errorf("exit status %d and %q, want 1 and pending", exit, out)
	}
}

func TestStatusHasALineAShard(t *testing.T) {
	o := openPage(t)
	t.Setenv("HOLDFAST_TOKEN", "look")
	o.logIn(t, "ada")
	out, errs, exit := says(t, "status "+o.url)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if exit != 0 || len(lines) != 2 || !strings.HasPrefix(lines[0], "INSTANCE") || !strings.HasPrefix(lines[1], "shop-1?[2J ") || !strings.Contains(lines[1], " serving ") {
		t.Errorf("exit status %d and %q: %s", exit, out, errs)
	}
	o.order.SetUntil(session.Override{Mode: session.BackupOnly, Lease: 2 * time.Hour}, time.Now().Add(time.Hour))
	until(t, "the order", func() bool {
		out, _, exit := says(t, "status "+o.url)
		return exit == 1 && strings.Contains(out, " away ") && strings.Contains(out, "order: backup-only, backups vouch for 2h0m0s, for another ")
	})
	out, _, exit = says(t, "status --json "+o.url)
	var s admin.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil || exit != 1 || s.By != "lou" || s.MayAct || len(s.Instances) != 1 {
		t.Errorf("exit status %d and %s: %v", exit, out, err)
	}
	c := start(t, "status", o.url, "--watch", "--every", "100ms")
	until(t, "a third line", func() bool { return strings.Count(c.stdout.String(), "shop-1") >= 3 })
	exit = c.end()
	heads, count := strings.Count(c.stdout.String(), "INSTANCE"), strings.Count(c.stdout.String(), "shop-1")
	if exit != 0 || heads != 1+(count-1)/20 {
		t.Errorf("exit status %d and %d heads over %d lines: %q", exit, heads, count, c.stdout.String())
	}
}

func TestAPageThatIsNotAsked(t *testing.T) {
	o := openPage(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	elsewhere := httptest.NewServer(http.RedirectHandler("/login", http.StatusSeeOther))
	defer elsewhere.Close()
	t.Setenv("HOLDFAST_TOKEN", "top-secret")
	for _, tt := range []struct {
		is, args string
		exit     int
		said     string
	}{
		{"a token in a file", "status " + o.url + " --token-file " + file("good", "act\n"), 0, ""},
		{"a wrong token", "status " + o.url, 2, "not allowed (403 Forbidden)"},
		{"an operator who may look only", "sessions end-user " + o.url + " ada --token-file " + file("look", "look"), 2, "you may look, and not act"},
		{"a file that is not there", "status " + o.url + " --token-file " + dir + "/none", 2, "--token-file"},
		{"an empty file", "status " + o.url + " --token-file " + file("empty", "\n"), 2, "the file is empty"},
		{"a file of two lines", "status " + o.url + " --token-file " + file("two", "a\nb"), 2, "in one line"},
		{"a page far away in clear text", "status http://ops.shop.test/admin", 2, "in clear text"},
		{"a password in the address", "status https://user:top-secret@ops.shop.test/admin", 2, "has a password in it"},
		{"no address", "status ops.shop.test", 2, "want http://host:port/path"},
		{"a page that is not there", "status http://127.0.0.1:1/admin", 2, "refused"},
		{"a login page", "status " + elsewhere.URL, 2, "no answer of the operators' page (303 See Other)"},
		{"no pause", "status --watch --every 0s " + o.url, 2, "--every 0s"},
	} {
		out, errs, exit := says(t, tt.args)
		if exit != tt.exit || !strings.Contains(errs, tt.said) {
			t.Errorf("%s: exit status %d, %q and %q; want %d and %q", tt.is, exit, out, errs, tt.exit, tt.said)
		}
		if strings.Contains(out+errs, "top-secret") {
			t.Errorf("%s: the token is shown: %s%s", tt.is, out, errs)
		}
	}
}
