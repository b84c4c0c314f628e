module github.com/holdfast-go/session/examples/express-and-go

go 1.25.0

require (
	github.com/holdfast-go/session v0.0.0
	github.com/holdfast-go/session/redisstore v0.0.0
	github.com/redis/rueidis v1.0.79
)

require golang.org/x/sys v0.47.0 // indirect

replace (
	github.com/holdfast-go/session => ../../
	github.com/holdfast-go/session/redisstore => ../../redisstore
)
