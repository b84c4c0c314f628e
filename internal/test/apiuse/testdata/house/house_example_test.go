package house_test

import "house.test"

func Example() { _ = house.Red }
