package admin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/holdfast-go/session"
)

// operator is the person who sends a request, and that person's access.
type operator struct {
	name string
	may  Access
}

type operatorKey struct{}

// refusal is an error that the client has caused.
type refusal struct {
	status int
	why    string
}

func (e *refusal) Error() string { return "admin: " + e.why }

// statusOf returns the status of the answer to an error.
func statusOf(err error) int {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r.status
	case errors.Is(err, session.ErrNoSession):
		return http.StatusNotFound
	case errors.Is(err, errors.ErrUnsupported):
		return http.StatusNotImplemented
	case errors.Is(err, session.ErrUnavailable):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest // of an ID, a user or a time, which Manager refuses
}

// protect sets the header fields of every answer, an error's too.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// admit returns the operator who sends a request, or why the request is refused. The
// application's own check comes last: it never sees a request that another site has made an
// operator's browser send.
func (h *Handler) admit(r *http.Request) (operator, error) {
	if !h.serves(r.Host) {
		return operator{}, &refusal{http.StatusMisdirectedRequest,
			fmt.Sprintf("the page is not for the host %q; name it in Options.Hosts, or open the page by the machine's address", r.Host)}
	}
	if err := sameSite(r); err != nil {
		return operator{}, err
	}
	by, may := h.allow(r)
	switch {
	case may != MayLook && may != MayAct:
		return operator{}, &refusal{http.StatusForbidden, "not allowed"}
	case reads(r):
		return operator{by, may}, nil
	case h.options.ReadOnly:
		h.audit(r, by, "refused", "the page is read-only")
		return operator{}, &refusal{http.StatusForbidden, "the page is read-only"}
	case may != MayAct:
		h.audit(r, by, "refused", "the operator may only look")
		return operator{}, &refusal{http.StatusForbidden, "you may look, and not act"}
	}
	return operator{by, may}, nil
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// serves reports whether the page is for a request's Host.
func (h *Handler) serves(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(h.options.Hosts, func(own string) bool { return strings.EqualFold(own, host) })
}

// sameSite refuses a request that a page of another site has made a browser send. Clients other
// than browsers send neither of the two fields. A link may open the page itself.
func sameSite(r *http.Request) error {
	elsewhere := &refusal{http.StatusForbidden, "from a page of another site"}
	if !reads(r) {
		if http.NewCrossOriginProtection().Check(r) != nil {
			return elsewhere
		}
		return nil
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		link := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		if page := r.URL.Path == "/" || r.URL.Path == ""; !page || !link {
			return elsewhere
		}
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return elsewhere
		}
	}
	return nil
}
