package e2e_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// crumbs is a browser's cookie jar for one host, which counts what goes over
// the wire. Several requests may be under way at once.
type crumbs struct {
	t      *testing.T
	url    string
	others string // cookies that are not ours
	held   map[string]string
	alone  bool // a connection for each request: a busy Apache closes those that are idle

	line, header int // the longest Cookie line, the largest header of an answer
}

// send sends a request with the cookies that are there now. What the answer sets
// is taken in later.
func (c *crumbs) send(method, path, body string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	} else if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	var pairs []string
	for name, value := range c.held {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	if c.others != "" {
		pairs = append(pairs, c.others)
	}
	if line := strings.Join(pairs, "; "); line != "" {
		r.Header.Set("Cookie", line)
		c.line = max(c.line, len("Cookie: \r\n")+len(line))
	}
	r.Close = c.alone
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	size := len("HTTP/1.1 200 OK\r\n\r\n")
	for name, lines := range answer.Header {
		for _, line := range lines {
			size += len(name) + len(": ") + len(line) + len("\r\n")
		}
	}
	c.header = max(c.header, size)
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer
}

func (c *crumbs) take(answer *http.Response) {
	for _, cookie := range answer.Cookies() {
		if cookie.MaxAge < 0 {
			delete(c.held, cookie.Name)
		} else {
			c.held[cookie.Name] = cookie.Value
		}
	}
}

// visit sends a request and takes its answer in. Whatever nginx refuses fails.
func (c *crumbs) visit(method, path, body string, want ...int) int {
	c.t.Helper()
	answer := c.send(method, path, body)
	c.take(answer)
	if !slices.Contains(append(want, 200, 303), answer.StatusCode) {
		text, _ := io.ReadAll(answer.Body)
		c.t.Fatalf("%s %s: status %d: %.300s", method, path, answer.StatusCode, text)
	}
	return answer.StatusCode
}
