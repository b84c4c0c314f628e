package hosts

import (
	"net"
	"slices"
	"testing"
	"time"
)

func TestEachMemberIsReturnedInTurn(t *testing.T) {
	all := []string{"a:1", "b:1", "c:1"}
	var r Ring
	if err := r.Init(all); err != nil || r.Len() != 3 {
		t.Fatalf("got %v and %d members, want three", err, r.Len())
	}
	next := func(want bool) string {
		t.Helper()
		server, pause := r.Next()
		if pause != want {
			t.Errorf("pause is %v, want %v", pause, want)
		}
		return server
	}
	first := []string{next(false), next(false), next(false)}
	if got := slices.Sorted(slices.Values(first)); !slices.Equal(got, all) {
		t.Errorf("got %v, want each of %v", first, all)
	}
	again := []string{next(true), next(false), next(false)}
	if !slices.Equal(again, first) {
		t.Errorf("got %v, then %v, want the same order", first, again)
	}
	next(true)
	r.Connected() // to the first
	if got := []string{next(false), next(false), next(true)}; !slices.Equal(got, []string{first[1], first[2], first[0]}) {
		t.Errorf("got %v after the first was connected to, want the others before it", got)
	}
	if all[0] != "a:1" {
		t.Error("the caller's members were moved")
	}
}

func TestTheOrderIsRandom(t *testing.T) {
	begins := map[string]bool{}
	for range 200 {
		var r Ring
		if err := r.Init([]string{"a:1", "b:1"}); err != nil {
			t.Fatal(err)
		}
		server, _ := r.Next()
		begins[server] = true
	}
	if len(begins) != 2 {
		t.Errorf("200 rings begin with %v", begins)
	}
}

func TestNoMembers(t *testing.T) {
	if err := new(Ring).Init(nil); err == nil {
		t.Error("a ring without members")
	}
}

// localhost may have two addresses, of which the server has one.
func TestDialTriesEachAddressOfAName(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // the order is random
		conn, err := Dial("tcp", net.JoinHostPort("localhost", port), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
}

func TestDialFails(t *testing.T) {
	for _, address := range []string{"127.0.0.1", "127.0.0.1:1", "no-such-host.invalid:1", ":::1"} {
		if conn, err := Dial("tcp", address, time.Minute); err == nil {
			_ = conn.Close()
			t.Errorf("%s: connected", address)
		}
	}
}
