package redisstore

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestFramesFindTheMessages(t *testing.T) {
	for stream, want := range map[string][]string{
		"+OK\r\n":                                            {"+ OK"},
		":1\r\n-ERR no\r\n_\r\n":                             {": ", "- ", "_ "},
		"$-1\r\n*-1\r\n":                                     {"$ ", "* "},
		"$3\r\n\r\n+\r\n":                                    {"$ \r\n+"},
		"$0\r\n\r\n:1\r\n":                                   {"$ ", ": "},
		"*0\r\n%0\r\n":                                       {"* ", "% "},
		"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n":                     {"* GET"},
		"*2\r\n*1\r\n:1\r\n*-1\r\n+a\r\n":                    {"* ", "+ a"},
		"%1\r\n+a\r\n%1\r\n+b\r\n:1\r\n,1.5\r\n":             {"% a", ", "},
		"|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n#t\r\n":              {"| ttl", "# "},
		">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n:1\r\n": {"> invalidate", ": "},
		"=5\r\ntxt:a\r\n!3\r\nERR\r\n(123\r\n":               {"= txt:a", "! ERR", "( "},
	} {
		for size := range len(stream) {
			var got []string
			f := frames{message: func(kind byte, word []byte) error {
				got = append(got, string(kind)+" "+string(word))
				return nil
			}}
			for piece := range slices.Chunk([]byte(stream), size+1) {
				if err := f.take(piece); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q in pieces of %d: got %q, want %q", stream, size+1, got, want)
			}
		}
	}
}

func TestALengthThatMakesNoSenseEndsTheMessages(t *testing.T) {
	for _, stream := range []string{
		"$-2\r\n", "*-2\r\n", "%-2\r\n", ">-7\r\n", "|-2\r\n", "$1073741825\r\n", "*16777217\r\n", "%9999999\r\n",
		"$9223372036854775807\r\n", "$99999999999999999999999999\r\n", "$-99999999999999999999999999\r\n",
		strings.Repeat("*9999999\r\n", 3),
	} {
		f := frames{message: func(byte, []byte) error { return nil }}
		if err := f.take([]byte(stream)); !errors.Is(err, errLength) {
			t.Errorf("%q: got %v, want %v", stream, err, errLength)
		}
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	f := frames{message: func(byte, []byte) error { return nil }}
	command := []byte("*2\r\n$3\r\nGET\r\n$1\r\nx\r\n")
	if got := testing.AllocsPerRun(100, func() { _ = f.take(command) }); got != 0 {
		t.Errorf("got %v allocations a command", got)
	}
}

// says is how a connection ends whose server has read these commands and says this.
func says(t *testing.T, commands []string, answers string) error {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	c := newConnection(client, "server")
	go func() {
		buffer := make([]byte, 1<<10)
		for range commands {
			_, _ = server.Read(buffer)
		}
		_, _ = server.Write([]byte(answers))
		_ = server.Close()
	}()
	for _, command := range commands {
		if _, err := c.Write([]byte(command)); err != nil {
			t.Fatal(err)
		}
	}
	buffer := make([]byte, 1<<10)
	for {
		if _, err := c.Read(buffer); err != nil {
			if _, again := c.Read(buffer); again == nil {
				t.Error("a connection that has ended goes on")
			}
			return err
		}
	}
}

func TestAnAnswerThatNobodyAskedForEndsTheConnection(t *testing.T) {
	const get, subscribe = "*2\r\n$3\r\nGET\r\n$1\r\nx\r\n", "*2\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n"
	const invalidate, subscribed = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n", ">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"
	for _, test := range []struct {
		commands []string
		answers  string
		want     error // nil: nothing but the end
	}{
		{[]string{get}, ":1\r\n", nil},
		{[]string{get, get}, ":1\r\n:1\r\n", nil},
		{[]string{get + get}, ":1\r\n:1\r\n", nil},
		{[]string{get}, invalidate + ":1\r\n" + invalidate, nil},
		{[]string{get[:5]}, "-ERR Protocol error\r\n", nil}, // also before the command is whole
		{[]string{subscribe}, "*3\r\n+subscribe\r\n+x\r\n:1\r\n*3\r\n+message\r\n+x\r\n+a\r\n", nil},
		{[]string{subscribe}, subscribed, nil},
		{[]string{fill}, "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n" + invalidate + ":-2\r\n_\r\n", nil}, // Redis 6
		{[]string{get}, ":1\r\n:1\r\n", errUnasked},
		{nil, "-ERR max number of clients reached\r\n", errUnasked},
		{[]string{get}, subscribed, errUnordered},
	} {
		got := says(t, test.commands, test.answers)
		if test.want == nil && (errors.Is(got, errUnasked) || errors.Is(got, errUnordered)) || test.want != nil && !errors.Is(got, test.want) {
			t.Errorf("%q after %q: got %v, want %v", test.answers, test.commands, got, test.want)
		}
	}
}

// fill is what the client sends for a key that it may keep.
const fill = "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$3\r\nYES\r\n*1\r\n$5\r\nMULTI\r\n" +
	"*2\r\n$4\r\nPTTL\r\n$1\r\nx\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\n*1\r\n$4\r\nEXEC\r\n"

// Of a connection that is given up, a command is sent again only where nothing that was under
// way could be taken for it.
func TestWhatWasUnderWayWhenAConnectionIsGivenUp(t *testing.T) {
	const get, set, ping = "*2\r\n$3\r\nGET\r\n$1\r\nx\r\n", "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n", "*1\r\n$4\r\nPING\r\n"
	for _, test := range []struct {
		is       string
		commands string
		answers  string
		unsent   bool
	}{
		{"nothing", get, "_\r\n", true},
		{"a command", get + set, "_\r\n", false},
		{"a part of a command", get + set[:9], "_\r\n", false},
		{"a part of an answer", get, "$5\r\nab", false},
		{"the client's own PING", get + ping, "_\r\n", true},
		{"a command before a PING", get + set + ping, "_\r\n", false},
		{"a command behind a PING", get + ping + set, "_\r\n+PONG\r\n", false},
		{"nothing, after a PING", get + ping + set, "_\r\n+PONG\r\n+OK\r\n", true},
		{"an answer that is withheld, for what follows it", get + set, "_\r\n+OK\r\n$-2\r\n", false},
		{"a command, after an answer with an invalidation in it", fill + set, "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n:-2\r\n_\r\n", false},
		{"a subscription", "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nx\r\n", "*3\r\n+subscribe\r\n+x\r\n:1\r\n", false},
	} {
		client, server := net.Pipe()
		c := newConnection(client, "server")
		go func() {
			_, _ = io.ReadFull(server, make([]byte, len(test.commands)))
			_, _ = server.Write([]byte(test.answers))
		}()
		if _, err := c.Write([]byte(test.commands)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1<<10)); err != nil && !strings.Contains(test.is, "withheld") {
			t.Fatal(err)
		}
		c.abandon()
		if _, err := c.Write([]byte(set)); errors.Is(err, errUnsent) != test.unsent || err == nil {
			t.Errorf("%s was under way: a write gets %v", test.is, err)
		}
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, errUnsent) != test.unsent || err == nil {
			t.Errorf("%s was under way: a read gets %v", test.is, err)
		}
		_ = server.Close()
	}
}

func BenchmarkFrames(b *testing.B) {
	f := frames{message: func(byte, []byte) error { return nil }}
	command := []byte("*2\r\n$3\r\nGET\r\n$40\r\nsession:0123456789abcdef0123456789abcdef\r\n$1024\r\n" + strings.Repeat("x", 1024) + "\r\n")
	b.ReportAllocs()
	for b.Loop() {
		_ = f.take(command)
	}
}
