package mysqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/mysqlstore"
)

const patience = timeleft.Patience

var (
	record     = records.New
	mustSave   = records.MustSave
	mustLoad   = records.MustLoad
	eventually = timeleft.Poll
)

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(&mysql.NopLogger{}) // it would tell of each server that is killed
	code := m.Run()
	mariadbtest.RemoveTemplate()
	os.Exit(code)
}

func configOf(s *mariadbtest.Server) *mysql.Config {
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", s.Addr
	c.User, c.DBName = "root", "test"
	return c
}

// admin runs statements over a connection of its own each time, and returns the last
// one's first row as text.
func admin(t testing.TB, s *mariadbtest.Server, statements ...string) string {
	t.Helper()
	db, err := sql.Open("mysql", configOf(s).FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var text string
	for i, statement := range statements {
		if i < len(statements)-1 {
			_, err = db.ExecContext(t.Context(), statement)
		} else {
			text, err = firstRow(t.Context(), db, statement)
		}
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return text
}

// firstRow returns the last column of the first row.
func firstRow(ctx context.Context, db *sql.DB, statement string) (text string, err error) {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || !rows.Next() {
		return "", err
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(sql.NullString)
	}
	if len(columns) == 0 {
		return "", nil
	}
	err = rows.Scan(values...)
	return values[len(values)-1].(*sql.NullString).String, err
}

func newStore(t testing.TB, s *mariadbtest.Server, o mysqlstore.Options, change ...func(*mysql.Config)) *mysqlstore.Store {
	t.Helper()
	config := configOf(s)
	for _, f := range change {
		f(config)
	}
	store, err := mysqlstore.Open(within(t, patience), config, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// tables numbers the tables of tests that share a server.
var tables int

func newTable() mysqlstore.Options {
	tables++
	return mysqlstore.Options{Table: fmt.Sprintf("sessions%d", tables)}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("outages are not short: make test and make race run them in full")
	}
}
