package helper

import (
	"fmt"

	"house.test"
)

func Open() { fmt.Println(new(house.Manager).Open(true, true, true)) }
