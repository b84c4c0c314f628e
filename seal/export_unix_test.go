//go:build unix

package seal

// RunAs makes the process seem to be another user's.
func RunAs(user int) (undo func()) {
	before := processUser
	processUser = func() int { return user }
	return func() { processUser = before }
}
