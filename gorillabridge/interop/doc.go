// Package interop tests gorillabridge below libraries that stand on gorilla/sessions:
// gothic, the logins of github.com/markbates/goth, and gin-contrib/sessions. It is a
// module of its own, so that an application with the bridge requires neither.
package interop
