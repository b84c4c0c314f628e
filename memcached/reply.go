package memcached

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// code is the first word of a reply.
type code uint8

const (
	codeValue     code = iota + 1 // VA: a value follows
	codeDone                      // HD: done, or found where no value was asked for
	codeMiss                      // EN: mg found nothing
	codeNotFound                  // NF: ms or md found nothing
	codeNotStored                 // NS
	codeExists                    // EX: another CAS
	codeError                     // ERROR, CLIENT_ERROR, SERVER_ERROR
)

const (
	maxLine  = 2048      // a reply line of ours has under 100 bytes
	maxValue = 1 << 30   // the largest that memcached's option -I allows
	chunk    = 1 << 20   // how much memory an announced length gets ahead of its bytes
	readSize = 64 * 1024 // of the read buffer
)

// reply is a parsed reply line.
type reply struct {
	code      code
	size      int // of the value that follows codeValue
	flags     uint32
	cas       uint64
	opaque    uint64
	hasFlags  bool
	hasCAS    bool
	hasOpaque bool
	line      string // of codeError
}

// readLine returns the next line without its CRLF. It is valid until the next
// read.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine {
		return nil, protocolError("line too long")
	}
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return nil, protocolError("line without CRLF")
	}
	return line[:len(line)-2], nil
}

// readReply reads a reply line into r. The value that it may announce is of at
// most limit bytes and is left to readValue or skipValue.
func readReply(br *bufio.Reader, limit int, r *reply) error {
	line, err := readLine(br)
	if err != nil {
		return err
	}
	*r = reply{}
	word, rest := nextWord(line)
	switch string(word) {
	case "VA":
		r.code = codeValue
		word, rest = nextWord(rest)
		n, ok := parseUint(word)
		if !ok {
			return protocolError("value without a length")
		}
		if n > uint64(limit) {
			return protocolError("value longer than the server's item_size_max")
		}
		r.size = int(n)
	case "HD":
		r.code = codeDone
	case "EN":
		r.code = codeMiss
	case "NF":
		r.code = codeNotFound
	case "NS":
		r.code = codeNotStored
	case "EX":
		r.code = codeExists
	case "ERROR", "CLIENT_ERROR", "SERVER_ERROR":
		r.code = codeError
		r.line = printable(line)
		return nil
	default:
		return protocolError("unknown reply")
	}
	for len(rest) > 0 {
		word, rest = nextWord(rest)
		if !r.setFlag(word) {
			return protocolError("flag that does not parse")
		}
	}
	return nil
}

// setFlag takes one flag of a reply line. It ignores flags that were not requested,
// such as W, X and Z of another client's invalidations.
func (r *reply) setFlag(word []byte) (ok bool) {
	if len(word) == 0 {
		return false
	}
	var n uint64
	switch word[0] {
	case 'f':
		n, ok = parseUint(word[1:])
		ok = ok && n <= 1<<32-1 && !r.hasFlags
		r.flags, r.hasFlags = uint32(n), true
	case 'c':
		n, ok = parseUint(word[1:])
		ok = ok && !r.hasCAS
		r.cas, r.hasCAS = n, true
	case 'O':
		n, ok = parseUint(word[1:])
		ok = ok && !r.hasOpaque
		r.opaque, r.hasOpaque = n, true
	default:
		ok = true
	}
	return ok
}

// readValue reads a value of n bytes and the CRLF behind it. It never allocates more
// than a chunk, or twice the bytes that have arrived.
func readValue(br *bufio.Reader, n int) ([]byte, error) {
	value := make([]byte, min(n, chunk))
	for read := 0; ; {
		if _, err := io.ReadFull(br, value[read:]); err != nil {
			return nil, unexpected(err)
		}
		if read = len(value); read == n {
			return value, readCRLF(br)
		}
		grown := make([]byte, min(n, 2*read))
		copy(grown, value)
		value = grown
	}
}

// skipValue is readValue for a caller that has left.
func skipValue(br *bufio.Reader, n int) error {
	if _, err := br.Discard(n); err != nil {
		return unexpected(err)
	}
	return readCRLF(br)
}

func readCRLF(br *bufio.Reader) error {
	end, err := br.Peek(2)
	if err != nil {
		return unexpected(err)
	}
	if end[0] != '\r' || end[1] != '\n' {
		return protocolError("value longer than announced")
	}
	_, err = br.Discard(2)
	return err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func nextWord(b []byte) (word, rest []byte) {
	word, rest, _ = bytes.Cut(b, []byte{' '})
	return word, rest
}

// parseUint is strconv.ParseUint for bytes, decimal digits only.
func parseUint(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// printable makes a line fit for an error.
func printable(line []byte) string {
	line = bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, line[:min(len(line), 120)])
	return string(line)
}
