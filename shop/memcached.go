package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
)

const memcachedScheme = "memcached://"

// openMemcached returns once every server has answered or failed to. Where one of
// them answers the shop opens: an unreachable server is an error for its own
// sessions only.
func openMemcached(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	b := backend{name: memcachedScheme}
	servers, auth, err := memcachedServers(address)
	if err != nil {
		return b, err
	}
	b.name += strings.Join(servers, ",")
	client, err := memcached.New(memcached.Servers(servers...), &memcached.Options{Auth: auth})
	if err != nil {
		return b, fmt.Errorf("%w (the shop's own memcached client has no TLS: a password goes to this machine's servers only)", err)
	}
	b.store, b.close = memcachedstore.New(client), func() { _ = client.Close() }

	errs := make(chan error, len(servers))
	for _, server := range servers {
		go func() {
			_, err := client.Probe(ctx, server)
			errs <- err
		}()
	}
	var away []error
	for range servers {
		if err := <-errs; err != nil {
			away = append(away, err)
		}
	}
	if len(away) == len(servers) {
		b.close()
		return b, away[0]
	}
	for _, err := range away {
		log.WarnContext(ctx, "a server of the store does not answer, its sessions are away", "error", err)
	}
	return b, nil
}

var errMemcachedURL = errors.New("session: memcached URL: want memcached://user:password@host:port,host:port or memcached://unix:///path, each server once; write what is special in a password as %XX")

// memcachedServers takes an address apart. Its errors quote nothing of the address,
// because there may be a password in it.
func memcachedServers(address string) (servers []string, auth memcached.Auth, err error) {
	list := strings.TrimSuffix(strings.TrimPrefix(address, memcachedScheme), "/")
	if i := strings.LastIndexByte(list, '@'); i >= 0 {
		user, password, _ := strings.Cut(list[:i], ":")
		list = list[i+1:]
		var err1, err2 error
		auth.User, err1 = url.PathUnescape(user)
		auth.Password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return nil, auth, errMemcachedURL
		}
	}
	servers = strings.Split(list, ",")
	if _, err := memcached.NewRing(memcached.Servers(servers...), nil); err != nil || strings.Contains(list, "?") {
		return nil, auth, errMemcachedURL
	}
	return servers, auth, nil
}
