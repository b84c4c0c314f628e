module github.com/holdfast-go/session/bench

go 1.25.0

require (
	github.com/bradfitz/gomemcache v0.0.0-20260422231931-4d751bb6e37c
	github.com/holdfast-go/session v0.0.0
)

replace github.com/holdfast-go/session => ../
