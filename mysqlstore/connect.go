package mysqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

// setUp is what each connection is set to, but for the isolation. Strict mode: what does
// not fit is an error and not cut. No row is waited for longer than a caller would.
const setUp = `SET autocommit = 1, time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = 3, `

// READ COMMITTED: a statement that waited for a row looks at its WHERE again, on the row
// as it is then, and locks no gaps between rows. MySQL 8 and MariaDB 11.1 have another
// name for it than MariaDB before that.
var isolations = []string{"transaction_isolation = 'READ-COMMITTED'", "tx_isolation = 'READ-COMMITTED'"}

// connector sets up the connections of another one, in one round trip.
type connector struct {
	driver.Connector
	isolation atomic.Int32 // index of the name that the server was last seen to know
}

// Connect implements [driver.Connector].
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.setUp(ctx, conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (c *connector) setUp(ctx context.Context, conn driver.Conn) error {
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		return errors.New("session: mysql: the driver has no ExecContext")
	}
	known := c.isolation.Load()
	_, err := execer.ExecContext(ctx, setUp+isolations[known], nil)
	if isNumber(err, unknownVariable) {
		other := 1 - known
		if _, err = execer.ExecContext(ctx, setUp+isolations[other], nil); err == nil {
			c.isolation.Store(other)
		}
	}
	return err
}

// connect returns a pool for the store alone. It connects nothing yet.
func connect(config *mysql.Config, o Options) (*sql.DB, error) {
	if config == nil {
		return nil, errors.New("open: the mysql.Config is nil")
	}
	c := config.Clone()
	c.ClientFoundRows = false  // a create tells by the rows changed whether one stood there
	c.InterpolateParams = true // one round trip
	c.ParseTime = false
	c.MultiStatements = false
	c.Collation = "utf8mb4_bin"
	c.MaxAllowedPacket = packetOf(o.MaxRecord)
	inner, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(&connector{Connector: inner})
	db.SetMaxOpenConns(o.Conns)
	db.SetMaxIdleConns(o.Conns)
	db.SetConnMaxLifetime(lifetime) // so that a failover behind one address is found
	return db, nil
}

const lifetime = 5 * time.Minute
