package main

import (
	"crypto/rand"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/admin"
)

// operatorsPage is /admin, the page of package admin. It opens to a person at this machine
// who has the key that the shop prints at its start: visitors' browsers run here too in a
// demo, and none of them should end everybody's sessions.
type operatorsPage struct {
	*admin.Handler
	key      string
	insecure bool // the cookie goes over plain http too
}

const operatorCookie = "shop-operator"

func openOperatorsPage(sessions *session.Manager, store session.Store, p *panel, insecure bool, log *slog.Logger) (*operatorsPage, error) {
	o := &operatorsPage{key: rand.Text(), insecure: insecure}
	options := &admin.Options{Store: store, Events: &p.happened, Values: []admin.Value{admin.ValueOf(browser)}, Log: log}
	if p.lever != nil {
		options.Order = p.lever.Order
		if f, ok := p.lever.(follow); ok {
			options.Orders = f.writer
		}
	}
	var err error
	o.Handler, err = admin.New(sessions, o.allow, options)
	return o, err
}

func (o *operatorsPage) serve(mux *http.ServeMux) {
	page := http.StripPrefix("/admin", o.Handler)
	mux.Handle("/admin", page)
	mux.Handle("/admin/", page)
	mux.HandleFunc("GET /admin/{$}", func(w http.ResponseWriter, r *http.Request) {
		if _, may := o.allow(r); may == admin.Denied && fromHere(r) {
			o.ask(w, http.StatusForbidden, "")
			return
		}
		page.ServeHTTP(w, r)
	})
	mux.Handle("POST /admin/enter", action(o.enter))
}

// allow says who asks: a browser that has entered, or a program with the key.
func (o *operatorsPage) allow(r *http.Request) (string, admin.Access) {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c, err := r.Cookie(operatorCookie); err == nil && key == "" {
		key = c.Value
	}
	if !fromHere(r) || !o.fits(key) {
		return "", admin.Denied
	}
	return "operator", admin.MayAct
}

func (o *operatorsPage) fits(key string) bool {
	return subtle.ConstantTimeCompare([]byte(key), []byte(o.key)) == 1
}

// ask shows the form for the key.
func (o *operatorsPage) ask(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Cache-Control", "no-store")
	render(w, "enter.html", status, struct{ Why string }{why})
}

// enter takes the key of a form, and keeps it in a cookie for the page alone.
func (o *operatorsPage) enter(w http.ResponseWriter, r *http.Request) error {
	if !fromHere(r) {
		return notForYou
	}
	if err := readForm(w, r); err != nil {
		return err
	}
	if !o.fits(strings.TrimSpace(r.PostForm.Get("key"))) {
		o.ask(w, http.StatusForbidden, "That is not the key of this shop. It has another one each time it starts.")
		return nil
	}
	http.SetCookie(w, &http.Cookie{
		Name: operatorCookie, Value: o.key, Path: "/admin", HttpOnly: true, Secure: !o.insecure, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, "/admin/", http.StatusSeeOther)
	return nil
}
