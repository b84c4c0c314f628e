package session_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// docs/REGRESSIONS.md says of each defect that other session layers have which
// test keeps it out, and docs/THREATS.md the same of attacks. A row whose test
// is gone promises what is not tested.
func TestEveryDefectOfOthersHasItsTest(t *testing.T) {
	tests := map[string]map[string]bool{} // by name, with the texts in the body: names of subtests and of rows
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		promises := strings.HasPrefix(filepath.ToSlash(path), "internal/test/acceptance/")
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") && !promises {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !promises && !strings.HasPrefix(fn.Name.Name, "Test") {
				continue
			}
			texts := map[string]bool{}
			ast.Inspect(fn, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					texts[strings.Trim(lit.Value, "\"`")] = true
				}
				return true
			})
			tests[fn.Name.Name] = texts
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	exists := func(name string) bool {
		test, part, sub := strings.Cut(name, "/")
		if texts, ok := tests[test]; ok {
			return strings.HasPrefix(test, "Test") && (!sub || texts[part])
		}
		// A promise, which Run names, with a row of the function that it calls.
		return tests["Run"][test] && (!sub || tests["overlapLogout"][part])
	}
	for name, least := range map[string]int{"docs/REGRESSIONS.md": 20, "docs/THREATS.md": 15} {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rows := regexp.MustCompile("(?m)^\\|.*\\| `([^`]+)` \\|$").FindAllStringSubmatch(string(page), -1)
		for _, m := range rows {
			if !exists(m[1]) {
				t.Errorf("%s names %q: there is no such test", name, m[1])
			}
		}
		if len(rows) < least {
			t.Errorf("%d rows found in %s", len(rows), name)
		}
	}
}

// oauth2-proxy deletes the cookie of a visitor who leaves while the store is
// being asked, and counts it against the store.
func TestLeavingEarlyLogsNobodyOut(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	store := storetest.NewFaulty(memstore.New(nil))
	failures := 0
	m := mustNew(t, store, &session.Options{Hooks: session.Hooks{
		Failed: func(context.Context, session.Operation, session.ID, error) { failures++ },
		Down:   func(context.Context, string, error) { failures++ },
	}})
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	store.Before(func(string, session.ID) error { leave(); return ctx.Err() })
	answer := v.Do(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("From = %v", err)
		}
		user.Set(s, "anonymous")
	})), v.Request(http.MethodGet, "/", nil).WithContext(ctx))
	if answer.Header["Set-Cookie"] != nil || failures != 0 || m.Stats().Failing {
		t.Errorf("cookies %v, %d failures, %+v", answer.Header["Set-Cookie"], failures, m.Stats())
	}
	store.Before(nil)
	if got := user.Or(v.Session(), ""); got != "bob" {
		t.Errorf("user = %q", got)
	}
}

// scs writes the handler's body behind its own error page.
func TestTheErrorPageIsNotFollowedByTheHandlersBody(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	store.Fail(errors.New("away"))
	w := httptest.NewRecorder()
	m.Handler(ask(t, func(w http.ResponseWriter, _ *http.Request, s *session.Session) {
		user.Set(s, "bob")
		fmt.Fprint(w, "put-ok")
		fmt.Fprint(w, "put-ok")
	})).ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/", nil))
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "put-ok") {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// scs, fiber: what a page without a session costs when nothing is wrong.
func TestStaticFilesAreServedWhileTheStoreIsAway(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	store.Fail(errors.New("away"))
	calls := store.Loads() + store.Saves()
	answer := v.Get(m.Handler(http.FileServer(http.Dir("docs"))), "/REGRESSIONS.md")
	if answer.StatusCode != http.StatusOK || answer.Header["Set-Cookie"] != nil || store.Loads()+store.Saves() != calls {
		t.Errorf("status %d, cookies %v, %d calls", answer.StatusCode, answer.Header["Set-Cookie"], store.Loads()+store.Saves()-calls)
	}
}

// fiber: a cookie for each request, or none; a key for each anonymous hit.
func TestOneSessionOneCookie(t *testing.T) {
	store := memstore.New(nil)
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m)
	h := m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		if r.Method == http.MethodPost {
			count.Update(s, func(n *int) error { *n++; return nil })
		}
	}))
	cookies := 0
	for range 10 {
		cookies += len(v.Get(h, "/").Cookies())
	}
	if cookies != 0 || store.Len() != 0 {
		t.Fatalf("an anonymous visitor got %d cookies and %d records", cookies, store.Len())
	}
	for range 10 {
		cookies += len(v.Do(h, v.Request(http.MethodPost, "/", nil)).Cookies())
	}
	if cookies != 1 || store.Len() != 1 || count.Or(v.Session(), 0) != 10 {
		t.Errorf("ten writes gave %d cookies, %d records, count %d", cookies, store.Len(), count.Or(v.Session(), 0))
	}
}
