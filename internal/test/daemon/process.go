//go:build unix

package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// children returns the processes that one has started and that are not reaped. Where
// there is no /proc it finds none.
func children(parent int) []int {
	var pids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		fields := statOf(name)
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Runs reports whether a process has not ended.
func Runs(pid int) bool {
	fields := statOf(fmt.Sprintf("/proc/%d/stat", pid))
	return len(fields) > 0 && fields[0][0] != 'Z'
}

// Stands reports whether no thread of a process runs. Where there is no /proc there is
// nothing to look at.
func Stands(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	return !slices.ContainsFunc(stats, func(name string) bool {
		fields := statOf(name)
		return len(fields) > 0 && !bytes.ContainsAny(fields[0], "TZ")
	})
}

// statOf returns the fields after the name of the program, which may have blanks: the
// state's letter, the parent, and what else proc(5) names.
func statOf(name string) [][]byte {
	stat, _ := os.ReadFile(name)
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return bytes.Fields(rest)
}
