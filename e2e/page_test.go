package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestThePageSaysWhatItDemonstratesAndWhatToTry(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"with buttons", nil, []string{"demonstrates Holdfast, sessions for Go that outlive their store", "in the visitor’s own cookies", "Put something in your cart.", "Log out, while the store is away.", "it is back, and not trusted yet"}},
		{"without a backup", []string{"-no-backup"}, []string{"demonstrates Holdfast", "the backup is off"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := startShop(t, append(c.args, "-insecure")...) // first: the browser's connections end before it
			b := openBrowser(t)
			run(b, chromedp.EmulateViewport(360, 640))
			b.open(url)
			for _, text := range c.says {
				b.shows(text)
			}
			if !eval[bool](b, "document.getElementById('about').getBoundingClientRect().top < innerHeight / 2") {
				t.Error("it says so where nobody looks first")
			}
			b.wantGoodLooks("about-" + strings.ReplaceAll(c.name, " ", "-"))
			b.wantEmptyConsole()
		})
	}
}

// covered lists what can be pressed and is under a message, however far the page
// is scrolled.
const covered = `(() => {
	const all = new Set();
	for (let at = 0; at < document.documentElement.scrollHeight; at += 40) {
		scrollTo(0, at);
		for (const e of under()) all.add(e);
	}
	return [...all];
	function under() {
	const over = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
	const said = [...document.querySelectorAll("#message, .said")].filter((m) => m.textContent && m.getBoundingClientRect().width > 1);
	return [...document.querySelectorAll("button, a, input:not([type=hidden])")]
		.filter((e) => !e.matches(".skip") && said.some((m) => over(m.getBoundingClientRect(), e.getBoundingClientRect())))
		.map((e) => e.textContent.trim());
	}
})()`

func TestAMessageCoversNoButton(t *testing.T) {
	url := startShop(t, "-insecure")
	b := openBrowser(t)
	b.open(url)
	b.logIn("Ada")
	for _, width := range []int64{360, 1280} {
		run(b, chromedp.EmulateViewport(width, 640))
		for _, sku := range []string{"rye", "butter", "soup", "cake", "tea"} {
			form := "document.querySelector(\"#menu form:has([value=" + sku + "])\")"
			// At the lower edge, where a message used to be.
			name := eval[string](b, "("+form+".closest('li').scrollIntoView({block: 'end'}), "+form+".closest('li').querySelector('h2').textContent)")
			eval[chromedp.Void](b, form+".requestSubmit()")
			b.becomes("document.getElementById('message').textContent == " + quote(name+" is in your cart."))
			if got := eval[[]string](b, covered); len(got) > 0 {
				t.Errorf("%d wide, after %s: a message covers %q", width, sku, got)
			}
			if !eval[bool](b, `[...document.querySelectorAll(".said")].some((m) => {
				const r = m.getBoundingClientRect();
				return m.textContent == document.getElementById("message").textContent && r.width > 20 && r.height > 10;
			})`) {
				t.Errorf("%d wide, after %s: nobody sees the message", width, sku)
			}
		}
		eval[chromedp.Void](b, "document.querySelector('#cart li form').requestSubmit()")
		b.shows("out of your cart.")
		if got := eval[[]string](b, covered); len(got) > 0 {
			t.Errorf("%d wide, in the cart: a message covers %q", width, got)
		}
	}
	b.wantGoodLooks("message")
	b.wantEmptyConsole()
}

func TestWhereTheSessionIsReadFollowsTheStore(t *testing.T) {
	url := startShopThatSays(t, outageLog, "-insecure")
	b := openBrowser(t)
	b.wide()
	b.open(url)
	b.logIn("Ada")
	reads := func(from string) string {
		return "[...document.querySelectorAll('#session dd')].some((d) => d.textContent == " + quote(from) + ")"
	}
	b.becomes(reads("the store"))
	eval[chromedp.Void](b, "window.same = true") // until the page is loaded anew
	for _, how := range []string{"freeze", "kill"} {
		b.push("form[action='/store/" + how + "'] button")
		b.push("form:has([value=soup]) button")
		b.becomes(reads("the backup in your cookies"))
		b.push("form[action='/store/back'] button")
		b.becomes(reads("the store"))
	}
	if !eval[bool](b, "window.same === true") {
		t.Error("the page was loaded anew")
	}
	b.wantEmptyConsole()
}

// The step that is next is marked, by what the page shows.
func TestThePageLeadsThroughAnOutage(t *testing.T) {
	url := startShopThatSays(t, outageLog, "-insecure")
	b := openBrowser(t)
	b.wide()
	b.open(url)
	next := func(steps string) {
		t.Helper()
		b.becomes(`[...document.querySelectorAll(".steps li")].filter((li) => getComputedStyle(li).fontWeight == "600").map((li) => li.className).join(" ") == ` + quote(steps))
	}
	next("log-in")
	b.logIn("Ada")
	next("fill")
	b.push("form:has([value=rye]) button")
	next("kill")
	b.push("form[action='/store/kill'] button")
	next("go-on log-out")
	b.wantGoodLooks("steps")
	b.wide()
	b.push("form[action='/logout'] button")
	b.shows("You are logged out")
	next("bring-back")
	b.push("form[action='/store/back'] button")
	next("log-in")
	b.wantEmptyConsole()
}
