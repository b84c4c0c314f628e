package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

var shots = flag.String("shots", "", "keep screenshots in this `folder`")

// browser is one tab of a new Chromium.
type browser struct {
	t       *testing.T
	ctx     context.Context // of the tab
	console <-chan string
}

// openBrowser starts Chromium. Where there is none the test fails, with the
// command that installs it.
func openBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium on this machine; install it with: apt-get install chromium")
	}
	// The profile is in a folder that chromedp makes. Before it removes that it ends those processes
	// of Chromium which outlive the first one, and may write there.
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("no-proxy-server", true), // whatever HTTPS_PROXY is: all sites are here
	)
	options = append(options, more...)
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	console := make(chan string, 1000)
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			console <- m.String() + " " + m.URL
		}
	}()
	b := &browser{t, ctx, console}
	// The shop's messages go after eight seconds, in which a busy machine may not come to look.
	b.onEachPage("const later = setTimeout; window.setTimeout = (f, ms, ...with_) => ms == 8000 ? 0 : later(f, ms, ...with_);")
	return b
}

// onEachPage has a script run in each page, before the page's own.
func (b *browser) onEachPage(script string) {
	b.t.Helper()
	run(b, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	}))
}

// run does a, and returns what comes of it, within patience.
func run[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, timeleft.Within(b.t, patience))
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// eval returns what a JavaScript expression is.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	return run(b, chromedp.Evaluate[T](expression))
}

func (b *browser) open(url string) {
	b.t.Helper()
	run(b, chromedp.Navigate(url))
}

// wantEmptyConsole fails where something was written to the console so far.
func (b *browser) wantEmptyConsole() {
	b.t.Helper()
	const end = "the end"
	run(b, chromedp.Evaluate[chromedp.Void]("console.log("+quote(end)+")"))
	for {
		select {
		case said := <-b.console:
			if strings.Contains(said, end) {
				return
			}
			b.t.Errorf("the console is not empty: %s", said)
		case <-time.After(timeleft.Within(b.t, patience)):
			b.t.Fatal("nothing comes from the console")
		}
	}
}

// shows waits until the visible text holds what is wanted.
func (b *browser) shows(wanted string) {
	b.t.Helper()
	b.becomes("document.readyState == 'complete' && document.body.innerText.includes(" + quote(wanted) + ")")
}

// becomes polls a JavaScript condition, across pages too.
func (b *browser) becomes(condition string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, timeleft.Within(b.t, patience))
	defer cancel()
	for ctx.Err() == nil {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](condition)); err == nil && ok {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Fatalf("never became true: %s\nthe page says:\n%s", condition, eval[string](b, "document.body.innerText"))
}

// tabTo presses Tab until the focus is on what selector finds, and wants to
// see it there.
func (b *browser) tabTo(selector string) {
	b.t.Helper()
	for range 80 {
		b.press(kb.Tab)
		if eval[bool](b, "document.activeElement.matches("+quote(selector)+")") {
			if eval[string](b, "getComputedStyle(document.activeElement).outlineStyle") == "none" {
				b.t.Errorf("the focus on %s cannot be seen", selector)
			}
			return
		}
	}
	b.t.Fatalf("80 times Tab do not lead to %s", selector)
}

func (b *browser) press(keys string) {
	b.t.Helper()
	run(b, chromedp.KeyEvent(keys))
}

// push moves the focus to an element, as tabTo does, and presses Enter there.
func (b *browser) push(selector string) {
	b.t.Helper()
	b.tabTo(selector)
	b.press(kb.Enter)
}

func (b *browser) logIn(name string) {
	b.t.Helper()
	b.tabTo("#name")
	b.press(name + kb.Enter)
	b.shows("Hello, " + name)
}

// wide makes the window as wide as a desktop's.
func (b *browser) wide() {
	b.t.Helper()
	run(b, chromedp.EmulateViewport(1280, 900))
}

func (b *browser) scheme(name string) {
	b.t.Helper()
	run(b, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	}))
}

func (b *browser) withoutScripts() {
	b.t.Helper()
	run(b, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// sessionCookie is the browser's, for a request that it does not make. It has no Expires where
// it goes with the browser.
func (b *browser) sessionCookie() *http.Cookie {
	b.t.Helper()
	cookies := run(b, func(ctx context.Context, _ *chromedp.Target) (network.GetCookiesResult, error) {
		return chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{})
	})
	for _, c := range cookies.Cookies {
		if c.Name == "session" {
			cookie := &http.Cookie{Name: c.Name, Value: c.Value}
			if !c.Session {
				cookie.Expires = time.Unix(int64(c.Expires), 0)
			}
			return cookie
		}
	}
	b.t.Fatal("the browser has no session cookie")
	return nil
}

// shot keeps a picture of the whole page, where pictures are wanted.
func (b *browser) shot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	png := run(b, chromedp.FullScreenshot(100))
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func quote(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprint("no string is without JSON: ", err))
	}
	return string(q)
}
