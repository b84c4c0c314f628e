package main

import (
	"net/http"

	"github.com/holdfast-go/session"
)

// checkOut sells what is in the cart. Its route is not served from a copy of the
// session, which may not know of a logout, and asks for a login that is not old.
func checkOut(w http.ResponseWriter, r *http.Request) error {
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	var paid Cents
	err = cart.Update(s, func(c *Cart) error {
		paid = newCartView(*c).Total // of what was in it when it was saved
		*c = nil
		return nil
	})
	if err != nil {
		return err
	}
	if isForm(r) {
		flash.Set(s, "Paid: "+paid.String()+". Nothing was really sold.")
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	if _, err := s.Save(r.Context()); err != nil {
		return err
	}
	reply(w, http.StatusOK, struct {
		Paid Cents `json:"paid"`
	}{paid})
	return nil
}
