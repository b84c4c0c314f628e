package interop_test

import (
	"testing"

	"github.com/holdfast-go/session/internal/test/redistest"
)

// Both programs write a value with the same bytes, or each would undo the other's
// for ever.
func TestSettingWhatNodeWroteIsNoWrite(t *testing.T) {
	srv := redistest.Start(t)
	node := startNode(t, "server.js", nodeConfig{Redis: srv.Addr(), Secrets: []string{"keyboard cat"}, Session: hour})[0]
	g := startGo(t, redisStore(t, srv.URL()), profile(t, oneHour, "keyboard cat"), nil)
	v := newVisitor(t)
	fields := map[string]any{
		"user": "/a?b=1&c=<d>\u2028\u2029", "n": []any{1e21, 1e-7, 0.1, 123456789012345680000.0},
		"cart": map[string]any{"<b>": "\x01\x7f\"\\ größe \U0001f36a \ufffd"},
	}
	id := v.post(node+"/set", fields).ID
	v.post(g.url+"/count", nil) // from here on the record has Go's mark
	stored := srv.Command("GET", "sess:"+id)
	for range 2 {
		v.post(g.url+"/set", fields)
		if got := srv.Command("GET", "sess:"+id); got != stored {
			t.Fatalf("Go set what stands there, and wrote\n%s\nwant\n%s", got, stored)
		}
	}
	// And back: what Go writes anew, Node finds as it would have written it.
	again := v.post(node+"/set", map[string]any{"user": fields["user"]})
	if string(again.Fields["user"]) == "" || again.ID != id {
		t.Fatalf("got %v", again)
	}
	v.post(g.url+"/set", map[string]any{"user": "x"})
	v.post(g.url+"/set", map[string]any{"user": fields["user"]})
	v.post(node+"/set", map[string]any{"a b": 1})
	v.post(g.url+"/set", map[string]any{"a b": 1})
	stored = srv.Command("GET", "sess:"+id)
	v.post(g.url+"/set", fields)
	if got := srv.Command("GET", "sess:"+id); got != stored {
		t.Errorf("after both have written: Go wrote\n%s\nwant\n%s", got, stored)
	}
}
