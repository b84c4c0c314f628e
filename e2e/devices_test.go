package e2e_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// Two browsers of one visitor: one logs the other out, which notices at its next click.
func TestAVisitorLogsOutAnotherDevice(t *testing.T) {
	url := startShop(t, "-insecure")
	phone, laptop := openBrowser(t), openBrowser(t)
	for _, b := range []*browser{phone, laptop} {
		b.open(url)
		b.logIn("Ada")
	}
	laptop.push("#account a[href='/account']")
	laptop.becomes("location.pathname == '/account'") // loading a page anew ends the way to another one
	const listed = "document.querySelectorAll('.devices li').length"
	list := func(n int) { // is written in the background
		t.Helper()
		for deadline := time.Now().Add(timeleft.Within(t, patience)); eval[int](laptop, listed) != n; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the page lists %d devices, want %d", eval[int](laptop, listed), n)
			}
			run(laptop, chromedp.Reload())
		}
	}
	list(2)
	laptop.shows("This device")
	laptop.wantGoodLooks("devices")
	laptop.wide()
	laptop.push("form[action='/account/devices/end'] button")
	laptop.shows("The device is logged out.")
	// The page's stream ends, and says so before anything is clicked.
	phone.becomes("document.getElementById('message').textContent == 'You are logged out.'")
	phone.shows("You have none.")
	list(1)

	phone.push("form:has([value=rye]) button")
	phone.shows("You have no session, or it has ended. Log in to go on.")
	phone.open(url)
	phone.shows("Log in with any name")

	// All others, and the laptop stays.
	phone.logIn("Ada")
	list(2)
	laptop.push("form[action='/account/devices/end-others'] button")
	laptop.shows("Your other devices are logged out.")
	phone.push("form:has([value=rye]) button")
	phone.shows("You have no session, or it has ended. Log in to go on.")
	laptop.open(url)
	laptop.shows("Hello, Ada")
	laptop.push("form:has([value=soup]) button")
	laptop.shows("€ 4.90")
	laptop.push("form[action='/checkout'] button")
	laptop.shows("Paid: € 4.90.")

	laptop.open(url + "/users?user=Ada")
	laptop.shows("End all sessions of Ada")
	laptop.wantGoodLooks("users")
	laptop.wide()
	laptop.push("form[action='/users/end'] button")
	laptop.shows("All sessions of Ada have ended.")
	laptop.open(url)
	laptop.shows("Log in with any name")
	laptop.wantEmptyConsole()
}
