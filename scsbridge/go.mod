module github.com/holdfast-go/session/scsbridge

go 1.25.0

require (
	github.com/alexedwards/scs/v2 v2.9.0
	github.com/holdfast-go/session v0.0.0
)

replace github.com/holdfast-go/session => ../
