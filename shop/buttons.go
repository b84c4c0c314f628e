package main

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// buttons stop the store and let shoppers in. They are for a person at this
// machine, unless -public-buttons says otherwise.
type buttons struct{ *panel }

func (b buttons) serve(mux *http.ServeMux) {
	if b.process != nil {
		mux.Handle("POST /store/kill", b.stop(b.process.kill, "The store was killed, and all that it held is gone.", dead))
		mux.Handle("POST /store/freeze", b.stop(b.process.freeze, "The store was frozen: it takes what is sent, and answers nothing.", frozen, dead))
		mux.Handle("POST /store/restart", b.press(b.process.restart, "The store was killed and started again, empty."))
		mux.Handle("POST /store/back", http.HandlerFunc(b.bringBack))
	}
	if b.shoppers != nil {
		mux.HandleFunc("POST /shoppers", b.letIn)
		mux.HandleFunc("POST /shoppers/home", b.sendHome)
	}
}

// allowed reports whether a request may press them.
func (b buttons) allowed(r *http.Request) bool { return b.public || fromHere(r) }

// fromHere reports whether a request comes from this machine. It asks for the
// Host too, because another site's page could give its own name this machine's
// address, and press (DNS rebinding). Behind a proxy everyone seems to sit here,
// and the proxy may have made the Host up.
func fromHere(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return local != nil && isLoopback(local.String()) && isLoopback(r.Host) && !relayed(r)
}

// relayed reports whether a request shows that it came through a proxy: by what
// proxies add, by the HTTP/1.0 that nginx speaks unless told otherwise, or by an
// Origin that is elsewhere, which no proxy changes. A client that is no browser
// behind a proxy that adds nothing shows nothing.
func relayed(r *http.Request) bool {
	for name := range r.Header {
		added := name == "Via" || name == "Forwarded" || strings.HasPrefix(name, "X-Forwarded") || strings.HasSuffix(name, "-Ip")
		if added {
			return true
		}
	}
	if !r.ProtoAtLeast(1, 1) {
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !isLoopback(u.Hostname())
}

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var notHere = &refusal{http.StatusForbidden, "Not from here",
	"Only who sits at the shop’s machine can do this. Start the shop with -public-buttons to let everyone."}

// press carries out a button. The panel of the page that the answer leads to shows the
// result.
func (b buttons) press(do func() error, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !b.allowed(r) {
			answerError(w, r, notHere)
			return
		}
		if err := do(); err != nil {
			b.events.write("That did not work: " + err.Error() + ".")
		} else {
			b.events.write(text)
		}
		http.Redirect(w, r, "/#live", http.StatusSeeOther)
	})
}

// stop is press where the store is in none of these conditions. In one of them
// nothing happens, and nothing is told.
func (b buttons) stop(do func() error, text string, already ...condition) http.Handler {
	press := b.press(do, text)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.allowed(r) && slices.Contains(already, b.process.condition()) {
			http.Redirect(w, r, "/#live", http.StatusSeeOther)
			return
		}
		press.ServeHTTP(w, r)
	})
}

func (b buttons) bringBack(w http.ResponseWriter, r *http.Request) {
	text := map[condition]string{
		running: "The store runs.",
		frozen:  "The store was thawed, with all that it held.",
		dead:    "The store was started again, empty.",
	}[b.process.condition()]
	b.press(b.process.back, text).ServeHTTP(w, r)
}

func (b buttons) letIn(w http.ResponseWriter, r *http.Request) {
	if err := readForm(w, r); err != nil {
		answerError(w, r, err)
		return
	}
	n, err := strconv.Atoi(r.PostForm.Get("n"))
	if err != nil || n < 1 || n > maxShoppers {
		answerError(w, r, &refusal{http.StatusBadRequest, "How many?", "Between 1 and 200 shoppers can be let in."})
		return
	}
	if b.allowed(r) && b.shoppers.size()+n > maxShoppers {
		answerError(w, r, &refusal{http.StatusConflict, "The shop is full", "No more than 200 shoppers fit in."})
		return
	}
	b.press(func() error { return b.shoppers.let(n) }, shoppersCame(n)).ServeHTTP(w, r)
}

func shoppersCame(n int) string {
	if n == 1 {
		return "1 simulated shopper came in."
	}
	return strconv.Itoa(n) + " simulated shoppers came in."
}

func (b buttons) sendHome(w http.ResponseWriter, r *http.Request) {
	b.press(func() error { b.shoppers.sendHome(); return nil }, "The simulated shoppers were sent home.").ServeHTTP(w, r)
}
