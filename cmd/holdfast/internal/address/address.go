// Package address reads the addresses of stores that no driver reads as the command line has
// them. No error quotes an address, because there may be a password in it.
package address

import (
	"errors"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// ErrStore says how the address of a store is written.
var ErrStore = errors.New("want memcached://user:password@host:port,host:port, redis://user:password@host:port/db, postgres://user:password@host:port/database, mysql://user:password@host:port/database or sqlite:FILE; write what is special in a password as %XX")

// MySQL reads mysql://user:password@host:port/database. Behind it may stand ?tls=true, or
// what else the driver takes for tls.
func MySQL(text string) (*mysql.Config, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "mysql" || u.Host == "" || len(u.Path) < 2 {
		return nil, ErrStore
	}
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", u.Host
	if u.Port() == "" {
		c.Addr += ":3306"
	}
	c.DBName = strings.TrimPrefix(u.Path, "/")
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Logger = &mysql.NopLogger{} // the error is enough
	for name, values := range u.Query() {
		if name != "tls" || len(values) != 1 {
			return nil, ErrStore
		}
		c.TLSConfig = values[0]
	}
	if _, err := mysql.NewConnector(c); err != nil { // a tls that it does not know
		return nil, ErrStore
	}
	return c, nil
}

// SQLite reads sqlite:FILE.
func SQLite(text string) (path string, err error) {
	path, ok := strings.CutPrefix(text, "sqlite:")
	if !ok || path == "" || strings.HasPrefix(path, ":memory:") {
		return "", ErrStore
	}
	return path, nil
}

// Name returns an address without the user and the password in it.
func Name(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text // a file
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest
}
