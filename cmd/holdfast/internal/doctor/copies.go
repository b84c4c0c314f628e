package doctor

import (
	"net/http"
	"strings"

	"github.com/holdfast-go/session/cmd/holdfast/internal/sealed"
)

// pageCopy is what everybody can see of a sealed copy that a page has set.
type pageCopy struct {
	page, cookie string // the token's cookie
	key          string // the ID of the key that has sealed it
	hint         string // of the audience
}

// copiesOf returns the copies that a page has set.
func copiesOf(page string, set []*http.Cookie) (all []pageCopy) {
	var lines strings.Builder
	for _, c := range set {
		lines.WriteString("Set-Cookie: " + c.Raw + "\n")
	}
	report := sealed.Look(sealed.Read(lines.String(), ""), sealed.Options{})
	for _, t := range report.Texts {
		if t.Kind == sealed.Copy && t.Hint != "" {
			base, _, _ := strings.Cut(t.Cookies[0], "-b")
			all = append(all, pageCopy{page, base, t.KeyID, t.Hint})
		}
	}
	return all
}

// compareCopies compares the copies of several instances with each other, and with the keys.
func (r *Report) compareCopies(files []keyFile) {
	told := map[string]bool{} // once for a page, which may set more than one copy
	find := func(c pageCopy, f Finding) {
		if key := f.Check + " " + c.page + " " + f.Found; !told[key] {
			told[key] = true
			r.Findings = append(r.Findings, f)
		}
	}
	firsts := map[string]pageCopy{} // by the cookie's name
	for _, c := range r.copies {
		first, ok := firsts[c.cookie]
		if !ok {
			firsts[c.cookie] = c
		} else if first.hint != c.hint {
			find(c, Finding{
				"page-audience", c.page, Error, "its copies in " + c.cookie + " are for another audience than those of " + first.page,
				"in an outage visitors are logged out when another instance answers",
				"Backup.Audience, Cookie.Domain and Cookie.Path: the same on all instances of a site",
			})
		}
		for _, f := range files {
			if !f.all[c.key] {
				find(c, Finding{
					"page-key", c.page, Error, "it seals with the key " + c.key + ", which " + f.path + " lacks",
					"in an outage visitors are logged out when an instance with these keys answers",
					"give every instance the same file of keys, and rotate by holdfast keys",
				})
			}
		}
	}
}
