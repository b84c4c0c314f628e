package session

import ()

// Format is how another system writes tokens and sessions, so that its programs
// and yours share them. Package node/express makes the one that there is; New
// refuses a Format that is not of this module.
type Format interface {
	String() string // the name of the other system, such as "express-session"
}
