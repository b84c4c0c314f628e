// Package peer is one small application on each of the session libraries that the lab
// compares. Each library is set up as its own documents show. A process of its own
// serves each of them.
package peer

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// Store is where a peer keeps its sessions.
type Store string

// The stores.
const (
	None      Store = "no store"
	Redis     Store = "Redis"
	Memcached Store = "memcached"
)

// Peer is the application on one library with one store.
type Peer struct {
	Name  string // one word
	Title string // what tables say
	Store Store
	Node  bool // served by lab/node, not by Serve
	serve func(Servers, *gates) (served, error)
}

// Servers are the addresses of the stores, host and port each.
type Servers struct {
	Redis     string
	Memcached []string
}

// served is a peer that has been set up.
type served struct {
	on    func(net.Listener) error
	ready func() bool // nil: at once
}

// All returns the peers in the order of the tables.
func All() []Peer {
	return []Peer{
		{Name: "holdfast-redis", Title: "Holdfast, Redis, backup", Store: Redis, serve: holdfast(inRedis, true)},
		{Name: "holdfast-memcached", Title: "Holdfast, memcached, backup", Store: Memcached, serve: holdfast(inMemcached, true)},
		{Name: "holdfast-plain", Title: "Holdfast, Redis, no backup", Store: Redis, serve: holdfast(inRedis, false)},
		{Name: "scs-redigo", Title: "scs, redisstore (redigo)", Store: Redis, serve: scsRedigo},
		{Name: "scs-goredis", Title: "scs, goredisstore (go-redis)", Store: Redis, serve: scsGoRedis},
		{Name: "gorilla-redis", Title: "gorilla/sessions, redistore", Store: Redis, serve: gorillaRedis},
		{Name: "gorilla-cookie", Title: "gorilla/sessions, cookie", Store: None, serve: gorillaCookie},
		{Name: "gin-redis", Title: "gin-contrib/sessions, Redis", Store: Redis, serve: ginRedis},
		{Name: "gin-memcached", Title: "gin-contrib/sessions, memcached", Store: Memcached, serve: ginMemcached},
		{Name: "fiber-redis", Title: "fiber session, Redis", Store: Redis, serve: fiberRedis},
		{Name: "express-redis", Title: "express-session, connect-redis", Store: Redis, Node: true},
		{Name: "express-memcached", Title: "express-session, connect-memcached", Store: Memcached, Node: true},
	}
}

// Serve serves the peer on one loopback port and the lab's own routes on another one,
// and calls listening with both addresses. It returns when serving has failed.
func Serve(name string, servers Servers, listening func(app, control string)) error {
	for _, p := range All() {
		if p.Name != name || p.Node {
			continue
		}
		gates := new(gates)
		s, err := p.serve(servers, gates)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		app, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		control, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		ended := make(chan error, 2)
		go func() { ended <- s.on(app) }()
		go func() { ended <- (&http.Server{Handler: gates.control(s.ready)}).Serve(control) }()
		listening(app.Addr().String(), control.Addr().String())
		return <-ended
	}
	return fmt.Errorf("no peer %q in this program", name)
}

// Names returns the names of all peers, for errors.
func Names() string {
	var all []string
	for _, p := range All() {
		all = append(all, p.Name)
	}
	return strings.Join(all, ", ")
}
