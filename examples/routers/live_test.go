package routers

import (
	"bufio"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/shopfront"
)

func liveSite(t *testing.T) *shopfront.Shop {
	t.Helper()
	return serve(t, func(sessions *session.Manager) http.Handler { return Live(sessions, 10*time.Millisecond) })
}

// stream is the visitor's stream of events.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
}

func openEvents(v *shopfront.Visitor) *stream {
	v.Shop.T.Helper()
	r, err := http.NewRequestWithContext(v.Shop.T.Context(), http.MethodGet, v.URL+"/events", nil)
	if err != nil {
		v.Shop.T.Fatal(err)
	}
	res, err := v.Client.Do(r)
	if err != nil {
		v.Shop.T.Fatal(err)
	}
	v.Shop.T.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		v.Shop.T.Fatalf("status %d, %v", res.StatusCode, res.Header)
	}
	return &stream{v.Shop.T, bufio.NewScanner(res.Body)}
}

// want reads the next line that is not empty.
func (s *stream) want(line string) {
	s.t.Helper()
	for s.lines.Scan() {
		if got := s.lines.Text(); got != "" {
			if got != line {
				s.t.Errorf("got %q, want %q", got, line)
			}
			return
		}
	}
	s.t.Errorf("the stream has ended: %v, want %q", s.lines.Err(), line)
}

func TestEventsFollowTheSessionUntilItsLogout(t *testing.T) {
	s := liveSite(t)
	v := s.Visitor()
	v.Refused("GET", "/events", 403)
	v.Want("POST", "/cart/tofu", 200, "added")
	stream := openEvents(v)
	stream.want("data: [tofu]")
	v.Want("POST", "/cart/rice", 200, "added")
	stream.want("data: [tofu rice]")

	s.Store.Fail(errors.New("connection refused"))
	v.Refused("GET", "/events", 503)
	s.Store.Heal()
	v.Want("POST", "/cart/salt", 200, "added")
	stream.want("data: [tofu rice salt]") // the stream has outlived the outage

	v.Want("POST", "/logout", 200, "")
	stream.want("event: logout")
	stream.want("data:")
	for stream.lines.Scan() {
		if got := stream.lines.Text(); got != "" {
			t.Errorf("after the logout: %q", got)
		}
	}
}

func TestAWebsocketSavesEachMessageAndLearnsOfTheLogout(t *testing.T) {
	s := liveSite(t)
	v := s.Visitor()
	v.Refused("GET", "/socket", 403)
	v.Want("POST", "/cart/tofu", 200, "added")
	c, _, err := websocket.Dial(t.Context(), strings.Replace(s.URL, "http", "ws", 1)+"/socket",
		&websocket.DialOptions{HTTPClient: &http.Client{Jar: v.Client.Jar}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	say := func(text, want string) {
		t.Helper()
		if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		_, got, err := c.Read(t.Context())
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	say("rice", "added")
	v.Want("POST", "/cart/salt", 200, "added") // meanwhile, by another tab
	say("oil", "added")
	v.Want("GET", "/cart", 200, "tofu,rice,salt,oil")

	s.Store.Fail(errors.New("connection refused"))
	say("corn", "not saved yet")
	s.Store.Heal()
	say("mint", "added")
	v.Want("GET", "/cart", 200, "tofu,rice,salt,oil,corn,mint")

	v.Want("POST", "/logout", 200, "")
	if err := c.Write(t.Context(), websocket.MessageText, []byte("late")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("after the logout: %q, %v", got, err)
	}
}
