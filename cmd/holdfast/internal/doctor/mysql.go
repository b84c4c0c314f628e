package doctor

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/holdfast-go/session/cmd/holdfast/internal/address"
	"github.com/holdfast-go/session/mysqlstore"
)

// mysqlFacts are the settings and figures that a MySQL or MariaDB reports, with those of
// the sessions' table.
type mysqlFacts struct {
	variables map[string]string
	status    map[string]string
	tables    string // what is wrong with them
	engine    string
	ids       string // the collation of the column of IDs
	indexed   bool   // the column of expiries
	rows      int64
	expired   int64
	size      int64         // bytes of the table
	unused    int64         // bytes of its file that hold nothing
	oldest    time.Duration // since the oldest transaction began
	skew      time.Duration
	loopback  bool
	password  bool
}

func (r *Report) mysql(ctx context.Context, text, table string) {
	name := nameOf(text)
	table = cmp.Or(table, sqliteTable)
	config, err := address.MySQL(text)
	if err != nil {
		r.blind(name, err)
		return
	}
	facts, err := askMySQL(ctx, config, table)
	if err != nil {
		r.blind(name, err)
		return
	}
	r.Looked, r.skews[name] = append(r.Looked, name), facts.skew
	before := len(r.Findings)
	judge(r, name, mysqlRules, facts)
	for _, f := range r.Findings[before:] {
		if f.Severity == Error {
			return
		}
	}
	if err := tryMySQL(ctx, config, table); err != nil {
		r.Findings = append(r.Findings, Finding{
			"mysql-refuses", name, Error, "a session cannot be saved: " + err.Error(),
			"503 on every page with a session, or with a backup: everybody is served from backups",
			"GRANT SELECT, INSERT, UPDATE, DELETE ON …" + table + "* TO the user, or what the error names",
		})
	}
}

func askMySQL(ctx context.Context, config *mysql.Config, table string) (mysqlFacts, error) {
	var f mysqlFacts
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return f, err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	host, _, _ := net.SplitHostPort(config.Addr)
	ip := net.ParseIP(host)
	f.loopback, f.password = host == "localhost" || ip != nil && ip.IsLoopback(), config.Passwd != ""
	var now string
	before := time.Now()
	if err := db.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now); err != nil {
		return f, fmt.Errorf("it does not answer, or refuses the user: %w", err)
	}
	after := time.Now()
	clock, err := time.Parse("2006-01-02 15:04:05.999999", now)
	if err != nil {
		return f, err
	}
	f.skew = skewOf(clock, before, after)
	if f.variables, err = pairs(ctx, db, "SHOW GLOBAL VARIABLES"); err != nil {
		return f, err
	}
	if f.status, err = pairs(ctx, db, "SHOW GLOBAL STATUS"); err != nil {
		return f, err
	}
	var seconds float64
	err = db.QueryRowContext(ctx, `SELECT COALESCE(MAX(TIMESTAMPDIFF(MICROSECOND, trx_started, NOW(6))), 0) / 1e6 FROM information_schema.INNODB_TRX`).Scan(&seconds)
	if err == nil { // only a user with the right PROCESS sees them
		f.oldest = time.Duration(seconds * float64(time.Second))
	}
	return f, f.askTable(ctx, db, table)
}

// askTable asks for the table of the sessions. A table or a column that is missing is no
// error.
func (f *mysqlFacts) askTable(ctx context.Context, db *sql.DB, table string) error {
	var state int
	err := db.QueryRowContext(ctx, `SELECT t.ENGINE, t.DATA_LENGTH + t.INDEX_LENGTH, t.DATA_FREE, COALESCE(c.COLLATION_NAME, ''),
			(SELECT COUNT(*) FROM information_schema.TABLES s WHERE s.TABLE_SCHEMA = DATABASE() AND s.TABLE_NAME = CONCAT(t.TABLE_NAME, '_store')),
			(SELECT COUNT(*) FROM information_schema.STATISTICS i WHERE i.TABLE_SCHEMA = DATABASE() AND i.TABLE_NAME = t.TABLE_NAME
				AND i.COLUMN_NAME = 'expires' AND i.SEQ_IN_INDEX = 1) > 0
		FROM information_schema.TABLES t LEFT JOIN information_schema.COLUMNS c
			ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME AND c.COLUMN_NAME = 'id'
		WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = ?`, table).
		Scan(&f.engine, &f.size, &f.unused, &f.ids, &state, &f.indexed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		f.tables = "there is no table " + table + ", or the user may not see it"
		return nil
	case err != nil:
		return err
	case state == 0:
		f.tables = "the table " + table + " is of another program"
		return nil
	}
	return db.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(expires < UTC_TIMESTAMP(3) - INTERVAL 1 HOUR), 0) FROM `+quoted(table, "`")).Scan(&f.rows, &f.expired)
}

// pairs returns the rows of a name and a value.
func pairs(ctx context.Context, db *sql.DB, statement string) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		all[strings.ToLower(name)] = value
	}
	return all, rows.Err()
}

// tryMySQL does what the store does with a record of its own, and returns why it could not.
// The tables are there, so that Open makes none.
func tryMySQL(ctx context.Context, config *mysql.Config, table string) error {
	store, err := mysqlstore.Open(ctx, config, &mysqlstore.Options{Table: table, CleanEvery: -1, Conns: 1})
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	return tryStore(ctx, store)
}

func (f mysqlFacts) number(name string) float64 {
	text, ok := f.variables[name]
	if !ok {
		text = f.status[name]
	}
	n, _ := strconv.ParseFloat(text, 64)
	return n
}

// on reports whether a variable is set, which servers write in two ways.
func (f mysqlFacts) on(name string) bool {
	return strings.EqualFold(f.variables[name], "ON") || f.variables[name] == "1"
}

// tooOld reports whether the store does not know the version.
func (f mysqlFacts) tooOld() bool {
	version, _, _ := strings.Cut(f.variables["version"], "-")
	if strings.Contains(strings.ToLower(f.variables["version"]), "mariadb") {
		return olderThan(version, 10, 5)
	}
	return olderThan(version, 8, 0)
}
