package override_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

// ask sends a request to h, as JSON and with these fields besides.
func ask(h http.Handler, method, body string, fields ...string) *httptest.ResponseRecorder {
	return askWith(h, method, strings.NewReader(body), fields...)
}

func askWith(h http.Handler, method string, body io.Reader, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://admin.shop.test/override", body)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnOrderByHTTP(t *testing.T) {
	for _, method := range []string{"PUT", "POST"} {
		t.Run(method, func(t *testing.T) {
			var v override.Value
			for _, step := range []struct {
				method, body, answer string
				want                 session.Override
			}{
				{"GET", "", `{"mode":"auto"}`, session.Override{}},
				{method, `{"mode":"backup-only","lease":"2h"}`, `{"mode":"backup-only","lease":"2h0m0s"}`, backupOnly2h},
				{"GET", "", `{"mode":"backup-only","lease":"2h0m0s"}`, backupOnly2h},
				{"HEAD", "", `{"mode":"backup-only","lease":"2h0m0s"}`, backupOnly2h},
				{method, `{"mode":"store-only"}`, `{"mode":"store-only"}`, session.Override{Mode: session.StoreOnly}},
				{method, `{"mode":"auto"}`, `{"mode":"auto"}`, session.Override{}},
			} {
				w := ask(&v, step.method, step.body)
				if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != step.answer {
					t.Errorf("%s %s: got %d %s, want 200 %s", step.method, step.body, w.Code, got, step.answer)
				}
				if got := w.Header().Get("Content-Type"); got != "application/json" {
					t.Errorf("Content-Type: got %q, want application/json", got)
				}
				if got := w.Header().Get("Cache-Control"); got != "no-store" {
					t.Errorf("Cache-Control: got %q, want no-store", got)
				}
				want(t, step.method+" "+step.body, &v, step.want)
			}
		})
	}
}

func TestAnOrderByHTTPEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v override.Value
		if w := ask(&v, "PUT", `{"mode":"backup-only","for":"30m"}`); !strings.Contains(w.Body.String(), `"until":"`) {
			t.Errorf("got %s, want an answer that says until when", w.Body)
		}
		time.Sleep(30*time.Minute - 1)
		want(t, "within its time", &v, backupOnly)
		time.Sleep(time.Nanosecond)
		want(t, "after its time", &v, session.Override{})
		if got := strings.TrimSpace(ask(&v, "GET", "").Body.String()); got != `{"mode":"auto"}` {
			t.Errorf("GET after its time: got %s, want auto", got)
		}
		body := `{"mode":"backup-only","until":"` + time.Now().Add(time.Minute).Format(time.RFC3339Nano) + `"}`
		ask(&v, "PUT", body)
		want(t, "before until", &v, backupOnly)
		time.Sleep(time.Minute)
		want(t, "at until", &v, session.Override{})
	})
}

func TestWhatIsNoOrderByHTTPChangesNothing(t *testing.T) {
	tests := []struct {
		is, method, body string
		fields           []string
		status           int
		says             string
	}{
		{"another method", "DELETE", "", nil, 405, "PUT or POST sets it"},
		{"a form", "POST", "mode=auto", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "application/json"},
		{"JSON as a form may send it", "POST", `{"mode":"auto"}`, []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"no type", "POST", `{"mode":"auto"}`, []string{"Content-Type", ""}, 415, "application/json"},
		{"another site's page", "POST", `{"mode":"auto"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, "another site"},
		{"another site's page, in an old browser", "PUT", `{"mode":"auto"}`, []string{"Origin", "https://evil.test"}, 403, "another site"},
		{"a sibling's page", "POST", `{"mode":"auto"}`, []string{"Sec-Fetch-Site", "same-site"}, 403, "another site"},
		{"an empty body", "PUT", "", nil, 400, "JSON"},
		{"words", "PUT", "auto\n", nil, 400, "JSON"},
		{"an unknown field", "PUT", `{"mode":"auto","x":1}`, nil, 400, `unknown field "x"`},
		{"an unknown mode", "PUT", `{"mode":"off"}`, nil, 400, `mode "off"`},
		{"a time that is none", "PUT", `{"mode":"auto","for":"soon"}`, nil, 400, `for "soon"`},
		{"an end that has passed", "PUT", `{"mode":"auto","until":"2001-01-01T00:00:00Z"}`, nil, 400, "until has passed"},
		{"two orders", "PUT", `{"mode":"auto"}{"mode":"auto"}`, nil, 400, "follows"},
		{"too much", "PUT", `{"mode":"auto"}` + strings.Repeat(" ", 4<<10), nil, 413, "4 KiB"},
	}
	for _, tt := range tests {
		t.Run(tt.is, func(t *testing.T) {
			var v override.Value
			v.Set(backupOnly2h)
			w := ask(&v, tt.method, tt.body, tt.fields...)
			if got := w.Body.String(); w.Code != tt.status || !strings.Contains(got, tt.says) {
				t.Errorf("got %d %s, want %d and %q", w.Code, got, tt.status, tt.says)
			}
			want(t, "afterwards", &v, backupOnly2h)
		})
	}
}

func TestABodyThatBreaksOffChangesNothing(t *testing.T) {
	var v override.Value
	v.Set(backupOnly2h)
	body := io.MultiReader(strings.NewReader(`{"mode":"auto"}`), brokenReader{})
	if w := askWith(&v, "PUT", body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "broke off") {
		t.Errorf("got %d %s, want 400 and why", w.Code, w.Body)
	}
	want(t, "afterwards", &v, backupOnly2h)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestAnotherMethodIsToldWhichThereAre(t *testing.T) {
	if got := ask(new(override.Value), "DELETE", "").Header().Get("Allow"); got != "GET, HEAD, POST, PUT" {
		t.Errorf("Allow: got %q, want GET, HEAD, POST, PUT", got)
	}
}

func TestAnOperatorsOwnPageMayGiveOrders(t *testing.T) {
	var v override.Value
	ask(&v, "POST", `{"mode":"backup-only"}`, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json; charset=utf-8")
	want(t, "from the same origin", &v, backupOnly)
}

func TestAModeWithoutAWordIsShownAsAnError(t *testing.T) {
	var v override.Value
	v.Set(session.Override{Mode: 7})
	if w := ask(&v, "GET", ""); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "Mode(7)") {
		t.Errorf("got %d %s, want 500 and which", w.Code, w.Body)
	}
}
