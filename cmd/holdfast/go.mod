module github.com/holdfast-go/session/cmd/holdfast

go 1.25.0

require (
	github.com/alecthomas/kong v1.17.0
	github.com/go-zookeeper/zk v1.0.4
	github.com/holdfast-go/session v0.0.0
	github.com/holdfast-go/session/override/zookeeper v0.0.0
	github.com/holdfast-go/session/pgstore v0.0.0
	github.com/holdfast-go/session/redisstore v0.0.0
	github.com/jackc/pgx/v5 v5.13.0
	github.com/redis/rueidis v1.0.79
	github.com/rogpeppe/go-internal v1.16.0
)

require (
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/tools v0.48.0 // indirect
)

replace (
	github.com/holdfast-go/session => ../../
	github.com/holdfast-go/session/override/zookeeper => ../../override/zookeeper
	github.com/holdfast-go/session/pgstore => ../../pgstore
	github.com/holdfast-go/session/redisstore => ../../redisstore
)
