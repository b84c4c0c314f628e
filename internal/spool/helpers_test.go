package spool_test

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/spool"
)

func (p *process) time() time.Time { return time.Now() }

// poll waits until a condition holds. The deadline decides nothing in a test that
// passes.
func (p *process) poll(what string, holds func() bool) {
	p.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("not in time: %s; %+v", what, p.Stats())
		}
	}
}

// disk is a file on a disk that fails as a test says.
type disk struct {
	spool.File

	mu       sync.Mutex // guards all below
	room     int        // bytes that it takes; below 0: any number
	uncut    bool       // Truncate fails
	unsynced bool       // Sync fails
	syncs    int
	frozen   chan struct{} // a write waits until it is closed; nil: none waits
	writing  int           // writes that have begun
}

// on puts a disk under a process, before it starts.
func on(p *process) *disk {
	d := &disk{room: -1}
	p.Wrap(func(f spool.File) spool.File {
		d.File = f
		return d
	})
	return d
}

func (d *disk) set(change func(*disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *disk) Write(b []byte) (int, error) {
	d.mu.Lock()
	d.writing++
	frozen := d.frozen
	d.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room < 0 || len(b) <= d.room {
		if d.room >= 0 {
			d.room -= len(b)
		}
		return d.File.Write(b)
	}
	n, err := d.File.Write(b[:d.room])
	d.room = 0
	if err != nil {
		return n, err
	}
	return n, syscall.ENOSPC
}

func (d *disk) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.uncut {
		return syscall.EIO
	}
	return d.File.Truncate(size)
}

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	if d.unsynced {
		return syscall.EIO
	}
	return d.File.Sync()
}

// deliverHints is deliverAll for hints, without a wait for the file.
func (p *process) deliverHints() {
	for _, h := range p.j.Hints("") {
		p.j.Remove(h, true, p.time())
	}
}

func filepathDir(p *process) string { return filepath.Dir(p.Path()) }

// stat is os.Stat, which must work.
func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
