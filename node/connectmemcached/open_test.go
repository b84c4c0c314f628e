package connectmemcached_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/mirrorstore"
	"github.com/holdfast-go/session/node/connectmemcached"
	"github.com/holdfast-go/session/node/express"
)

var color = session.NewKey[string]("color")

func newProfile(t *testing.T, cookie string) *express.Profile {
	t.Helper()
	s, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	return &express.Profile{Secrets: s, Cookie: cookie}
}

func openCipher(t *testing.T) *connectmemcached.Cipher {
	t.Helper()
	c, err := connectmemcached.NewCipher("AB secret! 12 of words!", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Node parses what has the flags of JSON in its socket's handler, where an error
// ends the process.
func TestWhatIsEncryptedHasTheFlagsOfAString(t *testing.T) {
	server := memcachedtest.Start(t)
	for name, test := range map[string]struct {
		options connectmemcached.Options
		flags   uint32
	}{
		"in clear":       {connectmemcached.Options{Prefix: "p:", Namespace: "n:"}, connectmemcached.FlagJSON},
		"before 2.0":     {connectmemcached.Options{Prefix: "p:", Namespace: "n:", Strings: true}, connectmemcached.FlagString},
		"with a secret":  {connectmemcached.Options{Prefix: "p:", Namespace: "n:", Cipher: openCipher(t)}, connectmemcached.FlagString},
		"a ttl of hours": {connectmemcached.Options{Prefix: "p:", Namespace: "n:", TTL: time.Hour}, connectmemcached.FlagJSON},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProfile(t, `{"maxAge":3600000}`)
			client, store, err := test.options.Open(p, memcached.Servers(server.Addr), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			o, err := p.Options()
			if err != nil {
				t.Fatal(err)
			}
			o.ReadTimeout, o.SaveTimeout = time.Minute, time.Minute
			m, err := session.New(store, o)
			if err != nil {
				t.Fatal(err)
			}
			s := m.Load(t.Context(), nil)
			err = s.Err()
			if err != nil {
				t.Fatal(err)
			}
			color.Set(s, "blue")
			if err := s.Err(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			item, err := client.Get(t.Context(), "n:p:"+string(s.ID()))
			if err != nil || item.Flags != test.flags {
				t.Fatalf("got flags %d, %v, want %d", item.Flags, err, test.flags)
			}
			r, err := test.options.Decode(item.Flags, item.Value, time.Now())
			if err != nil {
				t.Fatalf("Node could not read it: %v", err)
			}
			if v, _ := r.Get("color"); string(v) != `"blue"` {
				t.Errorf("got %s", v)
			}
		})
	}
}

func TestSettingsThatCannotAgreeAreRefused(t *testing.T) {
	server := memcached.Servers("127.0.0.1:1")
	for name, test := range map[string]struct {
		cookie  string
		profile func(*express.Profile)
		options connectmemcached.Options
		client  *memcached.Options
		want    string
	}{
		"another cipher": {profile: func(p *express.Profile) { p.Cipher = openCipher(t) }, options: connectmemcached.Options{Cipher: openCipher(t)}, want: "another one"},
		"a cipher in the profile alone": {
			profile: func(p *express.Profile) { p.Cipher = openCipher(t) }, want: "another one",
		},
		"another ttl":              {profile: func(p *express.Profile) { p.TTL = time.Hour }, options: connectmemcached.Options{TTL: time.Minute}, want: "TTL"},
		"a ttl beside a maxAge":    {cookie: `{"maxAge":60000}`, options: connectmemcached.Options{TTL: time.Hour}, want: "maxAge"},
		"another HashKey":          {client: &memcached.Options{HashKey: memcached.HashKey}, want: "HashKey"},
		"a prefix with a blank":    {options: connectmemcached.Options{Prefix: "a b"}, want: "blank"},
		"a prefix that Node turns": {options: connectmemcached.Options{Prefix: "$$"}, want: "because of the $"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProfile(t, test.cookie)
			if test.profile != nil {
				test.profile(p)
			}
			client, _, err := test.options.Open(p, server, test.client)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			if client != nil {
				client.Close()
			}
		})
	}
}

func TestAStoreThatNodeCannotReadIsRefused(t *testing.T) {
	client, err := memcached.New(memcached.Servers("127.0.0.1:1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, test := range map[string]struct {
		store   session.Store
		profile func(*express.Profile)
		options func(*session.Options)
		want    string
	}{
		"encrypted, as JSON": {
			store: memcachedstore.New(client, memcachedstore.Flags(2)), profile: func(p *express.Profile) { p.Cipher = openCipher(t) }, want: "process dies",
		},
		"flags of a number": {store: memcachedstore.New(client, memcachedstore.Flags(8)), want: "flags 8"},
		"versions in front": {store: notRaw{memstore.New(nil)}, want: "redisstore.Raw"},
		"a mirror":          {store: mirrorstore.New(memstore.New(nil), memstore.New(nil), nil), want: "two stores"},
		"another cookie name": {
			store: memstore.New(nil), options: func(o *session.Options) { o.Cookie.Name = "other" }, want: "Profile.Name",
		},
		"another idle timeout": {
			store: memstore.New(nil), options: func(o *session.Options) { o.Idle *= 2 }, want: "Options.Idle",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProfile(t, "")
			if test.profile != nil {
				test.profile(p)
			}
			o, err := p.Options()
			if err != nil {
				t.Fatal(err)
			}
			if test.options != nil {
				test.options(o)
			}
			if _, err := session.New(test.store, o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

type notRaw struct{ session.Store }

func (notRaw) IsRaw() bool { return false }
