package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/node/connectmemcached"
	"github.com/holdfast-go/session/node/express"
)

const oneHour = `{"maxAge":3600000}`

var hour = map[string]any{"cookie": map[string]any{"maxAge": 3600000}}

const cipherSecret = "AbCd12!? long enough"

// An operation is done on one side, and each answer, of whichever side, is what
// the model says. The visitors are at it side by side; one visitor's operations
// follow one another, because what Node does with two at once is its own.
func TestAThousandOperationsFromBothSides(t *testing.T) {
	secrets := []string{"keyboard cat", "the one before"}
	for _, test := range []struct {
		name  string
		nodes int // of memcached; 0 is Redis
		node  nodeConfig
		store connectmemcached.Options
		app   func(*express.Profile)
	}{
		{name: "redis", node: nodeConfig{Session: hour}},
		{name: "redis, cookies until the browser closes", node: nodeConfig{}, app: func(p *express.Profile) { p.Cookie = "" }},
		{name: "one memcached", nodes: 1, node: nodeConfig{Session: hour}},
		{name: "three memcached", nodes: 3, node: nodeConfig{Session: hour}},
		{
			name: "one memcached, encrypted", nodes: 1, node: nodeConfig{Session: hour, Cipher: cipherSecret},
			store: connectmemcached.Options{Cipher: cipher(t)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var store session.Store
			p := profile(t, oneHour, secrets...)
			test.node.Secrets = secrets
			if test.nodes == 0 {
				srv := redistest.Start(t)
				test.node.Redis = srv.Addr()
				store = redisStore(t, srv.URL())
			} else {
				for range test.nodes {
					test.node.Memcached = append(test.node.Memcached, memcachedtest.Start(t).Addr)
				}
				store = memcachedStore(t, p, test.store, test.node.Memcached...)
			}
			node := startNode(t, "server.js", test.node)[0]
			if test.app != nil {
				test.app(p)
			}
			goSide := startGo(t, store, p, nil).url
			visitors, each := 8, 125
			if p.Cipher != nil {
				each = 20 // each costs Node and Go some 30 ms
			}
			over := timeleft.Half(t)
			var steps atomic.Int64
			var all sync.WaitGroup
			for i := range visitors {
				v := &modelVisitor{
					t: t, v: newVisitor(t), urls: [2]string{node, goSide}, want: map[string]any{},
					random: rand.New(rand.NewPCG(6, uint64(i))),
				}
				all.Go(func() {
					for n := range each {
						if t.Failed() || n > 0 && over() {
							return
						}
						v.step()
						steps.Add(1)
					}
				})
			}
			all.Wait()
			t.Logf("%d of %d steps were run", steps.Load(), visitors*each)
		})
	}
}

func cipher(t testing.TB) *connectmemcached.Cipher {
	t.Helper()
	c, err := connectmemcached.NewCipher(cipherSecret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// modelVisitor does what it likes to its session.
type modelVisitor struct {
	t      *testing.T
	v      *visitor
	urls   [2]string // Node, Go
	random *rand.Rand
	id     string
	want   map[string]any
	last   []string
}

// values are what JavaScript and Go write differently.
var values = []string{
	`"plain"`, `"<b>&amp;</b> \u2028 \"quoted\" \\ /"`, `"\ud83d\ude00 größe"`, `""`, `null`, `true`, `false`, `0`, `-0.5`, `1e21`, `1e-7`,
	`9007199254740991`, `0.1`, `[]`, `{}`, `[1,[2,{"b":1,"a":2}],null]`, `{"10":1,"9":2,"z":{"cookie":{"path":"/x"}},"a":"\n\t"}`,
	`{"sku":"a/b","n":3,"price":19.99,"tags":["x","y"]}`, `"` + `0123456789abcdef0123456789abcdef0123456789abcdef` + `"`,
}

func (m *modelVisitor) pick(from []string) string { return from[m.random.IntN(len(from))] }

func (m *modelVisitor) step() {
	side := m.random.IntN(2)
	url := m.urls[side]
	body := map[string]json.RawMessage{}
	for range 1 + m.random.IntN(2) {
		body[m.pick(names[:7])] = json.RawMessage(m.pick(values))
	}
	var a answer
	var did string
	sameID := true
	switch n := m.random.IntN(100); {
	case n < 30:
		did = "read"
		a = m.v.get(url + "/read")
	case n < 70:
		did = fmt.Sprintf("set %s", body)
		a = m.v.post(url+"/set", body)
		m.set(body)
	case n < 84:
		did = fmt.Sprintf("delete %s", body)
		if side == 0 {
			var list []string
			for name := range body {
				list = append(list, name)
			}
			a = m.v.post(url+"/delete", list)
		} else {
			a = m.v.post(url+"/delete", body)
		}
		for name := range body {
			delete(m.want, name)
		}
	case n < 87 && side == 0:
		did = "clear"
		a = m.v.post(url+"/clear", nil)
		m.want = map[string]any{}
	case n < 90:
		did, sameID = fmt.Sprintf("regenerate %s", body), false
		a = m.v.post(url+"/regenerate", body)
		m.want = map[string]any{}
		m.set(body)
	case n < 93 && side == 1:
		did, sameID = "renew", false
		a = m.v.post(url+"/renew", body)
	case n < 96:
		did = "maxage"
		ms := float64(3600000 + m.random.IntN(1000)*1000)
		a = m.v.post(url+"/maxage", map[string]any{"ms": ms})
		m.want["remembered"] = ms
	default:
		did, sameID = "destroy", false
		a = m.v.post(url+"/destroy", body)
		m.want = map[string]any{}
	}
	m.last = append(m.last, []string{"Node: ", "Go: "}[side]+did)
	m.check(a)
	// A session that nothing was ever written to is none: Node names one
	// nevertheless, another each time.
	if sameID && m.id != "" && a.ID != m.id {
		m.fail("got id %s, want %s", a.ID, m.id)
	}
	switch {
	case len(m.want) > 0:
		m.id = a.ID
	case !sameID:
		m.id = ""
	}
}

func (m *modelVisitor) set(body map[string]json.RawMessage) {
	for name, value := range body {
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			m.t.Error(err)
		}
		m.want[name] = v
	}
}

func (m *modelVisitor) check(a answer) {
	got := map[string]any{}
	for name, value := range a.Fields {
		var v any
		if err := json.NewDecoder(bytes.NewReader(value)).Decode(&v); err != nil {
			m.fail("%v", err)
		}
		got[name] = v
	}
	if !reflect.DeepEqual(got, m.want) {
		m.fail("got  %v\nwant %v", got, m.want)
	}
}

func (m *modelVisitor) fail(format string, args ...any) {
	m.t.Errorf("after %q: "+format, append([]any{m.last[max(0, len(m.last)-8):]}, args...)...)
	runtime.Goexit()
}
