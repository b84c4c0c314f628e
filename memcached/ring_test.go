package memcached

import (
	"crypto"
	_ "crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

var hashes = map[string]crypto.Hash{"md5": crypto.MD5, "sha1": crypto.SHA1}

func readVectors(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// testdata/rings.json was made by testdata/rings.js, with the real hashring.
func TestThirteenRingsAgreeWithTheNodeClientOn20000Keys(t *testing.T) {
	var rings []struct {
		Name      string
		Algorithm string
		HashRing  bool
		Servers   []Server
		Points    string
		Blocks    []string
	}
	readVectors(t, "rings.json", &rings)
	if len(rings) != 13 {
		t.Fatalf("got %d rings, want 13", len(rings))
	}
	for _, v := range rings {
		t.Run(v.Name, func(t *testing.T) {
			ring, err := NewRing(v.Servers, &RingOptions{Hash: hashes[v.Algorithm], HashRing: v.HashRing})
			if err != nil {
				t.Fatal(err)
			}
			var points strings.Builder
			for _, p := range ring.points {
				fmt.Fprintf(&points, "%d %d\n", p.value, p.server)
			}
			if got := sha256Hex(points.String()); got != v.Points {
				t.Error("the points differ")
			}
			if len(v.Blocks) != 20 {
				t.Fatalf("got %d blocks, want 20", len(v.Blocks))
			}
			for b, want := range v.Blocks {
				var numbers strings.Builder
				for i := b * 1000; i < (b+1)*1000; i++ {
					fmt.Fprint(&numbers, ring.index(vectorKey(i)))
				}
				if got := sha256Hex(numbers.String()); got != want {
					t.Errorf("keys %d to %d: some have another server", b*1000, b*1000+999)
				}
			}
		})
	}
}

// vectorKey is rings.js's key.
func vectorKey(i int) string {
	switch {
	case i%10 == 9:
		return fmt.Sprintf("键%d", i)
	case i%2 == 1:
		return "sess:" + sha256Hex(fmt.Sprint(i))[:32]
	}
	return fmt.Sprintf("key%d", i)
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// testdata/hashring-ketama.json has 67 keys, and the ends of the rings, of the
// real hashring 3.2.0.
func TestRingVectors(t *testing.T) {
	var file struct {
		Cases []struct {
			Name      string
			Servers   json.RawMessage
			Algorithm string
			Points    int
			First10   []string
			Last3     []string
			Map       map[string]string
			HashValue map[string]uint32
		}
	}
	readVectors(t, "hashring-ketama.json", &file)
	for _, v := range file.Cases {
		t.Run(v.Name, func(t *testing.T) {
			ring, err := NewRing(vectorServers(t, v.Name, v.Servers), &RingOptions{Hash: hashes[v.Algorithm]})
			if err != nil {
				t.Fatal(err)
			}
			if got := len(ring.points); got != v.Points {
				t.Errorf("got %d points, want %d", got, v.Points)
			}
			var points []string
			for _, p := range ring.points {
				points = append(points, fmt.Sprintf("%d %s", p.value, ring.servers[p.server].Addr))
			}
			if got := points[:10]; !slices.Equal(got, v.First10) {
				t.Errorf("first points: got %v, want %v", got, v.First10)
			}
			if got := points[len(points)-3:]; !slices.Equal(got, v.Last3) {
				t.Errorf("last points: got %v, want %v", got, v.Last3)
			}
			for key, want := range v.Map {
				if got := ring.Server(key); got != want {
					t.Errorf("key %q: got %s, want %s", key, got, want)
				}
			}
			for key, want := range v.HashValue {
				if got := value(ring.sum(key), 0); got != want {
					t.Errorf("hash of %q: got %d, want %d", key, got, want)
				}
			}
		})
	}
}

// vectorServers does by hand what remove and swap of two vectors do.
func vectorServers(t *testing.T, name string, raw json.RawMessage) (servers []Server) {
	t.Helper()
	var list []string
	if err := json.Unmarshal(raw, &list); err == nil {
		for _, addr := range list {
			switch s := (Server{Addr: addr}); {
			case strings.HasPrefix(name, "remove "+strings.TrimSuffix(addr, ":11211")):
			case strings.HasPrefix(name, "swap "+strings.TrimSuffix(addr, ":11211")):
				s.Label, s.Addr = strings.TrimSuffix(addr, ":11211"), "10.0.0.9:11211"
				fallthrough
			default:
				servers = append(servers, s)
			}
		}
		return servers
	}
	var weights map[string]json.RawMessage
	if err := json.Unmarshal(raw, &weights); err != nil {
		t.Fatal(err)
	}
	for addr, value := range weights {
		s := Server{Addr: addr}
		if json.Unmarshal(value, &s.Weight) != nil {
			if err := json.Unmarshal(value, &s); err != nil {
				t.Fatal(err)
			}
		}
		servers = append(servers, s)
	}
	slices.SortFunc(servers, func(a, b Server) int { return strings.Compare(a.Addr, b.Addr) })
	return servers
}

func TestMovedIsTheShareOfKeysThatChangeTheirServer(t *testing.T) {
	three := Servers("10.0.0.1", "10.0.0.2", "10.0.0.3")
	for _, test := range []struct {
		name string
		to   []Server
	}{
		{"a server more", Servers("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")},
		{"a server less", Servers("10.0.0.1", "10.0.0.3")},
		{"one left", Servers("10.0.0.3")},
		{"another weight", []Server{{Addr: "10.0.0.1", Weight: 2}, {Addr: "10.0.0.2"}, {Addr: "10.0.0.3"}}},
		{"a new address under the old label", []Server{{Addr: "10.0.0.1"}, {Addr: "10.0.0.9", Label: "10.0.0.2"}, {Addr: "10.0.0.3"}}},
		{"all others", Servers("10.0.1.1", "10.0.1.2")},
		{"another order", Servers("10.0.0.3", "10.0.0.1", "10.0.0.2")},
	} {
		t.Run(test.name, func(t *testing.T) {
			from, err := NewRing(three, nil)
			if err != nil {
				t.Fatal(err)
			}
			to, err := NewRing(test.to, nil)
			if err != nil {
				t.Fatal(err)
			}
			const n = 50_000
			count := 0
			for i := range n {
				if key := fmt.Sprintf("key%d", i); from.Server(key) != to.Server(key) {
					count++
				}
			}
			got, want := from.Moved(to), float64(count)/n
			if math.Abs(got-want) > 0.01 || (got == 0) != (count == 0) {
				t.Errorf("got %.4f, and counted %.4f", got, want)
			}
		})
	}
}

func TestRingRefusesLists(t *testing.T) {
	for _, test := range []struct {
		servers []Server
		want    string
	}{
		{nil, "no servers"},
		{Servers("a:11211", "b", "a"), `"a" is listed twice`},
		{Servers(""), "want host:port"},
		{Servers("a:0"), "want host:port"},
		{Servers("a:70000"), "want host:port"},
		{Servers("http://a"), "want host:port"},
		{Servers("unix://memcached.sock"), "want unix:///path"},
		{[]Server{{Addr: "a", Weight: -1}}, "negative"},
	} {
		if _, err := NewRing(test.servers, nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("NewRing(%v): got %v, want %q in it", test.servers, err, test.want)
		}
	}
	if _, err := NewRing(Servers("a"), &RingOptions{Hash: crypto.BLAKE2b_512}); err == nil {
		t.Error("a hash that is not linked in was taken")
	}
}
