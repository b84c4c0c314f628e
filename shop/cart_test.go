package main

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
)

// Two requests at once may both see 99 things. Then Update runs again for the
// one that comes second, and that is where it is refused.
func TestACartHoldsAHundredThingsHoweverManyComeAtOnce(t *testing.T) {
	s := openShop(t)
	v := s.visitor()
	v.get("/user").ok(t, http.StatusOK)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		got  = map[int]int{}
		full int // carts that were returned with 100 things: of all whose changes one save carried
	)
	start := make(chan struct{})
	for range 120 {
		all.Go(func() {
			<-start
			a := v.postJSON("/user/shoppingcart", `{"a":1}`)
			mu.Lock()
			defer mu.Unlock()
			got[a.status]++
			if a.status == http.StatusOK && strings.Count(a.body, `{"a":1}`) == maxItems {
				full++
			}
		})
	}
	close(start)
	all.Wait()
	if got[http.StatusOK] != maxItems || got[http.StatusConflict] != 20 || full == 0 {
		t.Errorf("got %v and %d full carts, want 100 times 200, 20 times 409, and at least one", got, full)
	}
	if n := len(inJSON[userReply](t, v.get("/user")).Food); n != maxItems {
		t.Errorf("the cart holds %d things, want 100", n)
	}
	if a := v.postForm("/user/shoppingcart", "sku=rye").ok(t, http.StatusConflict); !strings.Contains(a.body, "Your cart is full") {
		t.Errorf("got %s", a.body)
	}
	v.postForm("/user/shoppingcart/remove", "item="+digest([]byte(`{"a":1}`))).ok(t, http.StatusSeeOther)
	v.postForm("/user/shoppingcart", "sku=rye").ok(t, http.StatusSeeOther)
}

// The store holds the first save back until another request has filled the
// cart, so that the conflict surely happens.
func TestACartThatFillsUpWhileARequestRunsIsA409(t *testing.T) {
	for _, kind := range []string{jsonType, formType} {
		t.Run(kind, func(t *testing.T) {
			s := openShop(t)
			v := s.visitor()
			v.get("/user").ok(t, http.StatusOK)
			var other Cart
			for range maxItems {
				other = append(other, []byte(`{}`))
			}
			in := http.Header{"Cookie": {"__Host-session=" + v.cookie()}}
			var once sync.Once
			s.store.Before(func(op string, _ session.ID) error {
				if op == "save" {
					once.Do(func() {
						// By another instance, which knows nothing of this one's queue.
						m, err := session.New(s.memory, options(config{}, nil, slog.New(slog.DiscardHandler)))
						if err != nil {
							t.Error(err)
							return
						}
						o := m.Load(t.Context(), in)
						err = o.Err()
						if err != nil {
							t.Error(err)
							return
						}
						cart.Set(o, other)
						if _, err := o.Save(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				return nil
			})
			a := v.do(http.MethodPost, "/user/shoppingcart", map[string]string{jsonType: `{"a":1}`, formType: "sku=rye"}[kind], "Content-Type", kind)
			a.ok(t, http.StatusConflict)
			if s.sessions.Stats().Conflicts == 0 {
				t.Error("there was no conflict: this test proves nothing")
			}
		})
	}
}
