// Package load is an HTTP/1.1 client that costs little, so that the benchmark
// measures the server. It makes each request once, only scans the answers, and
// keeps a visitor's cookies as a browser would.
package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Request is what is asked again and again.
type Request struct {
	Method, Path string
	Want         []byte // the body of the right answer; nil: any
}

// Answer is what came. Body is good until the next Do of the Conn.
type Answer struct {
	Body       []byte
	SetCookie  int // bytes of all Set-Cookie lines
	CookieLine int // bytes of the Cookie line of the request
}

// StatusError is an answer other than 200.
type StatusError struct {
	Code int
	Body string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %.200s", e.Code, e.Body) }

// Conn is one connection that is kept alive. It is for one goroutine.
type Conn struct {
	nc  net.Conn
	buf []byte

	// The request that out holds.
	out     []byte
	of      *Request
	jar     *Jar
	version int
}

// Dial connects to a server.
func Dial(addr string) (*Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &Conn{nc: nc, buf: make([]byte, 16<<10)}, nil
}

// Close ends the connection.
func (c *Conn) Close() { _ = c.nc.Close() }

// Patience bounds all that is done until it is called again.
func (c *Conn) Patience(d time.Duration) { _ = c.nc.SetDeadline(time.Now().Add(d)) }

// Do sends r with the cookies in jar, which takes those of the answer, and
// checks the answer.
func (c *Conn) Do(jar *Jar, r *Request) (Answer, error) {
	if c.of != r || c.jar != jar || c.version != jar.version {
		c.prepare(jar, r)
	}
	if _, err := c.nc.Write(c.out); err != nil {
		return Answer{}, err
	}
	head, body, err := c.read()
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	if code := string(head[9:12]); code != "200" {
		n, _ := strconv.Atoi(code)
		return Answer{}, fmt.Errorf("%s %s: %w", r.Method, r.Path, &StatusError{n, string(body)})
	}
	if r.Want != nil && !bytes.Equal(body, r.Want) {
		return Answer{}, fmt.Errorf("%s %s: got %q, want %q", r.Method, r.Path, body, r.Want)
	}
	return Answer{body, jar.take(head), jar.size()}, nil
}

func (c *Conn) prepare(jar *Jar, r *Request) {
	c.of = r
	c.jar = jar
	c.version = jar.version
	b := append(append(append(c.out[:0], r.Method...), ' '), r.Path...)
	b = append(b, " HTTP/1.1\r\nHost: bench\r\n"...)
	b = jar.append(b)
	if r.Method == http.MethodPost {
		b = append(b, "Content-Length: 0\r\n"...)
	}
	c.out = append(b, "\r\n"...)
}

var (
	lineEnd       = []byte("\r\n")
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("Content-Length: ")

	errNoLength = errors.New("an answer without Content-Length")
)

// read returns one answer: its head with the empty line, and its body.
func (c *Conn) read() (head, body []byte, err error) {
	n, end := 0, -1
	for end < 0 {
		if n == len(c.buf) {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
		got, err := c.nc.Read(c.buf[n:])
		if err != nil {
			return nil, nil, err
		}
		from := max(0, n-3)
		n += got
		if end = bytes.Index(c.buf[from:n], headEnd); end >= 0 {
			end += from + len(headEnd)
		}
	}
	if end < len("HTTP/1.1 200\r\n") {
		return nil, nil, io.ErrUnexpectedEOF
	}
	length, err := lengthOf(c.buf[:end])
	if err != nil {
		return nil, nil, err
	}
	if short := end + length - len(c.buf); short > 0 {
		c.buf = append(c.buf, make([]byte, short)...)
	}
	if n < end+length {
		if _, err = io.ReadFull(c.nc, c.buf[n:end+length]); err != nil {
			return nil, nil, err
		}
	}
	return c.buf[:end], c.buf[end : end+length], nil
}

func lengthOf(head []byte) (int, error) {
	_, rest, ok := bytes.Cut(head, contentLength)
	if !ok {
		return 0, errNoLength
	}
	n := 0
	for _, digit := range rest {
		if digit < '0' || digit > '9' || n > 1<<30 {
			break
		}
		n = 10*n + int(digit-'0')
	}
	return n, nil
}
