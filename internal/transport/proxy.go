package transport

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// TLSBehind is session.TLSBehind.
func TLSBehind(trusted []netip.Prefix) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.TLS != nil || isTrusted(r.RemoteAddr, trusted) && saysTLS(r.Header)
	}
}

// isTrusted reports whether a peer is a proxy in one of trusted, or on a unix socket, of
// which net/http knows no address: it is empty, "@", or a path.
func isTrusted(peer string, trusted []netip.Prefix) bool {
	if peer == "" || peer[0] == '@' || peer[0] == '/' {
		return true
	}
	ip, err := netip.ParseAddr(peer) // as some middleware leaves it
	if withPort, portErr := netip.ParseAddrPort(peer); portErr == nil {
		ip, err = withPort.Addr(), nil
	}
	ip = ip.Unmap().WithZone("")
	return err == nil && slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// saysTLS reports whether the fields that proxies set say that the client's request came
// over TLS.
func saysTLS(h http.Header) bool {
	if said := h["X-Forwarded-Proto"]; len(said) > 0 {
		proto, _, _ := strings.Cut(said[0], ",")
		return strings.EqualFold(strings.TrimSpace(proto), "https")
	}
	if said := h["Forwarded"]; len(said) > 0 {
		first, _, _ := strings.Cut(said[0], ",")
		for pair := range strings.SplitSeq(first, ";") {
			name, value, _ := strings.Cut(pair, "=")
			if strings.EqualFold(strings.TrimSpace(name), "proto") {
				return strings.EqualFold(strings.Trim(strings.TrimSpace(value), `"`), "https")
			}
		}
	}
	return false
}
