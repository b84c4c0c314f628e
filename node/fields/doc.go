// Package fields edits a JSON object without touching what it is not asked to
// touch: members keep their bytes and their order. It is how the packages
// beside it share sessions with Node, where an object that JSON.parse and
// JSON.stringify went through is read again by other versions of the same
// application.
package fields
