package routers

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-go/session"
)

// Live serves what outlives its header: server-sent events and a websocket. look is
// how often the stream of events looks at the session.
func Live(sessions *session.Manager, look time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /cart/{sku}", action(addOne))
	mux.Handle("GET /cart", sessions.ReadOnly(action(showCart)))
	mux.Handle("POST /logout", action(logOut))
	mux.Handle("GET /events", sessions.Require(sessions.ReadOnly(events(look))))
	mux.Handle("GET /socket", sessions.Require(action(socket)))
	return sessions.Handler(mux)
}

func logOut(_ http.ResponseWriter, r *http.Request) error {
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	_, err = s.Destroy(r.Context())
	return err
}

// events sends the cart whenever it has changed, until the visitor leaves or logs out.
// A session stays as the request has loaded it: Reload asks for what others have
// written since, and counts as use, except below ReadOnly.
func events(look time.Duration) action {
	return func(w http.ResponseWriter, r *http.Request) error {
		s, err := session.From(r.Context())
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w).Flush
		tick := time.NewTicker(look)
		defer tick.Stop()
		for sent := "-"; ; {
			if now := fmt.Sprint(cart.Or(s, nil)); now != sent {
				fmt.Fprintf(w, "data: %s\n\n", now)
				sent = now
			}
			if flush() != nil {
				return nil // the visitor has left
			}
			select {
			case <-r.Context().Done():
				return nil
			case <-tick.C:
			}
			if err := s.Reload(r.Context()); errors.Is(err, session.ErrNoSession) {
				fmt.Fprint(w, "event: logout\ndata:\n\n")
				return nil
			} // any other error is an outage: what was loaded still stands
		}
	}
}

// socket puts each message into the cart. The upgrade sends the header, so that from
// then on Save is what saves, and its error is the handler's to tell.
func socket(w http.ResponseWriter, r *http.Request) error {
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	c, refused := websocket.Accept(w, r, nil)
	if refused != nil {
		return nil // and answered
	}
	defer func() { _ = c.CloseNow() }()
	for {
		_, sku, left := c.Read(r.Context())
		if left != nil {
			return nil
		}
		cart.Update(s, func(all *[]string) error { *all = append(*all, string(sku)); return nil })
		reply := "added"
		switch _, err := s.Save(r.Context()); {
		case errors.Is(err, session.ErrEnded):
			return c.Close(websocket.StatusPolicyViolation, "logged out")
		case errors.Is(err, session.ErrPending):
			reply = "added, and waits for the store"
		case err != nil:
			reply = "not saved yet" // the next Save tries again
		}
		if c.Write(r.Context(), websocket.MessageText, []byte(reply)) != nil {
			return nil
		}
	}
}
