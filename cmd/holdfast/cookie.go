package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/sealed"
	"github.com/holdfast-go/session/seal"
)

// cookieCommand looks at sealed cookies.
type cookieCommand struct {
	Show showCookie `cmd:"" help:"Show what everybody can see of a sealed cookie, what it holds for the keys, and why it does not open."`
}

type showCookie struct {
	Cookies  string        `arg:"" optional:"" name:"cookie" help:"A Cookie header, a Set-Cookie line or a bare value. Without it they are read from standard input, and stay out of the shell's history."`
	Keys     string        `placeholder:"FILE" help:"The keys of the instances. Without them it shows only the format, the key's ID, the minute of sealing and the size."`
	Audience string        `placeholder:"NAME" help:"Backup.Audience of the application. Needed with --keys."`
	Name     string        `placeholder:"NAME" help:"The name of the token's cookie. The default is what the other cookies are named after, and __Host-session for a bare value."`
	Domain   string        `placeholder:"HOST" help:"Cookie.Domain of the application, where no Set-Cookie line says it."`
	Path     string        `default:"/" help:"Cookie.Path of the application, where no Set-Cookie line says it."`
	Lease    time.Duration `default:"1h" help:"Backup.Lease of the application."`
	Reveal   bool          `help:"Show the values too."`
	JSON     bool          `help:"Report in JSON."`
}

// mostInput is more than any browser's or proxy's header.
const mostInput = 1 << 20

// Run shows the cookies.
func (c *showCookie) Run(stdin io.Reader, stdout io.Writer) error {
	switch {
	case c.Keys != "" && c.Audience == "":
		return errors.New("--keys: needs --audience, Backup.Audience of the application")
	case c.Keys == "" && (c.Audience != "" || c.Reveal):
		return errors.New("--audience and --reveal: need --keys")
	}
	text, err := c.text(stdin)
	if err != nil {
		return err
	}
	o := sealed.Options{
		Audience: c.Audience, Name: cmp.Or(c.Name, "__Host-session"), Domain: c.Domain, Path: c.Path,
		Lease: c.Lease, Reveal: c.Reveal,
	}
	if o.Keys, err = c.keys(); err != nil {
		return err
	}
	in := sealed.Read(text, c.Name)
	if in.Empty() {
		return errors.New("there is no cookie of a session: want NAME-b0=… or NAME-x=…, as a browser's tools show them")
	}
	report := sealed.Look(in, o)
	if c.JSON {
		if err := printJSON(stdout, report); err != nil {
			return err
		}
	} else {
		report.Write(stdout, time.Now())
	}
	if !report.Sound() {
		return exitStatus(exitFound)
	}
	return nil
}

// text returns the argument, or else what stands on standard input.
func (c *showCookie) text(stdin io.Reader) (string, error) {
	if c.Cookies != "" {
		return c.Cookies, nil
	}
	all, err := io.ReadAll(io.LimitReader(stdin, mostInput+1))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if len(all) > mostInput {
		return "", fmt.Errorf("standard input: more than %d bytes", mostInput)
	}
	return string(all), nil
}

// keys returns the keys of the flag, or nil.
func (c *showCookie) keys() (*seal.Keys, error) {
	if c.Keys == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.Keys)
	if err != nil {
		return nil, err
	}
	keys, err := seal.ParseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Keys, err)
	}
	return keys, nil
}
