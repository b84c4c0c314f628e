package override

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

const mostBody = 4 << 10

// ServeHTTP shows the order that is in force to GET, and takes another by PUT or POST, in
// JSON and with Content-Type application/json:
//
//	{"mode": "backup-only", "lease": "2h", "for": "30m"}
//
// The mode is auto, store-only or backup-only. The lease may be missing. So may the time
// after which the order ends by itself: "for", counted from now, or "until". "by" may say
// who gives the order. The answer is the order that is in force then.
//
// A client that reaches this handler can cut all visitors off from the store or from their
// backups. Put it behind the authentication that operators have, on an address that
// visitors do not reach. It refuses requests that a page of another site makes an
// operator's browser send, and has no password of its own.
//
// It applies to this process. Where there are several, call each, or use a source that they
// share.
func (v *Value) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPut, http.MethodPost:
		if status, err := v.take(w, r); err != nil {
			http.Error(w, "override: "+err.Error(), status)
			return
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, PUT")
		http.Error(w, "override: method "+r.Method+"; GET shows the order, PUT or POST sets it", http.StatusMethodNotAllowed)
		return
	}
	text, err := json.Marshal(v.Order())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n'))
}

// take puts the order of a request in force, or says why not.
func (v *Value) take(w http.ResponseWriter, r *http.Request) (status int, err error) {
	if http.NewCrossOriginProtection().Check(r) != nil {
		return http.StatusForbidden, errors.New("from a page of another site")
	}
	// A form of another site cannot have this type, in any browser.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, errors.New("Content-Type must be application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return http.StatusRequestEntityTooLarge, errors.New("more than 4 KiB")
		}
		return http.StatusBadRequest, errors.New("the body broke off")
	}
	o, err := parseJSON(string(text), time.Now)
	if err != nil {
		return http.StatusBadRequest, err
	}
	if !o.Until.IsZero() && !time.Now().Before(o.Until) {
		return http.StatusBadRequest, errors.New("until has passed")
	}
	v.set(o)
	return 0, nil
}
