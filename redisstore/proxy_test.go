package redisstore_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session/internal/test/redistest"
)

// proxy passes commands on to a server one by one, and answers some itself. The server
// never sees those.
type proxy struct {
	net.Listener
	server string

	mu       sync.Mutex
	answers  map[string]string // by the command, as in "GET", or with its first argument, as in "HELLO 3"
	answered []string          // the commands that it answered itself
}

func startProxy(t *testing.T, srv *redistest.Server) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{Listener: l, server: srv.Addr(), answers: map[string]string{}}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

func (p *proxy) url() string { return "redis://" + p.Addr().String() }

// answer makes the proxy answer a command with these bytes, until the next call with "".
func (p *proxy) answer(command, bytes string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes == "" {
		delete(p.answers, command)
		return
	}
	p.answers[command] = bytes
}

// took returns the commands that the proxy has answered itself since the last call.
func (p *proxy) took() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.answered
	p.answered = nil
	return all
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	commands, replies := bufio.NewReader(client), bufio.NewReader(server)
	for {
		command, words, err := readFrame(commands)
		if err != nil {
			return
		}
		name := strings.ToUpper(words[0])
		p.mu.Lock()
		answer, own := p.answers[name]
		if !own && len(words) > 1 {
			answer, own = p.answers[name+" "+words[1]]
		}
		if own {
			p.answered = append(p.answered, name)
		}
		p.mu.Unlock()
		if own {
			whole, hangsUp := strings.CutSuffix(answer, "<end>")
			if _, err := io.WriteString(client, whole); err != nil || hangsUp {
				return
			}
			continue
		}
		if _, err := io.WriteString(server, command); err != nil {
			return
		}
		for again := true; again; {
			reply, _, err := readFrame(replies)
			if err != nil {
				return
			}
			if _, err := io.WriteString(client, reply); err != nil {
				return
			}
			again = reply[0] == '>'
		}
	}
}

// readFrame reads a message of the protocol: its bytes, and the strings in it.
func readFrame(r *bufio.Reader) (frame string, words []string, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", nil, err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$', '=', '!':
		if n < 0 {
			return line, nil, nil
		}
		body := make([]byte, n+2)
		_, err = io.ReadFull(r, body)
		return line + string(body), []string{string(body[:n])}, err
	case '%':
		n *= 2
		fallthrough
	case '*', '~', '>':
		for range n {
			inner, more, err := readFrame(r)
			if err != nil {
				return "", nil, err
			}
			line += inner
			words = append(words, more...)
		}
		return line, words, nil
	}
	return line, []string{fmt.Sprint(line[1:])}, nil
}
