package routers

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	gobwas "github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// Libraries that take the connection over and write the head of the answer by themselves
// send the cookie that is due all the same, once.
func TestAWebsocketHandshakeCarriesTheCookie(t *testing.T) {
	who := session.NewKey[string]("who")
	upgrader := gorilla.Upgrader{}
	for name, upgrade := range map[string]func(http.ResponseWriter, *http.Request) (net.Conn, error){
		"gorilla": func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
			c, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return nil, err
			}
			return c.NetConn(), nil
		},
		"gorilla, given the header": func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
			c, err := upgrader.Upgrade(w, r, w.Header())
			if err != nil {
				return nil, err
			}
			return c.NetConn(), nil
		},
		"gobwas": func(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
			c, _, _, err := gobwas.UpgradeHTTP(r, w)
			return c, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			sessions, err := session.New(memstore.New(nil), &session.Options{Cookie: session.Cookie{Insecure: true}})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := session.From(r.Context())
				if err != nil {
					t.Error(err)
				}
				s.Renew()
				who.Set(s, "ann")
				c, err := upgrade(w, r)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = c.Write([]byte("\x81\x05hello")) // a frame of text
				t.Cleanup(func() { c.Close() })
				if err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()

			c, answer, err := gorilla.DefaultDialer.DialContext(t.Context(), "ws"+server.URL[len("http"):], nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, text, err := c.ReadMessage(); string(text) != "hello" || err != nil {
				t.Errorf("the frame behind the handshake is %q, %v", text, err)
			}
			cookies := answer.Cookies()
			if len(cookies) != 1 {
				t.Fatalf("the handshake has %d cookies, want 1", len(cookies))
			}
			s := sessions.Load(t.Context(), http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}})
			if got := who.Or(s, "nobody"); got != "ann" {
				t.Errorf("the cookie is of %s", got)
			}
		})
	}
}
