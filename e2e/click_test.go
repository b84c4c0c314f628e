package e2e_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/timeleft"
)

const (
	inCart = "document.getElementById('cart')?.value"
	whose  = "document.getElementById('who')?.value"
)

// The store is killed under a visitor who goes on, in every way that a page talks to its
// server. No page is redirected but by its handler, each handler runs once, and the cart is
// whole: in the outage, and in the store when that is back.
func TestTheStoreIsKilledAndThePageGoesOn(t *testing.T) {
	for name, open := range browsers() {
		t.Run(name, func(t *testing.T) {
			site := startCartSite(t)
			w := open(t)
			inOutage := func(w window) {
				t.Helper()
				until(t, w, "document.body.innerText.includes('from backup')", "true")
			}
			w.open(site.URL + "/?login=ada")
			until(t, w, whose, "ada")
			call(t, w, "document.getElementById('add').requestSubmit()")
			until(t, w, inCart, "1")
			second := w.tab()
			second.open(site.URL + "/")
			call(t, second, "listen()")
			until(t, second, "ticks > 1", "true")

			// A form is posted, and the store is killed while its handler runs.
			call(t, w, "document.getElementById('slow').requestSubmit()")
			select {
			case <-site.began:
			case <-time.After(timeleft.Within(t, patience)):
				t.Fatal("the form is not posted")
			}
			site.store.Kill()
			site.goOn <- struct{}{}
			until(t, w, inCart, "2")
			inOutage(w)

			// The event stream of the other tab goes on, and so does a new one.
			ticks, err := second.value("String(ticks)")
			if err != nil {
				t.Fatal(err)
			}
			until(t, second, "ticks > "+ticks+" + 3 && errors == 0 && document.title == 'ada'", "true")
			second.open(site.URL + "/?again")
			until(t, second, inCart, "2")
			call(t, second, "listen()")
			until(t, second, "ticks > 3 && errors == 0 && document.title == 'ada'", "true")

			// Two tabs: each sees what the other has done.
			call(t, second, "document.getElementById('add').requestSubmit()")
			until(t, second, inCart, "3")
			w.reload()
			until(t, w, inCart, "3")
			until(t, w, "performance.getEntriesByType('navigation')[0].redirectCount", "0")

			// On, back, and reload.
			call(t, w, "document.getElementById('next').click()")
			until(t, w, "location.search", "?next")
			until(t, w, inCart, "3")
			w.back()
			until(t, w, "location.search", "")
			until(t, w, inCart, "3")
			w.reload()
			until(t, w, inCart, "3")
			until(t, w, whose, "ada")

			// Calls of scripts, four at once.
			call(t, w, "fill(4)")
			until(t, w, "calls", "204,204,204,204")
			w.reload()
			until(t, w, inCart, "7")

			// A file of 10 MB.
			call(t, w, "upload(10 << 20)")
			until(t, w, "document.body.innerText", strconv.Itoa(10<<20)+" bytes for ada")
			w.open(site.URL + "/")
			until(t, w, inCart, "8")
			inOutage(w)

			// The store comes back, and gets all of it.
			site.store.Restart()
			end := time.Now().Add(timeleft.Within(t, patience))
			for {
				w.reload()
				until(t, w, inCart, "8")
				until(t, w, whose, "ada")
				if from, err := w.value("String(document.body.innerText.includes('from store'))"); err == nil && from == "true" {
					break
				}
				if time.Now().After(end) {
					t.Fatal("the session is never read from store again")
				}
				time.Sleep(100 * time.Millisecond)
			}
			call(t, w, "document.getElementById('add').requestSubmit()")
			until(t, w, inCart, "9")
			if got := site.runs.Load(); got != 9 {
				t.Errorf("the handlers ran %d times for 9 things", got)
			}
		})
	}
}
