package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

type statusReply struct {
	State    string
	Shards   []shardStatus
	Failures map[session.Operation]uint64
	Owed     struct{ Sessions, Ended, EndedAgain, Bytes int }
}

func TestTheStatsAreForPrograms(t *testing.T) {
	s := openLive(t, "memory:")
	w, err := http.Get(s.url + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	var st session.Stats
	if err := json.NewDecoder(w.Body).Decode(&st); err != nil || len(st.Shards) != 1 || st.Shards[0].State != session.Serving {
		t.Errorf("got %+v, %v, want stats of one part that serves", st, err)
	}
}

func TestTheStatusTellsHowEachPartOfTheStoreIs(t *testing.T) {
	s := openLive(t, "memory:", func(o *session.Options) { o.Cookie.Insecure = true })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(jar, "/login", jsonType, `{"name":"Ada"}`)
	status := func() statusReply {
		if code, body := s.send(jar, "/user/shoppingcart", jsonType, "{}"); code != http.StatusOK && code != http.StatusAccepted {
			t.Fatalf("got status %d to a change of the cart, want 200 or 202: %s", code, body)
		}
		w, err := http.Get(s.url + "/status")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		var reply statusReply
		if err := json.NewDecoder(w.Body).Decode(&reply); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	well := status()
	if well.State != "well" || len(well.Shards) != 1 || well.Shards[0].State != session.Serving || well.Shards[0].Cause != "" {
		t.Errorf("got %+v, want one part that serves", well)
	}
	for _, o := range []session.Operation{session.OperationLoad, session.OperationSave, session.OperationRefresh, session.OperationDeliver, session.OperationAdopt} {
		if n, ok := well.Failures[o]; n != 0 || !ok {
			t.Errorf("got %d failures of %s, counted %v; want 0, counted", n, o, ok)
		}
	}

	if err := s.process.kill(); err != nil {
		t.Fatal(err)
	}
	var away statusReply
	s.wait("the part to be away", 20*time.Second, func() bool { away = status(); return away.State == "failing" })
	if len(away.Shards) != 1 || away.Shards[0].State != session.Away || away.Shards[0].Cause == "" || away.Shards[0].Since.IsZero() {
		t.Errorf("got %+v, want one part that is away, why, and since when", away.Shards)
	}
	if away.Failures[session.OperationLoad]+away.Failures[session.OperationSave] == 0 {
		t.Errorf("got the failures %v, want those that made the part go away", away.Failures)
	}
	if away.Owed.Sessions == 0 || away.Owed.Bytes == 0 {
		t.Errorf("got %+v owed, want the session that the store lacks", away.Owed)
	}
}
