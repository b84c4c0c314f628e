package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestAVisitorShopsWithTheKeyboardOnly(t *testing.T) {
	url := startShop(t, "-insecure")
	b := openBrowser(t)
	b.wide()
	b.open(url)
	b.shows("Log in with any name")
	b.wantGoodLooks("visitor")

	b.push("a.skip")
	b.becomes("location.hash == '#menu'")

	b.open(url)
	b.logIn("Ada")
	b.shows("Nothing in it yet.")

	for _, sku := range []string{"rye", "mackerel", "cake"} {
		b.push("form:has([value=" + sku + "]) button")
		b.becomes("document.querySelector('#cart:has([data-quiet]) ol')?.children.length == " +
			map[string]string{"rye": "1", "mackerel": "2", "cake": "3"}[sku])
	}
	b.press(" ") // the focus stayed on the cake
	b.shows("€ 18.10")
	if got := eval[string](b, "document.getElementById('message').textContent"); got != "Plum cake is in your cart." {
		t.Errorf("got the message %q, want that of the cake", got)
	}
	b.push("#cart li:nth-child(2) button")
	b.shows("Smoked mackerel is out of your cart.")
	if !eval[bool](b, "document.activeElement.closest('#cart') != null") {
		t.Error("the focus left the cart when a thing was removed")
	}
	b.wantGoodLooks("cart")
	b.wide()

	run(b, chromedp.Reload())
	b.shows("€ 11.60")
	if got := eval[string](b, "document.getElementById('message').textContent"); got != "" {
		t.Errorf("got the message %q once more", got)
	}

	session := b.sessionCookie()
	if html := eval[string](b, "document.documentElement.outerHTML"); strings.Contains(html, session.Value) {
		t.Error("the page shows the token")
	}
	if got := eval[string](b, "document.cookie"); got != "" {
		t.Errorf("scripts see the cookies %q, want none", got)
	}
	if got := statusWith(t, url+"/user/readonly", session); got != http.StatusOK {
		t.Errorf("before the logout: got status %d, want 200", got)
	}
	b.push("form[action='/logout'] button")
	b.shows("You are logged out.")
	if got := statusWith(t, url+"/user/readonly", session); got != http.StatusForbidden {
		t.Errorf("the cookie of before the logout: got status %d, want 403", got)
	}
	b.wantEmptyConsole()
}

func TestWhatAProgramPutIntoTheCartDoesNotBreakThePage(t *testing.T) {
	url := startShop(t, "-insecure")
	b := openBrowser(t)
	b.open(url + "/user")
	b.open(url)
	b.shows("Hello,")
	session := b.sessionCookie()
	for _, item := range []string{
		`{"name":"` + strings.Repeat("x", 80) + `"}`,
		`{"name":"<script>alert(1)</script><img src=x onerror=alert(2)>"}`,
		`{"deep":{"er":[` + strings.Repeat("1,", 50) + `1]}}`,
		`{"sku":"rye","name":"cheap bread","cents":-100000}`,
		`{}`,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/user/shoppingcart", strings.NewReader(item))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if got := do(t, r, session); got != http.StatusOK {
			t.Errorf("adding %s: got status %d, want 200", item, got)
		}
	}
	run(b, chromedp.Reload())
	b.shows("€ 3.20")
	b.wantGoodLooks("odd")
	b.wantEmptyConsole()
}

func TestAVisitorShopsWithoutJavaScript(t *testing.T) {
	url := startShop(t, "-insecure")
	b := openBrowser(t)
	b.withoutScripts()
	b.open(url)
	b.shows("Log in with any name")
	b.logIn("Grace")
	b.push("form:has([value=soup]) button")
	b.shows("Barley soup is in your cart.")
	b.push("form:has([value=soup]) button")
	b.shows("€ 9.80")
	b.push("#cart li button")
	b.shows("Barley soup is out of your cart.")
	b.push("form[action$=clear] button")
	b.shows("Your cart is empty.")
	b.push("form[action='/logout'] button")
	b.shows("You are logged out.")
	b.wantEmptyConsole()
}

// The page was loaded while there was a session.
func TestAPageThatIsOlderThanTheLogoutSaysSo(t *testing.T) {
	url := startShop(t, "-insecure")
	b := openBrowser(t)
	b.open(url + "/user")
	b.open(url)
	b.shows("Nothing in it yet.")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := do(t, r, b.sessionCookie()); got != http.StatusNoContent {
		t.Fatalf("logout: got status %d, want 204", got)
	}
	b.push("form:has([value=rye]) button")
	b.shows("You have no session, or it has ended. Log in to go on.")
	run(b, chromedp.Reload())
	b.shows("Log in with any name")
}

func TestAnErrorIsAPageForABrowser(t *testing.T) {
	url := startShop(t, "-insecure")
	b := openBrowser(t)
	b.open(url + "/user/readonly")
	b.shows("You are not logged in")
	b.wantGoodLooks("problem")
}

func statusWith(t *testing.T, url string, c *http.Cookie) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r, c)
}

func do(t *testing.T, r *http.Request, c *http.Cookie) (status int) {
	t.Helper()
	r.AddCookie(c)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}
