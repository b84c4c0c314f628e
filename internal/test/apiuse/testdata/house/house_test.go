package house_test

import "house.test"

func shut() { new(house.Door).Shut() }
