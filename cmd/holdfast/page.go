package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-go/session/admin"
)

// page is the operators' page that a command asks, as package admin serves it.
type page struct {
	URL       string        `arg:"" name:"url" help:"The operators' page, like https://ops.shop.example/admin."`
	TokenFile string        `placeholder:"FILE" help:"A file with the token that the page asks for; it is sent as Authorization: Bearer. Without it the environment's HOLDFAST_TOKEN."`
	Within    time.Duration `default:"10s" help:"How long to try."`
}

// client returns a client of the page's API.
func (p page) client() (*admin.Client, error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the page's address: want http://host:port/path or https://host/path")
	}
	if u.User != nil {
		return nil, errors.New("the page's address has a password in it, which every list of processes shows: put a token into a file, and name it by --token-file")
	}
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	host := u.Hostname()
	readable := u.Scheme == "http" && host != "localhost" && !net.ParseIP(host).IsLoopback()
	if token != "" && readable {
		return nil, errors.New("the token would go in clear text; ask the page by https, or at 127.0.0.1")
	}
	c := &admin.Client{URL: p.URL, HTTP: &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // to a login: the page refuses
	}}
	if token != "" {
		c.Authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	return c, nil
}

func (p page) token() (string, error) {
	text := os.Getenv("HOLDFAST_TOKEN")
	if p.TokenFile != "" {
		content, err := os.ReadFile(p.TokenFile)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		text = string(content)
	}
	text = strings.TrimSpace(text)
	if p.TokenFile != "" && text == "" {
		return "", errors.New("--token-file: the file is empty")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", errors.New("the token has blanks or letters that cannot be sent; the file has it alone, in one line")
	}
	return text, nil
}

// failed says why the page was not asked, and returns the exit status for it.
func failed(log *slog.Logger, err error) error {
	log.Error("the page was not asked, or has refused", "error", printable(err.Error()))
	return exitStatus(exitNot)
}

// printable returns text of a store or a visitor without what would move a terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
