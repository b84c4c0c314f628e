package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Profile is about 5 KB of what a shop knows of its customer. All of it is made up.
type Profile struct {
	Email      string    `json:"email"`
	Address    string    `json:"address"`
	Since      time.Time `json:"since"`
	Favourites []string  `json:"favourites"`
	Note       string    `json:"note"`
	Orders     []Order   `json:"orders"`
}

// Order is what was bought once.
type Order struct {
	Number string    `json:"number"`
	Day    time.Time `json:"day"`
	Foods  []string  `json:"foods"`
	Cents  Cents     `json:"cents"`
}

var (
	firstNames = []string{"Ada", "Bo", "Cleo", "Dag", "Edda", "Finn", "Gro", "Hal", "Ida", "Jon", "Kaia", "Liv", "Moe", "Nils", "Oda", "Per"}
	lastNames  = []string{"Alder", "Berg", "Cove", "Dahl", "Eide", "Fjell", "Gale", "Holm", "Isle", "Juul", "Kelp", "Lund", "Moor", "Ness"}
	streets    = []string{"Harbour Steps", "Net Lane", "Salt Row", "Lantern Street", "Ebb Road", "Gull Yard"}
	notes      = []string{"Rings twice.", "Pays in coins.", "Asks for the end of the loaf.", "Has a dog that likes mackerel.", "Comes before eight."}
)

const orders = 44 // as many as make 5 KB

// randomName is the name of a visitor that did not give one.
func randomName() string { return pick(rand.N[int], firstNames) + " " + pick(rand.N[int], lastNames) }

// newUser makes a user up. The same name gives the same user, so that Update
// may call it twice.
func newUser(name string) User {
	seed := fnv.New64a()
	seed.Write([]byte(name))
	r := rand.New(rand.NewPCG(seed.Sum64(), 0))
	day := time.Date(2024, time.January, 2, 8, 0, 0, 0, time.UTC)
	p := Profile{
		Email:   fmt.Sprintf("visitor%06d@shop.test", r.IntN(1e6)),
		Address: fmt.Sprintf("%d %s, Lowwater", 1+r.IntN(80), pick(r.IntN, streets)),
		Since:   day,
		Note:    pick(r.IntN, notes),
	}
	for _, i := range r.Perm(len(menu))[:3] {
		p.Favourites = append(p.Favourites, menu[i].SKU)
	}
	// As in a real shop numbers grow, and people buy the same things again: what is
	// all chance could not be compressed, and its copy would have no room for a cart.
	basket := r.Perm(len(menu))[:3]
	number := 31_000_000 + r.IntN(1e6)
	for range orders {
		day = day.AddDate(0, 0, 7)
		number++
		o := Order{Number: fmt.Sprintf("lowwater-no-%08d", number), Day: day}
		for _, i := range basket {
			o.Foods = append(o.Foods, menu[i].SKU)
			o.Cents += menu[i].Cents
		}
		p.Orders = append(p.Orders, o)
	}
	return User{name, p}
}

func pick(n func(int) int, from []string) string { return from[n(len(from))] }
