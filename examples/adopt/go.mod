module github.com/holdfast-go/session/examples/adopt

go 1.25.0

require (
	github.com/alexedwards/scs/v2 v2.9.0
	github.com/gorilla/sessions v1.4.0
	github.com/holdfast-go/session v0.0.0
)

require github.com/gorilla/securecookie v1.1.2

replace github.com/holdfast-go/session => ../../
