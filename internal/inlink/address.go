package inlink

import (
	"net/url"
	"strings"
)

// cut takes the parameters of this name out of a query, and returns the value of the first.
func cut(query, param string) (value, rest string, found bool) {
	if !strings.Contains(query, param) && !strings.Contains(query, "%") {
		return "", query, false
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		name, text, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != param {
			kept = append(kept, pair)
			continue
		}
		if !found {
			value, _ = url.QueryUnescape(text)
		}
		found = true
	}
	return value, strings.Join(kept, "&"), found
}

// join returns the reference to with the parameter in its query, in the place of one that
// stood there.
func join(to, param, value string) string {
	to, fragment, hasFragment := strings.Cut(to, "#")
	path, query, _ := strings.Cut(to, "?")
	_, query, _ = cut(query, param)
	if query != "" {
		query += "&"
	}
	to = path + "?" + query + param + "=" + value
	if hasFragment {
		to += "#" + fragment
	}
	return to
}

// ours reports whether a reference in the page at leads to another page of this site, whatever
// browser reads it, so that a token in it goes nowhere else. An absolute URL is not ours, because
// a proxy in front may have another name. under is the path that cookies are sent to.
//
// Browsers take \ for /, and pass over blanks at both ends and over tabs and line breaks
// wherever they are. Parse refuses control characters.
func ours(to, at, under string) bool {
	if to == "" || to[0] == '#' || to != strings.TrimSpace(to) || strings.Contains(to, `\`) {
		return false
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Opaque != "" || u.User != nil || u.Host != "" || strings.HasPrefix(to, "//") {
		return false
	}
	if under == "/" || strings.HasPrefix(to, "/") {
		return covers(under, u.Path)
	}
	page, err := url.ParseRequestURI(at)
	if err != nil || !covers(under, page.Path) {
		return !climbs(u.Path) // a proxy in front has taken off where the page stands
	}
	return covers(under, page.ResolveReference(u).Path)
}

// covers reports whether cookies of a path are sent to another one: RFC 6265, 5.1.4. Dot
// segments lead out of a path that does not look like it.
func covers(under, path string) bool {
	if under == "/" {
		return true
	}
	under = strings.TrimSuffix(under, "/")
	return !climbs(path) && (path == under || strings.HasPrefix(path, under+"/"))
}

// climbs reports whether a path has a segment that leads out of the one before.
func climbs(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == ".." {
			return true
		}
	}
	return false
}

// here returns a reference to what a request has asked for, without the parameter. It is
// made of the request line, which no http.StripPrefix has changed.
func here(requestURI, param string) string {
	u, err := url.ParseRequestURI(requestURI)
	if err != nil {
		return "?"
	}
	_, query, _ := cut(u.RawQuery, param)
	path := u.EscapedPath()
	// A path of two slashes would be the name of a host.
	if path == "" || path[0] != '/' || len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "?" + query
	}
	if query != "" {
		path += "?" + query
	}
	return path
}
