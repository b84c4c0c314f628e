package memcached

import (
	"crypto/sha256"
	"encoding/binary"
)

// Token names one write of one item: the CAS value that the server gave it,
// and the life of the server in which it did. A server counts CAS values from
// 1 again when it restarts, so that a CAS value alone may name two writes.
//
// Equal Tokens name the same write. They are 16 bytes, and a program may store
// them; in the first seconds of a server's life they end with the connection
// they came over. The zero Token names nothing: CompareAndSet over it is
// ErrConflict.
type Token struct {
	CAS         uint64
	Incarnation uint64 // tells this life of this server from any other
}

// incarnation is one life of one server, as a connection to it learned it.
type incarnation struct {
	name string // for probes: stable while the server lives
	id   uint64 // for Tokens
}

// newIncarnation identifies the process that answers at remote and calls
// itself pid, started at the Unix second start. Where processes of containers
// all have the pid 1, only start tells two lives apart, so two lives within
// one second look alike. That second is over for good once the process is
// older than it: salt is 0 then. Before, salt is random, and the Tokens of this
// connection are good on this connection only.
func newIncarnation(node, remote, pid, start string, salt uint64) incarnation {
	name := remote + " pid " + pid + " started " + start
	h := sha256.New()
	h.Write([]byte(node + "\x00" + name))
	h.Write(binary.BigEndian.AppendUint64(nil, salt))
	return incarnation{name: name, id: binary.BigEndian.Uint64(h.Sum(nil))}
}
