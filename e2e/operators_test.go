package e2e_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// An operator lets themselves in with the key, finds a user who is logged in, and ends the
// session: on a phone, and then on a desk.
func TestAnOperatorEndsASession(t *testing.T) {
	url, key := startShopWithKey(t, `^$`, "-insecure")
	if key == "" {
		t.Fatal("the shop has printed no key")
	}
	visitor, operator := openBrowser(t), openBrowser(t)
	run(operator, chromedp.EmulateViewport(360, 800))
	operator.open(url + "/admin/")
	operator.shows("The shop has printed a key")
	operator.tabTo("#key")
	operator.press("wrong\r")
	operator.shows("That is not the key of this shop.")
	operator.wantGoodLooks("enter")
	run(operator, chromedp.EmulateViewport(360, 800))
	operator.tabTo("#key")
	operator.press(key + "\r")
	operator.shows("The store serves")
	eval[chromedp.Void](operator, "console.clear()")

	const found = "document.querySelectorAll('#found li').length"
	find := func(n int) { // the list is written in the background
		t.Helper()
		for deadline := time.Now().Add(timeleft.Within(t, patience)); ; time.Sleep(50 * time.Millisecond) {
			eval[chromedp.Void](operator, "document.getElementById('message').textContent = ''; user.value = 'Ada'; document.querySelector('#find-user button').click()")
			operator.becomes("document.getElementById('message').textContent != ''") // after it the page stays as it is
			if eval[int](operator, found) == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the page has %d sessions, want %d", eval[int](operator, found), n)
			}
		}
	}
	for _, width := range []int64{360, 1280} {
		visitor.open(url)
		visitor.logIn("Ada")
		run(operator, chromedp.EmulateViewport(width, 800))
		operator.becomes("document.getElementById('events').innerText.includes('login · Ada')")
		find(1)
		operator.shows("Chrome on Linux") // the value that is marked
		operator.wantGoodLooks("operators")
		run(operator, chromedp.EmulateViewport(width, 800))

		operator.push("#found li button")
		operator.becomes("document.getElementById('sure').open")
		operator.wantGoodLooks("sure")
		run(operator, chromedp.EmulateViewport(width, 800))
		operator.push("#sure-no")
		operator.becomes("!document.getElementById('sure').open")
		find(1) // nothing has ended
		operator.push("#found li button")
		operator.push("#sure-yes")
		operator.shows("The session has ended.")
		operator.becomes(found + " == 0")
		visitor.becomes("document.getElementById('message').textContent == 'You are logged out.'")
		visitor.open(url)
		visitor.shows("Log in with any name")
	}

	visitor.logIn("Ada")
	find(1)
	operator.push("#end-user")
	operator.push("#sure-yes")
	operator.shows("All sessions of Ada have ended.")
	visitor.open(url)
	visitor.shows("Log in with any name")
	visitor.wantEmptyConsole()
}

// An operator gives an order, sees it in force, and ends it: on a phone, and then on a desk.
func TestAnOperatorGivesAnOrder(t *testing.T) {
	url, key := startShopWithKey(t, `the operator's order is read`, "-insecure", "-switch", "sqlite:"+filepath.Join(t.TempDir(), "orders.db")+"#shop/override")
	operator := openBrowser(t)
	run(operator, chromedp.EmulateViewport(360, 800))
	operator.open(url + "/admin/")
	operator.tabTo("#key")
	operator.press(key + "\r")
	operator.shows("Order to all instances")
	eval[chromedp.Void](operator, "console.clear()")
	for _, width := range []int64{360, 1280} {
		run(operator, chromedp.EmulateViewport(width, 800))
		operator.push("#clear-order")
		operator.shows("Write a reason first.")
		eval[chromedp.Void](operator, "mode.value = 'store-only'; document.getElementById('for').value = '20m'")
		operator.tabTo("#reason")
		operator.press("a drill\r")
		operator.becomes("document.getElementById('sure').open")
		operator.shows("Order store-only to all instances, for 20m?")
		operator.push("#sure-yes")
		operator.shows("The order is given.")
		operator.shows("Order: store-only, by operator: a drill, until")
		operator.wantGoodLooks("order")
		run(operator, chromedp.EmulateViewport(width, 800))
		operator.push("#clear-order")
		operator.push("#sure-yes")
		operator.shows("No order stands.")
		operator.becomes("!document.getElementById('instances').innerText.includes('Order: store-only')")
		eval[chromedp.Void](operator, "reason.value = ''; document.getElementById('ordered').textContent = ''")
	}
}
