// Package interop tests redisstore on servers that are not Redis, whose dependencies are
// not those of redisstore.
package interop
