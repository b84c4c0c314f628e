package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/express"
)

// What Express has put there may not be what this program knows.
func TestACartThatCannotBeReadIsNoEmptyCart(t *testing.T) {
	secrets, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	profile := &express.Profile{Secrets: secrets, Cookie: `{"maxAge": 3600000}`}
	options, err := profile.Options()
	if err != nil {
		t.Fatal(err)
	}
	options.ReadTimeout, options.SaveTimeout = time.Minute, time.Minute
	store := memstore.New(nil)
	sessions, err := session.New(store, options)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{profile: profile, sessions: sessions}
	for name, test := range map[string]struct {
		fields string
		status int
		want   string
	}{
		"a cart":                   {`"user":"bob","cart":{"tea":2}`, http.StatusOK, "The cart of bob:</p><ul><li>tea: 2</li>"},
		"none":                     {`"visits":1`, http.StatusOK, "The cart of a guest:</p><ul></ul>"},
		"a cart of another shape":  {`"user":"bob","cart":["tea","tea"]`, http.StatusInternalServerError, ""},
		"a user of another shape":  {`"user":{"name":"bob"},"cart":{"tea":2}`, http.StatusInternalServerError, ""},
		"a number that is too big": {`"cart":{"tea":1e99}`, http.StatusInternalServerError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			id := express.NewID()
			data := `{"cookie":{"originalMaxAge":3600000,"httpOnly":true,"path":"/"},` + test.fields + `}`
			record := session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)}
			if _, err := store.Save(context.Background(), session.ID(id), record, session.Any); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(http.MethodGet, "/cart", nil)
			r.Header.Set("Cookie", "connect.sid="+url.QueryEscape(secrets.Sign(id)))
			w := httptest.NewRecorder()
			profile.Handler(sessions, http.HandlerFunc(s.cart)).ServeHTTP(w, r)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("got %d %s, want %d and %s", w.Code, w.Body, test.status, test.want)
			}
			if test.status != http.StatusOK && strings.Contains(w.Body.String(), "The cart of") {
				t.Errorf("the error page shows a cart: %s", w.Body)
			}
		})
	}
}
