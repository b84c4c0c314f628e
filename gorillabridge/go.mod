module github.com/holdfast-go/session/gorillabridge

go 1.25.0

require (
	github.com/gorilla/sessions v1.4.0
	github.com/holdfast-go/session v0.0.0
)

require github.com/gorilla/securecookie v1.1.2 // indirect

replace github.com/holdfast-go/session => ../
