package sqlitestore_test

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"syscall"
	"testing"
)

// The bytes of the -shm file that SQLite locks in WAL mode: the writer's, those of
// checkpoints and recovery, and five of readers.
const (
	firstLock = 120
	locks     = 8
)

// lockInTurns takes all locks, that of the writer, or none, as each line says. It does
// it at the file, so it works whatever version of SQLite uses it.
func lockInTurns(path string, in *bufio.Scanner) {
	f, err := os.OpenFile(path+"-shm", os.O_RDWR, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	lock := func(kind int16, n int64) error {
		return syscall.FcntlFlock(f.Fd(), syscall.F_SETLKW, &syscall.Flock_t{Type: kind, Start: firstLock, Len: n})
	}
	for in.Scan() {
		err := error(nil)
		switch in.Text() {
		case "all":
			err = lock(syscall.F_WRLCK, locks)
		case "write":
			err = lock(syscall.F_WRLCK, 1)
		case "none":
			err = lock(syscall.F_UNLCK, locks)
		}
		if err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("done")
		}
	}
}

// query runs one statement, over a connection of its own, and returns the first column of
// the first row as text.
func query(t testing.TB, path, statement string) string {
	t.Helper()
	db, err := sql.Open("sqlite", uri(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "PRAGMA busy_timeout = 10000"); err != nil {
		t.Fatal(err)
	}
	var text sql.NullString
	if err := db.QueryRowContext(t.Context(), statement).Scan(&text); err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.Fatalf("%s: %v", statement, err)
	}
	return text.String
}

// uri is a path as SQLite takes it, whatever characters it has.
func uri(path string) string { return "file://" + (&url.URL{Path: path}).EscapedPath() }
