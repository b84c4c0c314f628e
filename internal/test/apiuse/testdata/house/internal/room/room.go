// Package room is internal: no user stands here.
package room

import "house.test"

// Shut is no use.
func Shut() { new(house.Door).Shut() }
