package simulation

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Jar keeps the cookies of one browser for one https origin, as RFC 6265bis
// (draft 22) asks of user agents. Its clock is given with each call.
type Jar struct {
	Host    string // without a port
	Cookies []Cookie
	MaxAll  int // cookies in all; the one used longest ago goes. 0: 180, as Chromium has it

	age int
}

// Cookie is a cookie in a Jar.
type Cookie struct {
	Name, Value    string
	Path           string
	Domain         string // empty: host-only
	Expires        time.Time
	Session        bool // has no Expires
	SameSite       string
	created, since int // order of creation and of last use
	set            int // order of the answers that set it
}

const (
	maxPair      = 4096 // 5.6: name and value together
	maxAttribute = 1024
	maxAge       = 400 * 24 * time.Hour
)

// Take stores what the Set-Cookie lines of one answer say, in their order.
func (j *Jar) Take(lines []string, now time.Time) {
	for _, line := range lines {
		if c, ok := j.parse(line, now); ok {
			j.store(c, now)
		}
	}
}

// setCookie is a Set-Cookie line while it is read.
type setCookie struct {
	Cookie

	secure    bool // it has the attribute Secure
	hasDomain bool // it has had a Domain that is not empty
	isRoot    bool // its last Path is /
	aged      bool // it has a Max-Age, which goes before Expires
}

// parse follows 5.6 and the refusals of 5.7.
func (j *Jar) parse(line string, now time.Time) (Cookie, bool) {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return Cookie{}, false
	}
	pair, attributes, _ := strings.Cut(line, ";")
	s := setCookie{Cookie: Cookie{Session: true, Path: "/"}}
	s.Name, s.Value = nameAndValue(pair)
	isEmpty, isTooLong := s.Name == "" && s.Value == "", len(s.Name)+len(s.Value) > maxPair
	if isEmpty || isTooLong {
		return Cookie{}, false
	}
	s.readAttributes(attributes, now)
	if !s.isOf(j.Host) || s.SameSite == "none" && !s.secure || s.breaksPrefix() {
		return Cookie{}, false
	}
	return s.Cookie, true
}

// nameAndValue splits a pair. Without a = all of it is the value.
func nameAndValue(pair string) (name, value string) {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		name, value = "", pair
	}
	return strings.Trim(name, " \t"), strings.Trim(value, " \t")
}

// readAttributes follows 5.6.1 to 5.6.7. Of an attribute that comes twice the last one
// counts.
func (s *setCookie) readAttributes(rest string, now time.Time) {
	for rest != "" {
		var attribute string
		attribute, rest, _ = strings.Cut(rest, ";")
		key, v, _ := strings.Cut(attribute, "=")
		key, v = strings.ToLower(strings.Trim(key, " \t")), strings.Trim(v, " \t")
		if len(v) <= maxAttribute {
			s.readAttribute(key, v, now)
		}
	}
}

func (s *setCookie) readAttribute(key, v string, now time.Time) {
	switch key {
	case "secure":
		s.secure = true
	case "path":
		s.isRoot = v == "/"
		if s.Path = v; !strings.HasPrefix(v, "/") {
			s.Path = "/"
		}
	case "domain":
		s.Domain = strings.ToLower(strings.TrimPrefix(v, "."))
		s.hasDomain = s.hasDomain || s.Domain != ""
	case "samesite":
		s.SameSite = strings.ToLower(v)
	case "max-age":
		if n, ok := delta(v); ok {
			s.aged, s.Session = true, false
			s.Expires = now.Add(min(n, maxAge))
		}
	case "expires":
		if t, err := http.ParseTime(v); err == nil && !s.aged {
			s.Session, s.Expires = false, t
			if latest := now.Add(maxAge); t.After(latest) {
				s.Expires = latest
			}
		}
	}
}

// isOf reports whether an answer of host may set the cookie.
func (s *setCookie) isOf(host string) bool {
	return !s.hasDomain || s.Domain == host || strings.HasSuffix(host, "."+s.Domain)
}

// breaksPrefix follows 5.7: prefixes are compared without regard to case, in the value too
// where there is no name.
func (s *setCookie) breaksPrefix() bool {
	named := strings.ToLower(s.Name)
	if s.Name == "" {
		named = strings.ToLower(s.Value)
	}
	isSecure, isHost := strings.HasPrefix(named, "__secure-"), strings.HasPrefix(named, "__host-")
	switch {
	case s.Name == "":
		return isSecure || isHost
	case isSecure:
		return !s.secure
	case isHost:
		return !s.secure || s.hasDomain || !s.isRoot
	}
	return false
}

// delta is a Max-Age in seconds: digits, perhaps behind a minus.
func delta(v string) (time.Duration, bool) {
	digits := strings.TrimPrefix(v, "-")
	if digits == "" || strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	if digits != v {
		return -time.Second, true
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n > int64(maxAge/time.Second) {
		return maxAge, true
	}
	if n == 0 {
		return -time.Second, true
	}
	return time.Duration(n) * time.Second, true
}

func (j *Jar) store(c Cookie, now time.Time) {
	j.age++
	c.created = j.age
	c.since = j.age
	c.set = j.age
	i := slices.IndexFunc(j.Cookies, func(old Cookie) bool {
		return old.Name == c.Name && old.Path == c.Path && old.Domain == c.Domain
	})
	if i >= 0 {
		c.created = j.Cookies[i].created
		j.Cookies = slices.Delete(j.Cookies, i, i+1)
	}
	if c.Session || c.Expires.After(now) {
		j.Cookies = append(j.Cookies, c)
	}
	j.expire(now)
	most := j.MaxAll
	if most == 0 {
		most = 180
	}
	for len(j.Cookies) > most {
		oldest := 0
		for i, c := range j.Cookies {
			if c.since < j.Cookies[oldest].since {
				oldest = i
			}
		}
		j.Cookies = slices.Delete(j.Cookies, oldest, oldest+1)
	}
}

func (j *Jar) expire(now time.Time) {
	j.Cookies = slices.DeleteFunc(j.Cookies, func(c Cookie) bool { return !c.Session && !c.Expires.After(now) })
}

// Send returns the cookies that a same-site request to path carries: longer
// paths first, then those that were created earlier.
func (j *Jar) Send(path string, now time.Time) []Cookie {
	j.expire(now)
	j.age++
	var out []Cookie
	for i := range j.Cookies {
		c := &j.Cookies[i]
		if c.Path == path || strings.HasPrefix(path, c.Path) && (strings.HasSuffix(c.Path, "/") || path[len(c.Path)] == '/') {
			c.since = j.age
			out = append(out, *c)
		}
	}
	slices.SortStableFunc(out, func(a, b Cookie) int {
		if len(a.Path) != len(b.Path) {
			return len(b.Path) - len(a.Path)
		}
		return a.created - b.created
	})
	return out
}

// Clone returns a copy that goes its own way.
func (j *Jar) Clone() *Jar {
	c := *j
	c.Cookies = slices.Clone(j.Cookies)
	return &c
}

// Value returns what a cookie of that name holds, or nothing.
func (j *Jar) Value(name string) string {
	for _, c := range j.Cookies {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Line writes cookies as the field of a request does.
func Line(cookies []Cookie) string {
	var b strings.Builder
	for i, c := range cookies {
		if i > 0 {
			b.WriteString("; ")
		}
		if c.Name != "" {
			b.WriteString(c.Name + "=")
		}
		b.WriteString(c.Value)
	}
	return b.String()
}
