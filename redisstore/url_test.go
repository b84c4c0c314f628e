package redisstore_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

func TestAURLBecomesOptions(t *testing.T) {
	tests := []struct {
		url                      string
		address, user, password  string
		database                 int
		overTLS, unix, sentinels bool
	}{
		{url: "redis://localhost", address: "localhost:6379"},
		{url: "redis://localhost/", address: "localhost:6379"},
		{url: "redis://shop.test:1234/3", address: "shop.test:1234", database: 3},
		{url: "redis://shop.test:1234/3?client_name=shop", address: "shop.test:1234", database: 3},
		{url: "redis://[::1]:1234", address: "[::1]:1234"},
		{url: "redis://:secret@shop.test", address: "shop.test:6379", password: "secret"},
		{url: "redis://me:a%40b%2Fc@shop.test/1", address: "shop.test:6379", user: "me", password: "a@b/c", database: 1},
		{url: "rediss://shop.test", address: "shop.test:6379", overTLS: true},
		{url: "unix:///run/redis.sock", address: "/run/redis.sock", unix: true},
		{url: "unix://me:secret@/run/redis.sock?db=2", address: "/run/redis.sock", unix: true, user: "me", password: "secret", database: 2},
		{url: "redis://shop.test:26379?master_set=shop", address: "shop.test:26379", sentinels: true},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			o, err := redisstore.ClientOption(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if o.InitAddress[0] != tt.address || o.Username != tt.user || o.Password != tt.password || o.SelectDB != tt.database {
				t.Errorf("got %s, user %q, password %q, database %d", o.InitAddress, o.Username, o.Password, o.SelectDB)
			}
			over, cancel := context.WithCancel(t.Context())
			cancel()
			dialed := new(net.OpError)
			if _, err := o.DialCtxFn(over, tt.address, &o.Dialer, o.TLSConfig); !errors.As(err, &dialed) {
				t.Fatalf("a canceled dial: %v", err)
			}
			if (o.TLSConfig != nil) != tt.overTLS || (dialed.Net == "unix") != tt.unix || (o.Sentinel.MasterSet != "") != tt.sentinels {
				t.Errorf("got TLS %v, network %s, sentinels %v", o.TLSConfig != nil, dialed.Net, o.Sentinel.MasterSet)
			}
			if !o.DisableRetry || !o.AlwaysPipelining || o.Dialer.Timeout != time.Second || o.ConnWriteTimeout != time.Second {
				t.Error("an option that the store wants is not set")
			}
		})
	}
}

func TestAnErrorNeverShowsThePassword(t *testing.T) {
	// Each has the word in a password, and most are wrong because of it.
	for _, url := range []string{
		"redis://:hunter2@host:bad",
		"redis://:hunter2/x@host",
		"redis://:1/hunter2@host/0",
		"redis://:hunter2#x@host",
		"redis://:hunter2%zz@host",
		"redis://:hunter2 x@host:1",
		"redis://:hunter2?x@host",
		"hunter2://x",
		"hunter2",
		"",
		"redis://me:hunter2@host/nodatabase",
		"redis://me:hunter2@host/1/2",
		"redis://me:hunter2@host?dial_timeout=hunter2",
		"unix://",
		"unix:hunter2",
		"redis://[hunter2@host",
		"\x00redis://hunter2",
	} {
		o, err := redisstore.ClientOption(url)
		switch {
		case err == nil:
			t.Errorf("%q: got %v, want an error", url, o.InitAddress)
		case strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%q: the error shows the password: %v", url, err)
		}
	}

	// And what the server and the network say.
	srv := redistest.Start(t, "--requirepass", "right")
	o, err := redisstore.ClientOption("redis://:hunter2@" + srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, refused := rueidis.NewClient(o)
	client := newClient(t, srv.URL())
	s := redisstore.New(client)
	srv.Kill()
	_, down := s.Load(t.Context(), "x")
	for _, err := range []error{refused, down} {
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "right") {
			t.Errorf("got %v", err)
		}
	}
}

func TestNewNamesWhatIsNil(t *testing.T) {
	defer func() {
		if got, want := recover(), "session: redisstore: the client is nil"; got != want {
			t.Errorf("it panics with %v, want %q", got, want)
		}
	}()
	redisstore.New(nil)
}
