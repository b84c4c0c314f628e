package main

import (
	"fmt"
	"net/http"
)

// Food is a thing that the shop sells, and as JSON what its forms put into the
// cart.
type Food struct {
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Cents Cents  `json:"cents"`
	Text  string `json:"-"`
}

// Cents is a price in cents of a euro.
type Cents int

func (c Cents) String() string { return fmt.Sprintf("€ %d.%02d", c/100, c%100) }

type foods []Food

// menu is what there is. Each has its picture in web/pictures.html.
var menu = foods{
	{"rye", "Rye bread", 320, "Dark and a day old, which is when it is best."},
	{"butter", "Salted butter", 280, "From the churn, with flakes of sea salt."},
	{"mackerel", "Smoked mackerel", 650, "Over alder, since four this morning."},
	{"soup", "Barley soup", 490, "A pot for one, with leek and thyme."},
	{"beet", "Pickled beetroot", 340, "Sweet first, then horseradish."},
	{"cheese", "Hard goat’s cheese", 560, "Aged for a winter. It crumbles."},
	{"pear", "Six small pears", 390, "Firm today and soft on Sunday."},
	{"cake", "Plum cake", 420, "A slice the width of your hand."},
	{"tea", "Sea buckthorn tea", 370, "Bright, sour and good for a cold."},
}

func (m foods) find(sku string) (Food, bool) {
	for _, f := range m {
		if f.SKU == sku {
			return f, true
		}
	}
	return Food{}, false
}

// showFood serves a route that has nothing to do with sessions, to show that
// such a route costs nothing extra.
func showFood(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", jsonType)
	w.Write([]byte("[]\n"))
}
