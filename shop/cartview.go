package main

import (
	"encoding/json"
	"unicode/utf8"
)

// cartView is the cart as the page shows it: same things in one line, in the
// order in which they came.
type cartView struct {
	Lines []line
	Count int
	Total Cents
}

type line struct {
	Item  string // digest
	Label string
	Count int
	Price Cents // of all of them; 0: not on the menu
}

func newCartView(c Cart) cartView {
	r := cartView{Count: len(c)}
	at := map[string]int{}
	for _, item := range c {
		d := digest(item)
		i, ok := at[d]
		if !ok {
			i = len(r.Lines)
			at[d] = i
			r.Lines = append(r.Lines, line{Item: d, Label: label(item)})
		}
		r.Lines[i].Count++
		// The price is the menu's. A price that the visitor wrote there does not count.
		price := known(item).Cents
		r.Lines[i].Price += price
		r.Total += price
	}
	return r
}

// known is the food on the menu that item is, or the zero Food.
func known(item json.RawMessage) Food {
	var in struct{ SKU string }
	if json.Unmarshal(item, &in) != nil {
		return Food{}
	}
	f, _ := menu.find(in.SKU)
	return f
}

// label is what to call an item. Programs put anything there.
func label(item json.RawMessage) string {
	if f := known(item); f.Name != "" {
		return f.Name
	}
	var in struct{ Name string }
	s := string(item)
	if json.Unmarshal(item, &in) == nil && in.Name != "" {
		s = in.Name
	}
	if utf8.RuneCountInString(s) > 60 {
		s = string([]rune(s)[:59]) + "…"
	}
	return s
}
