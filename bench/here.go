package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/test/host"
)

// here says where figures come from: the machine, the versions, the commit,
// and how to measure again.
func here(ctx context.Context, s *stores, p plan) string {
	versions := []string{
		runtime.Version(),
		"Redis " + valueAfter(s.redis.Command("INFO", "server"), "redis_version:"),
		"memcached " + strings.TrimPrefix(s.memcached.Command("version\r\n"), "VERSION "),
	}
	for _, m := range []struct{ name, path string }{
		{"rueidis", "github.com/redis/rueidis"},
		{"go-redis", "github.com/redis/go-redis/v9"},
		{"scs", "github.com/alexedwards/scs/v2"},
		{"gorilla/sessions", "github.com/gorilla/sessions"},
		{"redistore", "github.com/boj/redistore"},
		{"fiber", "github.com/gofiber/fiber/v3"},
		{"gomemcache", "github.com/bradfitz/gomemcache"},
	} {
		versions = append(versions, m.name+" "+host.Module(m.path))
	}
	if p.withoutNode() == "" {
		versions = append(versions, host.Node(ctx, p.nodeDir)...)
	}
	return fmt.Sprintf("* Machine: %s\n* Versions: %s\n* Commit: %s\n* Date: %s\n* Again: `make bench`",
		host.Machine(), strings.Join(versions, ", "), host.Commit(ctx, "docs/BENCHMARKS.md", "docs/benchmarks.svg"), time.Now().UTC().Format(time.DateOnly))
}

// valueAfter is what follows name on its line.
func valueAfter(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(value)
}
