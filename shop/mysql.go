package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/holdfast-go/session/mysqlstore"
)

const mysqlScheme = "mysql://"

var errMySQLURL = errors.New("mysql URL: want mysql://user:password@host:port/database, without parameters; write what is special in a password as %XX")

// openMySQL returns once the server has answered, or ctx ends. Its errors quote
// nothing of the address, because there may be a password in it.
func openMySQL(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	b := backend{name: mysqlScheme}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || len(u.Path) < 2 || u.RawQuery != "" {
		return b, errMySQLURL
	}
	b.name = redisName(address)
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", u.Host
	config.DBName = strings.TrimPrefix(u.Path, "/")
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Logger = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	store, err := mysqlstore.Open(ctx, config, nil)
	if err != nil {
		return b, err
	}
	b.store = store
	b.close = func() {
		if err := store.Close(); err != nil {
			log.WarnContext(ctx, "the store was not closed", "error", err)
		}
	}
	return b, nil
}
