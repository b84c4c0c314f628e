package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// outageLog is what the shop logs where its store is stopped and comes back.
const outageLog = `msg="session store (is (still )?away|is back|has )`

// shoppersLog is outageLog where shoppers come: the message of a last click, which is of the
// lowest rank, may find no room in a copy. The shoppers themselves check that they miss
// nothing.
const shoppersLog = outageLog + `|msg="session backup: partial".* no room for flash \(\d+ bytes\) in `

const cartLength = "document.querySelector('#cart ol')?.children.length"

// The promise of it all, in a real browser, with the keyboard only.
func TestTheStoreIsKilledAndTheVisitorDoesNotNotice(t *testing.T) {
	for _, store := range []string{"memory:", "spawn:memcached", "spawn:redis"} {
		t.Run(store, func(t *testing.T) {
			name := "outage-" + strings.Trim(strings.TrimPrefix(store, "spawn:"), ":")
			url := startShopThatSays(t, outageLog, "-insecure", "-store", store)
			b := openBrowser(t)
			b.wide()
			b.open(url)
			b.logIn("Ada")
			b.shows("The store answers. Each visitor")
			for _, sku := range []string{"rye", "cake"} {
				b.push("form:has([value=" + sku + "]) button")
				b.shows("is in your cart.")
			}
			b.becomes(cartLength + " == 2")
			b.wantGoodLooks(name + "-before")
			b.wide()

			b.push("form[action='/store/kill'] button")
			b.shows("The store was killed, and all that it held is gone.")
			if !eval[bool](b, "document.activeElement.matches(\"form[action='/store/kill'] button\")") {
				t.Error("the focus left the button that was pressed")
			}
			b.push("form:has([value=soup]) button")
			b.becomes(cartLength + " == 3")
			b.shows("visitors are served from their own cookies.")
			b.shows("1 change waits for the store.")
			run(b, chromedp.Reload())
			b.shows("the backup in your cookies")
			b.becomes(cartLength + " == 3")
			b.wantGoodLooks(name + "-away")
			b.wide()

			b.push("form[action='/store/back'] button")
			b.shows("The store was started again, empty.")
			b.shows("The store is back, empty.")
			b.shows("1 change that waited reached the store.")
			b.becomes("document.getElementById('live-state').textContent.startsWith('The store answers. ')")
			run(b, chromedp.Reload())
			b.shows("Hello, Ada")
			b.shows("€ 12.30")
			b.becomes("[...document.querySelectorAll('#session dd')].some((d) => d.textContent == 'the store')")
			b.becomes(cartLength + " == 3")
			b.wantGoodLooks(name + "-after")
			b.wantEmptyConsole()
		})
	}
}

func TestTheStoreIsFrozenAndThawedWithoutJavaScript(t *testing.T) {
	url := startShopThatSays(t, outageLog, "-insecure", "-store", "spawn:redis")
	b := openBrowser(t)
	b.withoutScripts()
	b.open(url)
	b.logIn("Grace")
	b.push("form[action='/store/freeze'] button")
	b.shows("The store was frozen: it takes what is sent, and answers nothing.")
	b.push("form:has([value=soup]) button")
	b.shows("Barley soup is in your cart.")
	reloadUntil(b, "visitors are served from their own cookies.")
	b.push("form[action='/store/back'] button")
	b.shows("The store was thawed, with all that it held.")
	reloadUntil(b, "The store is back, with all that it held.")
	reloadUntil(b, "1 change that waited reached the store.")
	b.shows("Hello, Grace")
	b.shows("€ 4.90")
	b.wantEmptyConsole()
}

// Without a backup the visitor sees what goes on, and can bring the store back.
func TestWithoutABackupTheStoreCanBeBroughtBackFromTheErrorPage(t *testing.T) {
	url := startShopThatSays(t, outageLog, "-insecure", "-no-backup")
	b := openBrowser(t)
	b.wide()
	b.open(url)
	b.logIn("Bo")
	b.push("form[action='/store/freeze'] button")
	b.shows("The store was frozen")
	b.open(url)
	b.shows("Your session is safe.")
	b.wantGoodLooks("no-backup")
	b.push("form[action='/store/back'] button")
	b.shows("The store was thawed")
	b.open(url)
	b.shows("Hello, Bo")
}

func TestShoppersComeInAndAreServedThroughAnOutage(t *testing.T) {
	url := startShopThatSays(t, shoppersLog, "-insecure", "-store", "spawn:memcached", "-shoppers", "5")
	b := openBrowser(t)
	b.wide()
	b.open(url)
	b.shows("5 simulated shoppers came in.")
	b.push("form:has([value='10']) button")
	b.becomes(size("Inside") + " == 15")
	b.becomes(size("Requests") + " > 150")
	b.push("form[action='/store/freeze'] button")
	b.shows("visitors are served from their own cookies.")
	b.becomes(share + " == '100 %'")
	before := eval[int](b, size("Requests"))
	for deadline := time.Now().Add(timeleft.Within(t, patience)); eval[int](b, size("Requests")) < before+150; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the shoppers wait")
		}
	}
	eval[chromedp.Void](b, "document.activeElement.blur()")
	b.wantGoodLooks("shoppers-away")
	b.wide()
	b.push("form[action='/store/restart'] button")
	b.shows("The store is back, empty.")
	b.becomes(share + " == '0 %'")
	b.wantGoodLooks("shoppers-back")
	b.wide()
	for _, bad := range []string{"Failed", "Logged out", "Lost"} {
		if n := eval[int](b, size(bad)); n != 0 {
			t.Errorf("%s: got %d, want 0", bad, n)
		}
	}
	b.push("form[action='/shoppers/home'] button")
	b.becomes(size("Inside") + " == 0")
	b.wantEmptyConsole()
}

// share is that of the requests that are served from the backup.
const share = "document.querySelector('#shoppers-figures figure:last-child b').textContent"

// size is a number of the shoppers'.
func size(name string) string {
	return "+[...document.querySelectorAll('#shoppers-size dt')].find((d) => d.textContent == " + quote(name) + ").nextElementSibling.textContent"
}

// reloadUntil is for pages that do not change by themselves.
func reloadUntil(b *browser, text string) {
	b.t.Helper()
	for deadline := time.Now().Add(timeleft.Within(b.t, patience)); !eval[bool](b, "document.body.innerText.includes("+quote(text)+")"); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.shows(text) // which fails
		}
		run(b, chromedp.Reload())
	}
}
