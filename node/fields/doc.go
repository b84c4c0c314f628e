// Package fields edits a JSON object and leaves the members that it does not edit
// as they are: they keep their bytes and their order. The packages beside it use it
// to share sessions with Node, where other versions of the same application read
// what JSON.parse and JSON.stringify have made of an object.
package fields
