package e2e_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

// Remember me at the login, then an outage: the pages of the account and of the administrator
// say what they cannot know, what has to wait, and nothing is sold. With the keyboard.
func TestTheAccountInAnOutage(t *testing.T) {
	url := startShopThatSays(t, outageLog, "-insecure", "-store", "spawn:redis")
	laptop, phone := openBrowser(t), openBrowser(t)
	laptop.open(url)
	laptop.tabTo("#name")
	laptop.press("Ada")
	laptop.tabTo("[name=remember]")
	laptop.press(" " + kb.Enter)
	laptop.shows("Hello, Ada")
	phone.open(url)
	phone.logIn("Ada")
	if at := laptop.sessionCookie().Expires; time.Until(at) < 20*24*time.Hour {
		t.Errorf("the cookie of a login that is remembered lasts until %v", at)
	}
	if at := phone.sessionCookie().Expires; !at.IsZero() {
		t.Errorf("the cookie of another login lasts until %v, want as long as its browser", at)
	}
	laptop.push("form:has([value=soup]) button")
	laptop.shows("€ 4.90")
	laptop.push("form[action='/store/kill'] button")
	laptop.shows("The store was killed, and all that it held is gone.")

	laptop.open(url + "/account")
	laptop.shows("The store does not answer, so this is only the device that you use.")
	laptop.shows("This device")
	laptop.wantGoodLooks("account-away")
	laptop.wide()
	laptop.push("a.button[href='/account']")
	laptop.shows("The store does not answer, so this is only the device that you use.")
	phone.open(url)
	phone.shows("Hello, Ada")
	laptop.push("form[action='/account/devices/end-others'] button")
	laptop.shows("Your other devices are logged out as soon as the store is back.")
	laptop.wantGoodLooks("account-waits")
	laptop.wide()
	laptop.open(url)
	laptop.push("form[action='/checkout'] button")
	laptop.shows("Your session is safe. Nothing was deleted")
	laptop.wantGoodLooks("checkout-away")
	laptop.wide()
	laptop.open(url + "/users?user=Ada")
	laptop.shows("The store does not answer, or has just lost what it held")
	laptop.wantGoodLooks("users-away")
	laptop.wide()
	laptop.open(url + "/users?user=Bea")
	laptop.push("form[action='/users/end'] button")
	laptop.shows("All sessions of Bea end as soon as the store is back.")

	laptop.open(url)
	laptop.push("form[action='/store/back'] button")
	laptop.shows("The store is back, empty.")
	laptop.open(url + "/account")
	laptop.shows("This device")
	phone.open(url)
	phone.shows("Log in with any name")
	laptop.open(url)
	laptop.shows("€ 4.90")
}
