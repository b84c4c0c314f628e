// Package x is data.
package x

import "house.test"

var _ house.Loser
