package fibersession

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"github.com/holdfast-go/session"
)

// exchange is the response of one request under one Manager, as net/http has it. Its
// methods of http.ResponseWriter are called by Options.Error alone: handlers write to
// fiber's response.
type exchange struct {
	session http.ResponseWriter // the Manager's, which commits before it writes to the exchange
	request *http.Request       // the Manager's
	header  http.Header         // fiber's fields, and what the session adds
	before  http.Header         // fiber's fields when they were read
	status  int                 // of the answer of Options.Error, or 0
	body    []byte
	sent    bool // that answer is fiber's response
}

// Header returns the header, in which the session looks for room and puts its cookies.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader begins the answer of Options.Error.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= 200 {
		x.status = status
	}
}

// Write goes on with the answer of Options.Error.
func (x *exchange) Write(p []byte) (int, error) {
	if len(p) > 0 {
		x.WriteHeader(http.StatusOK)
		x.body = append(x.body, p...)
	}
	return len(p), nil
}

// read takes over the header of fiber's response. The fields that describe the body
// stay out: an error's answer has a body of its own.
func (x *exchange) read(c fiber.Ctx) {
	clear(x.header)
	for k, v := range c.Response().Header.All() {
		switch name := http.CanonicalHeaderKey(string(k)); name {
		case fiber.HeaderContentType, fiber.HeaderContentLength, fiber.HeaderContentEncoding:
		default:
			x.header[name] = append(x.header[name], string(v))
		}
	}
	x.before = maps.Clone(x.header)
}

// commit saves the session, if a handler has asked for it, and gives fiber's response
// the fields that the visitor needs. Where the save fails, Options.Error has answered.
func (x *exchange) commit(c fiber.Ctx, r *http.Request) {
	if _, asked := session.Loaded(r.Context()); !asked {
		return
	}
	x.read(c)
	if _, err := x.session.Write(nil); err == nil {
		x.write(c)
	}
}

// write gives fiber's response what has been added to the header.
func (x *exchange) write(c fiber.Ctx) {
	h := &c.Response().Header
	for name, values := range x.header {
		if slices.Equal(values, x.before[name]) {
			continue
		}
		remove(h, name)
		for _, v := range values {
			h.Add(name, v)
		}
	}
}

// remove removes a field however it is spelled: with fiber.Config.DisableHeaderNormalizing
// the names are as handlers have written them.
func remove(h *fasthttp.ResponseHeader, name string) {
	var spelled []string
	for k := range h.All() {
		if http.CanonicalHeaderKey(string(k)) == name {
			spelled = append(spelled, string(k))
		}
	}
	for _, k := range spelled {
		h.Del(k)
	}
}

// answer makes the answer of Options.Error, if there is one, fiber's response. The connection
// is not hijacked then: a handler asked for that with an answer which is not sent.
func (x *exchange) answer(c fiber.Ctx) {
	if x.status == 0 || x.sent {
		return
	}
	x.sent = true
	c.RequestCtx().Hijack(nil)
	c.RequestCtx().HijackSetNoResponse(false)
	res := c.Response()
	res.Reset()
	res.SetStatusCode(x.status)
	res.SetBodyRaw(x.body)
	for name, values := range x.header {
		if name == fiber.HeaderContentLength {
			continue
		}
		for _, v := range values {
			res.Header.Add(name, v)
		}
	}
}

// request returns the request as net/http has it, without a body. Nothing of it is
// shared with c.
func request(c fiber.Ctx) *http.Request {
	in := c.Request()
	return &http.Request{
		Method: strings.Clone(c.Method()),
		URL:    &url.URL{Path: string(in.URI().Path()), RawQuery: string(in.URI().QueryString())},
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: copyHeader(&in.Header),
		Host:   string(in.Host()),
		Body:   http.NoBody,
		TLS:    c.RequestCtx().TLSConnectionState(), // these two are for Cookie.Secure

		RemoteAddr: c.RequestCtx().RemoteAddr().String(),
	}
}

// copyHeader copies all names and values into one string, and not each for itself: it
// runs for requests that never ask for their session too. net/http has no Host in it.
func copyHeader(in *fasthttp.RequestHeader) http.Header {
	var all strings.Builder
	all.Grow(len(in.RawHeaders()))
	fields := 0
	for name, value := range in.All() {
		all.Write(name)
		all.Write(value)
		fields++
	}
	rest, values := all.String(), make([]string, fields)
	h := make(http.Header, fields)
	for name, value := range in.All() {
		key := http.CanonicalHeaderKey(rest[:len(name)]) // the same text but with DisableHeaderNormalizing
		values[0] = rest[len(name):][:len(value)]
		rest = rest[len(name)+len(value):]
		if key == fiber.HeaderHost {
			continue
		}
		if first := h[key]; first != nil {
			h[key] = append(first, values[0])
		} else {
			h[key] = values[:1:1]
		}
		values = values[1:]
	}
	return h
}
