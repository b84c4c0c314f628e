package transport

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// byOtherSite reports whether another site has made a request with this header and Host.
// A browser says so in Sec-Fetch-Site; one that does not (before 2023, or over plain
// http) names the origin of a request that is more than a link.
func (tr *Transport) byOtherSite(h http.Header, host string) bool {
	site, origin := h.Get("Sec-Fetch-Site"), h.Get("Origin")
	switch {
	case origin == "":
		return site == "cross-site"
	case site == "same-origin":
		tr.hosts.tell(hostname(host), originHost(origin))
	case site == "":
		return tr.hosts.foreign(hostname(host), originHost(origin))
	}
	return site == "cross-site"
}

// hosts is what browsers have shown of the Host of requests: whether it is the name of the
// site that they see. A proxy may put another one there, as nginx and CloudFront do unless
// they are told otherwise, and then no origin equals it. Only a browser that says of a
// request that it is of the site's own origin shows that.
type hosts struct {
	mu    sync.Mutex
	shown map[string]bool // by name: the origin was equal, each time
}

// maxHosts is how many names are remembered. A client can make them up.
const maxHosts = 100

// tell notes that a request with this host was of the site's own origin. A host whose
// origin differed once never counts as shown again, so that a client that knows the name
// behind a proxy cannot make the origin of all visitors a foreign one.
func (k *hosts) tell(host, origin string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	equal, known := k.shown[host]
	switch {
	case known:
		k.shown[host] = equal && host == origin
	case len(k.shown) < maxHosts:
		if k.shown == nil {
			k.shown = make(map[string]bool)
		}
		k.shown[host] = host == origin
	}
}

// foreign reports whether an origin is another site's than that of the host. It is not
// where the host may be a proxy's, nor where the two may be of one site.
func (k *hosts) foreign(host, origin string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shown[host] && domain(host) != domain(origin)
}

// domain returns the last two labels of a host. They are a site, or more than one, as below
// co.uk.
func domain(host string) string {
	last := strings.LastIndexByte(host, '.')
	return host[strings.LastIndexByte(host[:max(last, 0)], '.')+1:]
}

// originHost returns the host of an Origin, without the port. It is empty for "null".
func originHost(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return hostname(host)
}

// hostname returns a host without its port: neither cookies nor sites know ports.
func hostname(host string) string { return strings.ToLower((&url.URL{Host: host}).Hostname()) }
