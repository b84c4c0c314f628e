// Package backup keeps sealed copies of a session in the cookies of its client. It
// reads the copies that a request carries, packs a copy into the bytes that it may
// take up, and writes the Set-Cookie lines. It knows neither stores nor tokens, and
// it calls no hook: faults are part of its results. Package seal seals and pads.
//
// Where to look: request.go collects a request's cookies, open.go opens the copies in
// them and says what is wrong with those that do not open (package copies
// reports that), opened.go keeps the copies that were opened or sealed lately, pack.go
// chooses what a copy holds and compresses values, and cookies.go has the names of the
// cookies, that of the tombstone cookie too, and whom a copy is sealed for.
//
// Package jar divides a sealed text among cookies, and puts the pieces that a request
// carries together again, with a bound on what planted cookies can make of them.
// Package state has the parts of a copy. Package copies calls this package for each
// request.
package backup

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

const (
	// maxCookie is how many bytes the name and the value of a cookie may have
	// together. RFC 6265bis 5.6: browsers ignore a larger one.
	maxCookie = 4096

	// MaxBudget is the largest Budget. A Cookie line of 8 KB has room for this,
	// the token (63 bytes) and a list of eight ended sessions (597), under the
	// default names, and for 850 bytes of others' cookies.
	MaxBudget = 6656

	// MinBudget is the smallest Budget, and the least room that is made for a copy.
	MinBudget = 1024
)

// The purposes that copies and lists of ended sessions are sealed for, see
// seal.Box.Purpose.
const (
	CopiesPurpose  = "session backup"
	EndingsPurpose = "session tombstones"
)

// AudienceOf returns the audience of copies and lists of ended sessions: an application, and
// the token's cookie, which has this name, Domain and Path. Each part comes after its
// length, so that no two applications or cookies share one.
func AudienceOf(application, name, domain, path string) string {
	var b []byte
	for _, part := range []string{application, name, domain, path} {
		b = state.AppendBytes(b, part)
	}
	return string(b)
}

// The suffixes of the names of cookies, behind the name of the token's cookie.
const (
	partSuffix    = "-b" // and the number of the cookie
	endingsSuffix = "-x"
)

// Cookies reads and writes the copies of an application's sessions, and the lists
// of sessions that ended. Any number of goroutines may use it. Its fields must not
// be changed then.
type Cookies struct {
	// Cookie has the name of the token's cookie, from which the names of all
	// others are made, and the attributes that all have.
	Cookie http.Cookie

	// MaxAge returns the Max-Age of a copy that lasts until end, in seconds; 0, for
	// a zero end, is for as long as the browser is open. It is that of the token's cookie.
	MaxAge func(end time.Time) int

	// ForeignIDs says that another system makes the IDs of sessions, so that they may
	// be longer than 32 bytes.
	ForeignIDs bool

	// Budget is how many bytes all copies of a session may take up together in
	// the Cookie header, names and separators included: at most MaxBudget.
	Budget int

	// Layout is how the Budget is divided among cookies.
	Layout jar.Layout

	// Copies and Endings seal the copies and the lists of ended sessions, with
	// the same keys.
	Copies, Endings seal.Box

	opened openedCache
	opens  atomic.Uint64
}

// Opens returns how many texts were opened as copies, which no text is that is in the
// cache.
func (c *Cookies) Opens() uint64 { return c.opens.Load() }

// CachedBytes returns about how many bytes the copies take up that were opened or
// sealed lately and are kept, so that none is opened twice.
func (c *Cookies) CachedBytes() int { return c.opened.bytes() }

// Owns reports whether a cookie of that name carries a part of a copy, or a list
// of ended sessions.
func (c *Cookies) Owns(name string) bool {
	suffix, ok := strings.CutPrefix(name, c.Cookie.Name)
	if !ok {
		return false
	}
	_, isPart := partNumber(suffix)
	return isPart || suffix == endingsSuffix
}

// partNumber returns the number of the cookie for copies whose name ends so.
func partNumber(suffix string) (int, bool) {
	digit, ok := strings.CutPrefix(suffix, partSuffix)
	if !ok || len(digit) != 1 {
		return 0, false
	}
	i := int(digit[0]) - '0'
	return i, i >= 0 && i < jar.Most
}

func (c *Cookies) partName(i int) string { return c.Cookie.Name + partSuffix + strconv.Itoa(i) }

// maxEndings is how long a sealed list of ended sessions can be.
func (c *Cookies) maxEndings() int {
	if c.ForeignIDs {
		return maxCookie
	}
	const idLen = 2 * 16
	return seal.SealedLen(len("\x01\x08") + state.MaxSuperseded*(len("f")+state.DotSize+len(" ")+idLen))
}

// partHead is how long the text is that precedes the piece in the value of a part.
const partHead = len("nnnnnn.0.1.")

// Parts returns how many cookies a sealed text of n bytes takes. It is more than
// jar.Most for a text that does not fit.
func (c *Cookies) Parts(n int) int {
	room := c.Layout.Room(c.partName(0)) - partHead
	if room <= 0 {
		return jar.Most + 1
	}
	if parts := max(1, (n+room-1)/room); parts <= c.Layout.Cookies {
		return parts
	}
	return jar.Most + 1
}

// Size returns how many bytes of cookies a sealed text of n bytes takes. It is
// more than MaxBudget for a text that does not fit.
func (c *Cookies) Size(n int) int {
	parts := c.Parts(n)
	if parts > jar.Most {
		return MaxBudget + 1
	}
	return n + parts*(jar.Bytes(c.partName(0), "")+partHead)
}

// Lines returns the Set-Cookie lines that put a packed copy into the cookies set,
// under a name of package jar, until end, and those that drop the cookies drop.
// set has as many cookies as Parts says.
func (c *Cookies) Lines(name, text string, set, drop jar.Mask, end time.Time) (lines, drops []string) {
	values, err := jar.Split(name, text, c.Layout.Room(c.partName(0)))
	if err != nil {
		panic(err) // Pack has measured it
	}
	attributes := c.attributes(end)
	for i := range jar.Most {
		if set.Has(i) && len(values) > 0 {
			// A value needs no escaping by http.Cookie: it is base64url and dots.
			lines = append(lines, c.partName(i)+"="+values[0].Head+values[0].Text+attributes+headers.Priority)
			values = values[1:]
		}
	}
	return lines, c.DropLines(drop &^ set)
}

// LineOverhead returns how many bytes a Set-Cookie line that puts a part of a copy into a
// cookie has besides what the part takes up in the Cookie header.
func (c *Cookies) LineOverhead(end time.Time) int {
	return len("Set-Cookie: ") + len(c.attributes(end)) + len(headers.Priority) + len("\r\n") - len("; ")
}

// MostIn returns how many bytes of cookies a copy that lasts until end may take up so that
// the lines which set it take up no more than room bytes of an answer's header.
func (c *Cookies) MostIn(room int, end time.Time) int {
	overhead, one := c.LineOverhead(end), jar.Bytes(c.partName(0), "")+partHead
	for parts := 1; ; parts++ {
		if most := room - parts*overhead; parts >= jar.Most || c.Parts(max(0, most-one)) <= parts {
			return most
		}
	}
}

// attributes returns what follows the value in the line of a copy that lasts until end.
func (c *Cookies) attributes(end time.Time) string {
	cookie := c.Cookie
	cookie.MaxAge = c.MaxAge(end)
	return strings.TrimPrefix(cookie.String(), cookie.Name+"=")
}

// DropLines returns the Set-Cookie lines that drop these cookies.
func (c *Cookies) DropLines(which jar.Mask) (lines []string) {
	for i := range jar.Most {
		if which.Has(i) {
			cookie := c.Cookie
			cookie.Name, cookie.MaxAge = c.partName(i), -1
			lines = append(lines, cookie.String())
		}
	}
	return lines
}

// EndingsLine returns the Set-Cookie line that puts a list of ended sessions into
// the client's cookies for as long as life.
func (c *Cookies) EndingsLine(l []state.Superseded, now time.Time, life time.Duration) (string, error) {
	text, err := c.Endings.Seal(now, state.AppendSuperseded([]byte{state.FormatV1}, l))
	if err != nil {
		return "", err
	}
	cookie := c.Cookie
	cookie.Name, cookie.Value = c.Cookie.Name+endingsSuffix, text
	cookie.MaxAge = int(life / time.Second)
	return cookie.String() + headers.Priority, nil
}
