package connectmemcached

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/node/express"
)

// Open returns the store of the sessions that connect-memcached keeps on the
// servers, and the client below it, which the caller closes. servers are the
// very hosts that Node's store was given, since their spelling says which server
// has a key. client may be nil; its HashKey is Node's.
//
// Keys, flags and encryption have to agree with each other and with the profile,
// or the Node process dies when it reads what Go has written, or both sides see
// nothing of each other. So Open sets what the profile has to know, its Cipher
// and its TTL, and returns an error where the profile says otherwise. Call it
// before Profile.Options.
func (o Options) Open(p *express.Profile, servers []memcached.Server, client *memcached.Options) (*memcached.Client, *memcachedstore.Store, error) {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("connectmemcached: "+format, args...))
	}
	if client == nil {
		client = new(memcached.Options)
	}
	if client.HashKey != nil {
		bad("memcached.Options.HashKey is set; the Node client has its own, and Open sets it")
	}
	// The Node client makes another key of some; the sessions' own IDs have
	// nothing of it.
	if key, err := o.Key("id"); err != nil {
		bad("Namespace and Prefix: %w", err)
	} else if key != o.RingKey("id") {
		bad("Namespace and Prefix %q: Node sends another one, because of the $", o.Namespace+o.Prefix)
	}
	cipher := express.Cipher(nil)
	if o.Cipher != nil {
		cipher = o.Cipher
	}
	switch {
	case p == nil:
		bad("the profile is nil")
	case p.Cipher != nil && p.Cipher != cipher:
		bad("Profile.Cipher is another one than Options.Cipher; leave it to Open")
	default:
		errs = append(errs, o.agree(p))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	settings := *client
	settings.HashKey = HashKey
	c, err := memcached.New(slices.Clone(servers), &settings)
	if err != nil {
		return nil, nil, fmt.Errorf("connectmemcached: %w", err)
	}
	flags := FlagJSON
	if o.Strings || o.Cipher != nil {
		flags = FlagString
	}
	p.Cipher = cipher
	if o.TTL != 0 {
		p.TTL = o.TTL
	}
	store := memcachedstore.New(c, memcachedstore.Prefix(o.Namespace+o.Prefix), memcachedstore.Flags(flags))
	return c, store, nil
}

// agree returns why the option ttl, which goes before a maxAge in Node, cannot
// be the profile's.
func (o Options) agree(p *express.Profile) error {
	if o.TTL == 0 {
		return nil
	}
	if p.TTL != 0 && p.TTL != o.TTL {
		return fmt.Errorf("connectmemcached: Profile.TTL is %v and Options.TTL %v; leave the former to Open", p.TTL, o.TTL)
	}
	c, err := express.NewCookie([]byte(p.Cookie), time.Now())
	if err != nil {
		return err
	}
	ms, ends := c.OriginalMaxAge()
	if age := time.Duration(ms) * time.Millisecond; ends && age != o.TTL {
		return fmt.Errorf("connectmemcached: Options.TTL is %v and the cookie's maxAge %v: Node's store keeps to the one and Go to the other; give both the same", o.TTL, age)
	}
	return nil
}
