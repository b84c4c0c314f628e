package memcached

import (
	"strconv"
	"time"
)

// op is the kind of a request.
type op uint8

const (
	opGet op = iota + 1
	opGetAndTouch
	opTouch
	opSet
	opAdd
	opDelete
	opProbe
)

// probeKey is what a probe asks for. It does not matter whether something stands there.
const probeKey = "probe"

// request is a command before a connection numbers it.
type request struct {
	op      op
	key     string // legal, see wireKey
	value   []byte
	flags   uint32
	expires time.Time
	over    Token // compared by opSet and opDelete where pinned
	pinned  bool  // only a connection of over's incarnation may send it
}

// append encodes r as the command that opaque numbers. The meta commands are
// described in memcached's doc/protocol.txt. Noreply ("q") is never used.
func (r *request) append(b []byte, opaque uint64, now clock) []byte {
	switch r.op {
	case opProbe:
		// Not mn, whose reply names no request: where one reply is lost on a connection that
		// stays open, each later one would be taken for that of the probe before.
		b = append(b, "mg "...)
		b = append(b, probeKey...)
	case opGet:
		b = append(b, "mg "...)
		b = append(b, r.key...)
		b = append(b, " v f c"...)
	case opGetAndTouch:
		b = append(b, "mg "...)
		b = append(b, r.key...)
		b = append(b, " v f c T"...)
		b = strconv.AppendInt(b, exptime(r.expires, now), 10)
	case opTouch:
		b = append(b, "mg "...)
		b = append(b, r.key...)
		b = append(b, " T"...)
		b = strconv.AppendInt(b, exptime(r.expires, now), 10)
	case opDelete:
		b = append(b, "md "...)
		b = append(b, r.key...)
	case opSet, opAdd:
		b = append(b, "ms "...)
		b = append(b, r.key...)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(len(r.value)), 10)
		b = append(b, " c T"...)
		b = strconv.AppendInt(b, exptime(r.expires, now), 10)
		b = append(b, " F"...)
		b = strconv.AppendUint(b, uint64(r.flags), 10)
		if r.op == opAdd {
			b = append(b, " ME"...)
		}
	}
	if r.pinned {
		b = append(b, " C"...)
		b = strconv.AppendUint(b, r.over.CAS, 10)
	}
	b = append(b, " O"...)
	b = strconv.AppendUint(b, opaque, 10)
	b = append(b, "\r\n"...)
	if r.op == opSet || r.op == opAdd {
		b = append(b, r.value...)
		b = append(b, "\r\n"...)
	}
	return b
}

// itemSize is what memcached counts against item_size_max: a header of 48
// bytes, the CAS, the key and its end, the flags if any, the value and its
// CRLF.
func (r *request) itemSize() int {
	size := 48 + 8 + len(r.key) + 1 + len(r.value) + 2
	if r.flags != 0 {
		size += 4
	}
	return size
}

// answers reports whether a reply of this kind can belong to o at all.
func (o op) answers(c code) bool {
	switch c {
	case codeError:
		return true
	case codeValue:
		return o == opGet || o == opGetAndTouch
	case codeMiss:
		return o == opGet || o == opGetAndTouch || o == opTouch || o == opProbe
	case codeDone:
		return o == opTouch || o == opSet || o == opAdd || o == opDelete || o == opProbe
	case codeNotStored:
		return o == opSet || o == opAdd
	case codeExists, codeNotFound:
		return o == opSet || o == opAdd || o == opDelete
	}
	return false
}
