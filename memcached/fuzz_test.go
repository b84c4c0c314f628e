package memcached

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

// counter counts what was read of it.
type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// FuzzReply feeds any bytes to the parser. It never panics, never takes a
// value of another length than was announced, or longer than the limit, never
// makes room for bytes that do not come, and goes on with the byte behind the
// reply.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		"VA 5 f0 c1 O1\r\nvalue\r\n", "VA 0 f4294967295 c18446744073709551615 O1\r\n\r\n", "VA 5 W X Z s5 t-1 f0 c1 O1\r\nvalue\r\nEN O2\r\n",
		"HD\r\n", "HD c1 O1\r\n", "EN O1\r\n", "NF c0 O1\r\n", "NS c0 O1\r\n", "EX c0 O1\r\n", "MN\r\n",
		"ERROR\r\n", "CLIENT_ERROR bad data chunk\r\n", "SERVER_ERROR object too large for cache\r\n",
		"VA 5 f0 c1 O1\r\nvalues\r\n", "VA 5 f0 c1 O1\r\nval", "VA 9223372036854775808\r\n", "VA 99999999999999999999\r\n", "VA -1\r\n", "VA\r\n", "VA  5\r\n",
		"HD O1 O2\r\n", "HD c\r\n", "HD \r\n", "\r\n", "\n", "VALUE k 0 5\r\nvalue\r\nEND\r\n", "",
	} {
		f.Add([]byte(seed), 4096, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, limit int, skip bool) {
		limit = min(max(limit, 0), maxValue)
		in := &counter{r: bytes.NewReader(data)}
		br := bufio.NewReaderSize(in, 2*maxLine)
		var r reply
		taken := func() int { return in.n - br.Buffered() }
		for {
			if err := readReply(br, limit, &r); err != nil {
				return
			}
			if r.code < codeValue || r.code > codeError {
				t.Fatalf("code %d", r.code)
			}
			if r.code != codeValue {
				if r.size != 0 {
					t.Fatalf("%d bytes after a reply without a value", r.size)
				}
				continue
			}
			if r.size < 0 || r.size > limit {
				t.Fatalf("a value of %d bytes, over the limit %d", r.size, limit)
			}
			from := taken()
			if skip {
				if err := skipValue(br, r.size); err != nil {
					return
				}
			} else {
				value, err := readValue(br, r.size)
				if err != nil {
					return
				}
				if len(value) != r.size || !bytes.Equal(value, data[from:from+r.size]) {
					t.Fatalf("announced %d bytes, got %q", r.size, value)
				}
			}
			if got := taken() - from; got != r.size+2 {
				t.Fatalf("took %d bytes for a value of %d", got, r.size)
			}
		}
	})
}

// FuzzStats feeds any bytes to the parser of the handshake.
func FuzzStats(f *testing.F) {
	for _, seed := range []string{"STAT pid 1\r\nSTAT version 1.6.18\r\nEND\r\n", "END\r\n", "ERROR\r\n", "STAT\r\nEND\r\n", "STAT a\r\n", "MN\r\n", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		stats, err := readStats(bufio.NewReaderSize(bytes.NewReader(data), 2*maxLine))
		if err == nil && stats == nil {
			t.Fatal("neither stats nor an error")
		}
		supported(stats["version"])
	})
}

func TestAnAnnouncedLengthGetsNoMemoryAheadOfItsBytes(t *testing.T) {
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readValue(bufio.NewReaderSize(bytes.NewReader(make([]byte, 100)), 16), maxValue); err == nil {
				b.Fatal("a value of 100 bytes was taken for one of 1 GiB")
			}
		}
	})
	if got.AllocedBytesPerOp() > 2*chunk {
		t.Errorf("got %d bytes allocated, want at most %d", got.AllocedBytesPerOp(), 2*chunk)
	}
}

func FuzzKey(f *testing.F) {
	for _, seed := range []string{"", "key", "a b", "sha256:", HashKey("a b"), "\x7f", "键"} {
		f.Add(seed, "other")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		wireA, err := wireKey(a, nil)
		if err != nil || !legalKey(wireA) {
			t.Fatalf("%q became %q, %v", a, wireA, err)
		}
		if wireB, _ := wireKey(b, nil); a != b && wireA == wireB {
			t.Fatalf("%q and %q are both %q", a, b, wireA)
		}
	})
}
