//go:build unix

package doctor

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/holdfast-go/session/cmd/holdfast/internal/address"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/mysqlstore"
)

// mariadb is a server as docs/STORES.md has it, with the store's tables, and a connection to
// plant something.
func mariadb(t *testing.T, args ...string) (text string, run func(...string)) {
	t.Helper()
	s := mariadbtest.Start(t, append([]string{"--innodb-flush-log-at-trx-commit=1"}, args...)...)
	connects(t, configOf(t, "mysql://root@"+s.Addr+"/test"))("CREATE DATABASE shop") // of test everybody has all rights
	text = "mysql://root@" + s.Addr + "/shop"
	store, err := mysqlstore.Open(t.Context(), configOf(t, text), &mysqlstore.Options{CleanEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return text, connects(t, configOf(t, text))
}

func configOf(t *testing.T, text string) *mysql.Config {
	t.Helper()
	c, err := address.MySQL(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connects returns what runs statements over one connection of its own.
func connects(t *testing.T, c *mysql.Config) func(...string) {
	t.Helper()
	db, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
}

func TestMySQL(t *testing.T) {
	t.Parallel()
	text, run := mariadb(t, "--max-connections=40")
	o := Options{Stores: []string{text}}
	examine(t, o).finds(t)
	for _, test := range []struct {
		is          string
		plant, mend []string
		finds       []string
	}{
		{"a replica", []string{"SET GLOBAL read_only = ON"}, []string{"SET GLOBAL read_only = OFF"}, []string{"mysql-read-only"}},
		{"small packets", []string{"SET GLOBAL max_allowed_packet = 1048576"}, []string{"SET GLOBAL max_allowed_packet = 16777216"}, []string{"mysql-packet"}},
		{"commits that are not on disk", []string{"SET GLOBAL innodb_flush_log_at_trx_commit = 2"}, []string{"SET GLOBAL innodb_flush_log_at_trx_commit = 1"}, []string{"mysql-durable"}},
		{"idle connections closed", []string{"SET GLOBAL wait_timeout = 60"}, []string{"SET GLOBAL wait_timeout = 28800"}, []string{"mysql-timeout"}},
		{"no index", []string{"DROP INDEX sessions_expires ON sessions"}, []string{"CREATE INDEX sessions_expires ON sessions (expires)"}, []string{"mysql-index"}},
		{"another collation", []string{"ALTER TABLE sessions MODIFY id VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"},
			[]string{"ALTER TABLE sessions MODIFY id VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL"}, []string{"mysql-ids"}},
		{"another engine", []string{"ALTER TABLE sessions ENGINE = Aria"}, []string{"ALTER TABLE sessions ENGINE = InnoDB"}, []string{"mysql-engine"}},
		{"no clean-up", []string{"INSERT INTO sessions (id, version, expires, data) SELECT CONCAT('old', seq), UNHEX(MD5(seq)), UTC_TIMESTAMP() - INTERVAL 2 HOUR, '' FROM seq_1_to_2000"},
			[]string{"DELETE FROM sessions"}, []string{"mysql-expired"}},
		{"a newer program's tables", []string{"UPDATE sessions_store SET schema_version = 9"}, []string{"UPDATE sessions_store SET schema_version = 1"}, []string{"mysql-refuses"}},
		{"another program's table", []string{"RENAME TABLE sessions_store TO away"}, []string{"RENAME TABLE away TO sessions_store"}, []string{"mysql-check"}},
		{"no table", []string{"RENAME TABLE sessions TO away"}, []string{"RENAME TABLE away TO sessions"}, []string{"mysql-check"}},
	} {
		t.Run(test.is, func(t *testing.T) {
			run(test.plant...)
			examine(t, o).finds(t, test.finds...)
			run(test.mend...)
		})
	}
	examine(t, o).finds(t)

	run("CREATE USER web IDENTIFIED BY 'words'", "GRANT SELECT, INSERT ON shop.* TO web")
	limited := strings.Replace(text, "root@", "web:words@", 1)
	examine(t, Options{Stores: []string{limited}}).finds(t, "mysql-refuses")
	run("GRANT UPDATE, DELETE ON shop.* TO web")
	examine(t, Options{Stores: []string{limited}}).finds(t)

	// Room that nothing has, once the server has cleaned up behind the deletions.
	run("INSERT INTO sessions (id, version, expires, data) SELECT CONCAT('big', seq), UNHEX(MD5(seq)), UTC_TIMESTAMP() + INTERVAL 2 HOUR, REPEAT('x', 4000) FROM seq_1_to_3000", "DELETE FROM sessions")
	var facts mysqlFacts
	asks := func(is func() bool) {
		t.Helper()
		until(t, func() bool {
			var err error
			facts, err = askMySQL(t.Context(), configOf(t, text), "sessions")
			return err == nil && is()
		})
	}
	finds := func(check string) {
		t.Helper()
		var r Report
		judge(&r, "mysql", mysqlRules, facts)
		r.finds(t, check)
	}
	asks(func() bool { run("ANALYZE TABLE sessions"); return facts.unused > 4<<20 && facts.size < 1<<20 })
	facts.unused *= 20
	finds("mysql-bloat")

	config := configOf(t, text)
	open := connects(t, config)
	open("START TRANSACTION", "SELECT * FROM sessions FOR UPDATE")
	asks(func() bool { return facts.oldest > 100*time.Millisecond })
	facts.oldest *= 6000 // a tenth of a second is ten minutes
	finds("mysql-transaction")
	open("ROLLBACK")

	for range 33 {
		connects(t, config)("SELECT 1")
	}
	examine(t, o).finds(t, "mysql-connections")
}

// What a server does from its start on.
func TestMySQLStarts(t *testing.T) {
	t.Parallel()
	text, run := mariadb(t, "--log-bin", "--binlog-format=MIXED", "--sync-binlog=0")
	examine(t, Options{Stores: []string{text}}).finds(t, "mysql-durable")
	run("SET GLOBAL sync_binlog = 1")
	examine(t, Options{Stores: []string{text}}).finds(t)
	run("SET GLOBAL binlog_format = 'STATEMENT'")
	examine(t, Options{Stores: []string{text}}).finds(t, "mysql-binlog")
}

// No server of a test shows this, so the rules get the facts directly.
func TestRulesOfAMySQLThatIsNotHere(t *testing.T) {
	facts := func(set ...string) mysqlFacts {
		f := mysqlFacts{loopback: true, engine: "InnoDB", ids: "ascii_bin", indexed: true, status: map[string]string{}, variables: map[string]string{
			"version": "8.0.36", "max_allowed_packet": "67108864", "innodb_flush_log_at_trx_commit": "1", "wait_timeout": "28800",
		}}
		for i := 0; i < len(set); i += 2 {
			f.variables[set[i]], f.status[set[i]] = set[i+1], set[i+1]
		}
		return f
	}
	open := facts()
	open.loopback = false
	skewed := facts()
	skewed.skew = 30 * time.Second
	far := facts()
	far.skew = -2 * time.Minute
	for want, f := range map[string]mysqlFacts{
		"":                facts("wsrep_on", "ON", "wsrep_ready", "ON"),
		"mysql-old":       facts("version", "5.7.44-log"),
		"mysql-galera":    facts("wsrep_on", "ON", "wsrep_ready", "OFF"),
		"mysql-open":      open,
		"mysql-clock":     skewed,
		"mysql-clock-far": far,
		"mysql-read-only": facts("innodb_read_only", "1"),
	} {
		var r Report
		judge(&r, "mysql", mysqlRules, f)
		if want == "" {
			r.finds(t)
			continue
		}
		r.finds(t, want)
	}
	for version, old := range map[string]bool{"10.4.32-MariaDB": true, "10.5.0-MariaDB-log": false, "11.4.2-MariaDB": false, "5.7.1": true, "8.4.0": false} {
		if got := facts("version", version).tooOld(); got != old {
			t.Errorf("%s: got %v, want %v", version, got, old)
		}
	}
}

func TestNoMySQL(t *testing.T) {
	for _, text := range []string{"mysql://u:words@127.0.0.1:1/shop", "mysql://u:words@host", "mysql://u:words@host/shop?parseTime=true", "mysql://u:words@host/shop?tls=words"} {
		r := Examine(context.Background(), Options{Stores: []string{text}})
		var said strings.Builder
		r.Write(&said)
		if len(r.Blind) != 1 || r.Exit() != 2 || strings.Contains(said.String(), "words") {
			t.Errorf("%s: exit status %d, %s", text, r.Exit(), said.String())
		}
	}
}
