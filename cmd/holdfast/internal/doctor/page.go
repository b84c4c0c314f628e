package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"
)

// pageFacts is what a new visitor's browser receives from a page, and what it sends back
// with its second request.
type pageFacts struct {
	url       *url.URL
	local     bool // browsers keep Secure cookies of loopback hosts over plain http
	header    int  // bytes of the answer's header, the larger of two answers
	cookies   int  // bytes of the Cookie line
	set       []*http.Cookie
	public    bool // a shared cache may keep an answer that sets cookies
	skew      time.Duration
	redirects bool
}

func (r *Report) page(ctx context.Context, address string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		r.blind(address, errors.New("want http://host/path or https://host/path"))
		return
	}
	f, err := askPage(ctx, u)
	if err != nil {
		r.blind(address, err)
		return
	}
	r.Looked = append(r.Looked, address)
	judge(r, address, pageRules, f)
	r.copies = append(r.copies, copiesOf(address, f.set)...)
}

func askPage(ctx context.Context, u *url.URL) (pageFacts, error) {
	ip := net.ParseIP(u.Hostname())
	f := pageFacts{url: u, local: u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()}
	jar, _ := cookiejar.New(nil)
	https := *u
	https.Scheme = "https" // so that the jar gives Secure cookies back
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range 2 {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return f, err
		}
		for _, c := range jar.Cookies(&https) {
			request.AddCookie(c)
		}
		f.cookies = len(request.Header.Get("Cookie"))
		before := time.Now()
		answer, err := client.Do(request)
		if err != nil {
			return f, err
		}
		after := time.Now()
		_ = answer.Body.Close()
		if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil && (date.Before(before.Add(-2*time.Second)) || date.After(after)) {
			f.skew = skewOf(date, before, after)
		}
		f.header = max(f.header, headerSize(answer))
		f.set = append(f.set, answer.Cookies()...)
		control := strings.ToLower(strings.Join(answer.Header.Values("Cache-Control"), ","))
		kept := !strings.Contains(control, "private") && !strings.Contains(control, "no-store") && !strings.Contains(control, "no-cache")
		f.public = f.public || len(answer.Cookies()) > 0 && kept
		f.redirects = f.redirects || answer.StatusCode/100 == 3
		jar.SetCookies(&https, answer.Cookies())
	}
	return f, nil
}

// headerSize returns the bytes of an answer's header as HTTP/1.1 sends it.
func headerSize(answer *http.Response) int {
	n := len(answer.Proto) + len(answer.Status) + len(" \r\n\r\n")
	for name, values := range answer.Header {
		for _, value := range values {
			n += len(name) + len(value) + len(": \r\n")
		}
	}
	return n
}

// limit is the largest header that a proxy accepts by default. docs/PROXIES.md says how
// that was measured.
type limit struct {
	proxy   string
	bytes   int
	setting string
}

var (
	answerLimits  = []limit{{"nginx", 4096, "proxy_buffer_size"}, {"HAProxy", 15249, "tune.bufsize"}, {"Node", 16384, "--max-http-header-size"}}
	requestLimits = []limit{{"nginx", 8192 - 850, "large_client_header_buffers"}, {"Apache", 8190, "LimitRequestFieldSize"}, {"an AWS load balancer", 16384, "fewer bytes: it has no setting"}}
)

func beyond(bytes int, limits []limit) string {
	var over []string
	for _, l := range limits {
		if bytes > l.bytes {
			over = append(over, fmt.Sprintf("%s (%d bytes; %s)", l.proxy, l.bytes, l.setting))
		}
	}
	return strings.Join(over, ", ")
}

func (f pageFacts) cookie(bad func(*http.Cookie) bool) string {
	for _, c := range f.set {
		if c.MaxAge >= 0 && bad(c) {
			return c.Name
		}
	}
	return ""
}

var pageRules = []rule[pageFacts]{
	{
		"page-answer-size", Warning,
		"502 on this page behind a proxy with its defaults",
		"Backup.Copy and Backup.ProxyBuffer, the handler's own header fields, or the proxy's directive",
		func(f pageFacts) string {
			over := beyond(f.header, answerLimits)
			return sayIf(over != "", "the header of its answer has %d bytes, more than %s", f.header, over)
		},
	},
	{
		"page-request-size", Warning,
		"400 on every page, the logout too, until the visitor deletes the cookies",
		"Backup.Budget, other cookies of the site, or the proxy's directive",
		func(f pageFacts) string {
			over := beyond(f.cookies, requestLimits)
			return sayIf(over != "", "its visitors send %d bytes of cookies, near or beyond the limit of %s", f.cookies, over)
		},
	},
	{
		"page-secure-over-http", Error,
		"the browser drops the cookie: nobody can log in",
		"serve https; where plain http is wanted beside it, Cookie.Secure has to see that no proxy has ended TLS; Cookie.Insecure for a development machine",
		func(f pageFacts) string {
			name := f.cookie(func(c *http.Cookie) bool { return c.Secure })
			return sayIf(f.url.Scheme == "http" && !f.local && name != "", "it sets the Secure cookie %s over plain http", name)
		},
	},
	{
		"page-insecure", Error,
		"whoever listens to a request over plain http has the session",
		"leave out Cookie.Insecure; with Cookie.Secure, let the proxy say that the request came over TLS",
		func(f pageFacts) string {
			name := f.notSecure()
			return sayIf(name != "" && f.url.Scheme == "https", "the cookie %s is not Secure", name)
		},
	},
	{
		"page-plain-http", Warning,
		"whoever listens in the network has the session",
		"serve https; nothing, where the network is one's own and Cookie.Secure tells its visitors from those who come over TLS",
		func(f pageFacts) string {
			name := f.notSecure()
			return sayIf(name != "" && f.url.Scheme == "http" && !f.local, "it sets the cookie %s over plain http", name)
		},
	},
	{
		"page-script", Error,
		"a script that got into the page takes the session along",
		"HttpOnly; the library sets it, so something rewrites the cookie",
		func(f pageFacts) string {
			name := f.cookie(func(c *http.Cookie) bool { return !c.HttpOnly && f.session(c) })
			return sayIf(name != "", "the cookie %s is not HttpOnly", name)
		},
	},
	{
		"page-same-site", Error,
		"the browser drops the cookie: nobody can log in",
		"Cookie.SameSite: with None the cookie must be Secure",
		func(f pageFacts) string {
			name := f.cookie(func(c *http.Cookie) bool { return c.SameSite == http.SameSiteNoneMode && !c.Secure })
			return sayIf(name != "", "the cookie %s is SameSite=None without Secure", name)
		},
	},
	{
		"page-host-prefix", Error,
		"the browser drops the cookie: nobody can log in",
		"something rewrites the cookie: a __Host- cookie is Secure, has Path=/ and no Domain",
		func(f pageFacts) string {
			name := f.cookie(func(c *http.Cookie) bool {
				return strings.HasPrefix(c.Name, "__Host-") && (c.Domain != "" || c.Path != "/" || !c.Secure)
			})
			return sayIf(name != "", "the cookie %s is none of a host", name)
		},
	},
	{
		"page-one-cookie", Error,
		"no login sticks: the copy of the session arrives, and the token does not",
		"the gateway in front of the page, so that it passes every Set-Cookie line and not only the last one",
		func(f pageFacts) string {
			name := f.withoutToken()
			return sayIf(name != "", "it sets the copy %s to a new visitor, and no token", name)
		},
	},
	{
		"page-cached", Error,
		"a shared cache gives one visitor's session to the next",
		"Cache-Control: the library adds private or no-store, so something takes it off",
		func(f pageFacts) string {
			return sayIf(f.public, "an answer with Set-Cookie may be kept by a shared cache")
		},
	},
	{
		"page-clock", Warning,
		"of two changes at two instances the earlier may win",
		"NTP, on all machines",
		func(f pageFacts) string { return skewed(f.skew, someSkew, muchSkew) },
	},
	{
		"page-clock-far", Error,
		"backups of that instance vouch for nothing at the others, and of two changes the earlier wins",
		"NTP, on all machines",
		func(f pageFacts) string { return skewed(f.skew, muchSkew, 0) },
	},
}

// withoutToken returns the name of a cookie with a copy of a session whose token was not
// set beside it: the visitor is new, so that the token was on its way too. It is empty
// where there is none. It does not detect a gateway that keeps the first line only.
func (f pageFacts) withoutToken() string {
	return f.cookie(func(c *http.Cookie) bool {
		token := strings.TrimRight(c.Name, "0123456789")
		token, isCopy := strings.CutSuffix(token, "-b")
		return isCopy && token+"-b" != c.Name && !slices.ContainsFunc(f.set, func(other *http.Cookie) bool { return other.Name == token })
	})
}

// notSecure returns the name of a session's cookie that is not Secure, empty where there is
// none.
func (f pageFacts) notSecure() string {
	return f.cookie(func(c *http.Cookie) bool { return !c.Secure && f.session(c) })
}

// session reports whether a cookie looks like one of a session: an opaque value of some
// length, or a name that says so.
func (f pageFacts) session(c *http.Cookie) bool {
	name := strings.ToLower(c.Name)
	return strings.Contains(name, "session") || strings.Contains(name, "sid") || strings.HasPrefix(c.Name, "__Host-")
}
