package redisstore_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
)

// refusals are replies by which a Redis refuses a command, or which make no sense.
var refusals = []string{
	"-LOADING x\r\n", "-MASTERDOWN x\r\n", "-BUSY x\r\n", "-READONLY x\r\n", "-NOREPLICAS x\r\n", "-MISCONF x\r\n", "-OOM x\r\n",
	"-NOAUTH x\r\n", "-WRONGPASS x\r\n", "-NOPERM x\r\n", "-CLUSTERDOWN x\r\n", "-MOVED 1 127.0.0.1:1\r\n", "-ASK 1 127.0.0.1:1\r\n",
	"-TRYAGAIN x\r\n", "-CROSSSLOT x\r\n", "-ERR unknown command 'x'\r\n", "-NOSCRIPT x\r\n", "-EXECABORT x\r\n", "-WRONGTYPE x\r\n",
	"-ERR max number of clients reached\r\n", "+QUEUED\r\n", "*0\r\n", ":-1\r\n", "$5\r\nfoo<end>", "$-2\r\n", "<end>",
}

// visitor goes through the application of serveItems, and keeps the cookies.
type visitor struct {
	handler http.Handler
	cookies []*http.Cookie
}

func (v *visitor) visit(path string) (status int, body string) {
	r := httptest.NewRequest(http.MethodGet, "http://shop.test"+path, nil)
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		v.cookies = slices.DeleteFunc(v.cookies, func(old *http.Cookie) bool { return old.Name == c.Name })
		if c.MaxAge >= 0 {
			v.cookies = append(v.cookies, c)
		}
	}
	return w.Code, w.Body.String()
}

// token is what stands in the visitor's cookie; "" where there is none.
func (v *visitor) token() string {
	for _, c := range v.cookies {
		if c.Name == "session" {
			return c.Value
		}
	}
	return ""
}

// showItems is serveItems, and at /show it answers what the session has.
func showItems(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/show" {
		serveItems(w, r)
		return
	}
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	list, err := items.Get(s)
	if err != nil && !errors.Is(err, session.ErrNoValue) {
		session.Error(w, r, err)
		return
	}
	fmt.Fprint(w, list)
}

// No error of Redis means that there is no session: a visitor is served from the copy, or
// gets 503, and keeps the cookie.
func TestNoErrorOfRedisEndsASession(t *testing.T) {
	srv := redistest.Start(t)
	for _, reply := range refusals {
		for _, backup := range []bool{false, true} {
			for _, commands := range [][]string{{"GET"}, {"SET", "EVALSHA", "EVAL"}, {"GET", "SET", "EVALSHA", "EVAL"}} {
				t.Run(fmt.Sprintf("%.12q %v backup %v", reply, commands, backup), func(t *testing.T) {
					tryRefusal(t, srv, reply, backup, commands)
				})
			}
		}
	}
}

func tryRefusal(t *testing.T, srv *redistest.Server, reply string, backup bool, commands []string) {
	p := startProxy(t, srv)
	o := &session.Options{Cookie: session.Cookie{Insecure: true}}
	if backup {
		keys, err := seal.NewKeys(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		o.Backup = &session.Backup{Keys: keys, Audience: "refusals"}
	}
	m, err := session.New(redisstore.New(newClient(t, p.url())), o)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	v := &visitor{handler: m.HandlerFunc(showItems)}
	if status, _ := v.visit("/add/a"); status != http.StatusOK {
		t.Fatalf("the first visit: got %d", status)
	}
	token := v.token()
	for _, c := range commands {
		p.answer(c, reply)
	}
	reads := !slices.Contains(commands, "GET") || backup
	status, body := v.visit("/show")
	if reads && (status != http.StatusOK || !strings.Contains(body, "a")) || !reads && status != http.StatusServiceUnavailable {
		t.Errorf("a read: got %d %q", status, body)
	}
	want := http.StatusServiceUnavailable
	if backup {
		want = http.StatusOK
	}
	if status, _ = v.visit("/add/b"); status != want {
		t.Errorf("a write: got %d, want %d", status, want)
	}
	if got := v.token(); got == "" || got != token {
		t.Errorf("got the token %q after %q", got, token)
	}
	for _, c := range commands {
		p.answer(c, "")
	}
	eventually(t, "the session again, with what was answered 200", func() bool {
		status, body := v.visit("/show")
		return status == http.StatusOK && (body == "[a b]" || body == "[a]" && !backup)
	})
}
