// Package coordinator gives monitors a place to meet: a few small values that several
// processes read and change by compare-and-set, in etcd (etcd.go), ZooKeeper
// (zookeeper.go) or a record of a session store (store.go).
package coordinator

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// Entry is a value as it stands.
type Entry struct {
	Value    []byte
	Revision int64 // of its last change; zero: nothing stands
}

// Guard is a condition of a change: the entry must still be of this revision.
type Guard struct {
	Name     string
	Revision int64
}

// Coordinator is a store of entries. Names are of the form "site/override". Its methods
// may be called concurrently.
type Coordinator interface {
	// Get returns an entry.
	Get(ctx context.Context, name string) (Entry, error)

	// List returns the entries in a folder, by the last part of their names.
	List(ctx context.Context, folder string) (map[string]Entry, error)

	// Set writes an entry if it is of revision over, and every guard holds. It reports
	// whether it wrote; it may report false where an earlier attempt of the same call
	// wrote.
	Set(ctx context.Context, name string, value []byte, over int64, guards ...Guard) (done bool, err error)

	// Remove removes an entry likewise.
	Remove(ctx context.Context, name string, over int64, guards ...Guard) (done bool, err error)

	// Close closes the connections of the Coordinator.
	Close()
}

// ErrAddress describes how an address is written. It quotes no address, because there may
// be a password in it.
var ErrAddress = errors.New("want etcd://user:password@host:port,host:port/key, zk://user:password@host:port,host:port/path, or the address of a store with #key behind it; write what is special in a password as %XX")

// Address names an order and the servers that hold it.
type Address struct {
	Scheme         string // "etcd" or "zk"
	Servers        []string
	Name           string // of the order, without a slash in front
	User, Password string
}

// ParseAddress takes an address apart.
func ParseAddress(text string) (Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	a := Address{Scheme: scheme}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, password, _ := strings.Cut(rest[:i], ":")
		var err1, err2 error
		a.User, err1 = url.PathUnescape(user)
		a.Password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return Address{}, ErrAddress
		}
		rest = rest[i+1:]
	}
	list, name, found := strings.Cut(rest, "/")
	known := scheme == "etcd" || scheme == "zk"
	if !ok || !known || !found || list == "" || name == "" {
		return Address{}, ErrAddress
	}
	a.Servers, a.Name = strings.Split(list, ","), name
	return a, nil
}

// Open returns the Coordinator at an address. It does not connect yet.
func Open(a Address) (Coordinator, error) {
	if a.Scheme == "zk" {
		return openZooKeeper(a)
	}
	return openEtcd(a)
}
