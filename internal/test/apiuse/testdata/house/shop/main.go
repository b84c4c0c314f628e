// Shop is a nested module that needs something which is not there.
package main

import (
	"elsewhere.test/thing"
	"house.test"
)

func main() {
	d := &house.Door{Height: 2}
	d.Open()
	thing.Use(d.Width)
	var r house.Room[string]
	_ = r.Inside
	_ = r.Enter()
	if paint := house.Paint(); paint > 1 {
		return
	}
}
