package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/holdfast-go/session"
)

// Cart is what the visitor chose: JSON objects, as programs sent them or as
// the page's forms name them. No cart is the same as an empty one.
type Cart []json.RawMessage

// MarshalJSON writes no cart as [].
func (c Cart) MarshalJSON() ([]byte, error) {
	if c == nil {
		c = Cart{}
	}
	return json.Marshal([]json.RawMessage(c))
}

const maxItems = 100

var cartFull = &refusal{http.StatusConflict, "Your cart is full", "A cart holds 100 things. Take one out first."}

// addToCart appends a JSON object of any kind, or what the form of the page
// names. Two that are added at once are both kept: Update runs again on what
// the other one saved, and by then the cart may be full.
func addToCart(w http.ResponseWriter, r *http.Request) error {
	item, food, err := readItem(w, r)
	if err != nil {
		return err
	}
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	err = cart.Update(s, func(c *Cart) error {
		if len(*c) >= maxItems {
			return cartFull
		}
		*c = append(*c, item)
		return nil
	})
	if err != nil {
		return err
	}
	if isForm(r) {
		flash.Set(s, food.Name+" is in your cart.")
		http.Redirect(w, r, "/", http.StatusSeeOther) // saved before this leaves
		return nil
	}
	// The answer is the cart as it was saved, so it is saved first.
	durability, err := s.Save(r.Context())
	if err != nil {
		return err
	}
	status := http.StatusOK
	if durability == session.Pending {
		status = http.StatusAccepted // it is in the cookies, and waits for the store
	}
	reply(w, status, cart.Or(s, nil))
	return nil
}

func readItem(w http.ResponseWriter, r *http.Request) (json.RawMessage, Food, error) {
	if !isForm(r) {
		object, err := readObject(w, r)
		return object, Food{}, err
	}
	if err := readForm(w, r); err != nil {
		return nil, Food{}, err
	}
	food, ok := menu.find(r.PostForm.Get("sku"))
	if !ok {
		return nil, Food{}, &refusal{http.StatusBadRequest, "Not on the menu", "The shop does not have this. Choose from the menu."}
	}
	item, err := json.Marshal(food)
	return item, food, err
}

// removeFromCart takes one thing out. The form names it by its digest and not by its
// place, so that a second tab takes out no other thing.
func removeFromCart(w http.ResponseWriter, r *http.Request) error {
	s, err := formSession(w, r)
	if err != nil {
		return err
	}
	unwanted := r.PostForm.Get("item")
	message := "That was not in your cart any more."
	if c := cart.Or(s, nil); c.find(unwanted) >= 0 {
		message = label(c[c.find(unwanted)]) + " is out of your cart."
	}
	cart.Update(s, func(c *Cart) error {
		if i := c.find(unwanted); i >= 0 {
			*c = slices.Delete(*c, i, i+1)
		}
		return nil
	})
	flash.Set(s, message)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func clearCart(w http.ResponseWriter, r *http.Request) error {
	s, err := formSession(w, r)
	if err != nil {
		return err
	}
	cart.Delete(s)
	flash.Set(s, "Your cart is empty.")
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// find returns where the first item of this digest stands, or -1.
func (c Cart) find(d string) int {
	return slices.IndexFunc(c, func(item json.RawMessage) bool { return digest(item) == d })
}

// digest names an item in a form.
func digest(item json.RawMessage) string {
	sum := sha256.Sum256(item)
	return hex.EncodeToString(sum[:8])
}
