package e2e_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// window is a tab of any browser.
type window interface {
	open(url string)
	reload()
	back()
	// value returns what a JavaScript expression is, as text.
	value(expression string) (string, error)
	// tab opens another tab of the same browser.
	tab() window
}

// browsers are those that the tests run on. Where there is no Firefox it is left out, because
// not each distribution has a package of it.
func browsers() map[string]func(*testing.T) window {
	all := map[string]func(*testing.T) window{"Chromium": func(t *testing.T) window { return chromium{openBrowser(t)} }}
	if _, err := exec.LookPath(firefoxCommand); err == nil {
		all["Firefox"] = openFirefox
	}
	return all
}

// until waits until a JavaScript expression has a value.
func until(t *testing.T, w window, expression, want string) {
	t.Helper()
	got, err := "", error(nil)
	for end := time.Now().Add(timeleft.Within(t, patience)); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got, err = w.value("String(" + expression + ")"); err == nil && got == want {
			return
		}
	}
	text, _ := w.value("document.body.innerText")
	t.Fatalf("%s is %q (%v), want %q; the page says:\n%s", expression, got, err, want, text)
}

// call runs a statement of JavaScript.
func call(t *testing.T, w window, statement string) {
	t.Helper()
	if _, err := w.value("(() => { " + statement + "; return '' })()"); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

type chromium struct{ *browser }

func (c chromium) reload() { run(c.browser, chromedp.Reload()) }
func (c chromium) back()   { eval[chromedp.Void](c.browser, "history.back()") } // a page that was kept is not loaded

func (c chromium) value(expression string) (string, error) {
	return chromedp.Run(c.ctx, chromedp.Evaluate[string](expression))
}

func (c chromium) tab() window {
	c.t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx)
	c.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // opens it
		c.t.Fatal(err)
	}
	return chromium{&browser{c.t, ctx, nil}}
}
