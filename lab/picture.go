package main

import (
	"fmt"
	"html"
	"strings"
)

// drawing is a table of cells, a row for each peer and a column for each act. Color and
// words say the same, so that a reader need not tell colors apart. The colors go with a
// light and with a dark page.
func (r results) drawing() string {
	const (
		left, label       = 12, 236
		top, row, rowGap  = 92, 34, 4
		column, columnGap = 92, 4
	)
	var acts []actResults
	for _, a := range r.acts {
		if len(a.tallies) > 0 {
			acts = append(acts, a)
		}
	}
	width := left + label + len(acts)*column + 12
	height := top + len(r.plan.peers)*row + 62
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title">
<title id="title">What visitors met, for each library and each fault</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 } .small { font-size: 10.5px } .pale { fill: #59636e }
.good { fill: #b4e3d0 } .fair { fill: #f6dfa5 } .bad { fill: #f3b7b0 } .none { fill: none; stroke: #c8ced4; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .pale { fill: #9198a1 }
.good { fill: #14503c } .fair { fill: #6a5312 } .bad { fill: #7a2820 } .none { stroke: #4b535d }
}
</style>
<text x="%d" y="20" class="head">What visitors met</text>
<text x="%d" y="38" class="small pale">%d visitors of each, the same faults at the same moments; see docs/COMPARISON.md</text>
`, width, height, left, left, r.plan.visitors)
	for i, a := range acts {
		x := left + label + i*column
		for n, line := range twoLines(a.name) {
			fmt.Fprintf(&b, `<text x="%d" y="%d" class="small head">%s</text>`+"\n", x+2, top-22+n*13, html.EscapeString(line))
		}
	}
	for k, p := range r.plan.peers {
		y := top + k*row
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", left, y+row/2+2, html.EscapeString(p.Title))
		for i, a := range acts {
			x := left + label + i*column
			t := a.of(p.Title)
			class, words := verdict(t)
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="3"/>`+"\n", class, x, y, column-columnGap, row-rowGap)
			for n, line := range words {
				fmt.Fprintf(&b, `<text x="%d" y="%d" class="small">%s</text>`+"\n", x+5, y+13+n*12, html.EscapeString(line))
			}
		}
	}
	y := top + len(r.plan.peers)*row + 14
	x := left
	for _, k := range []struct{ class, text string }{
		{"good", "nobody met a fault"},
		{"fair", "refused, or a wait of 2 s and more; nothing lost"},
		{"bad", "logged out, writes lost, or logouts undone"},
		{"none", "not of this store"},
	} {
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="14" height="14" rx="3"/><text x="%d" y="%d" class="small">%s</text>`+"\n",
			k.class, x, y, x+20, y+11, k.text)
		x += 40 + 6*len(k.text)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// of is what one peer met, nil where it did not take part.
func (a actResults) of(title string) *tally {
	for _, t := range a.tallies {
		if t.title == title {
			return t
		}
	}
	return nil
}

// verdict is the color of a cell and what it says, the worst first.
func verdict(t *tally) (class string, words []string) {
	if t == nil {
		return "none", nil
	}
	if n := t.Stayed - t.Kept; n > 0 {
		words = append(words, fmt.Sprintf("%d logged out", n))
	}
	if n := t.Lost + t.Dropped; n > 0 {
		words = append(words, fmt.Sprintf("%d writes lost", n))
	}
	if t.Revived > 0 {
		words = append(words, fmt.Sprintf("%d revived", t.Revived))
	}
	class = "bad"
	if len(words) == 0 {
		class = "fair"
	}
	if n := t.Asked - t.Served; n > 0 {
		words = append(words, fmt.Sprintf("%d %% served", 100*t.Served/t.Asked))
	}
	if n := t.Logouts - t.Ended; n > 0 {
		words = append(words, "logouts refused")
	}
	if late := t.waited(); late != "" {
		words = append(words, late)
	}
	if len(words) == 0 {
		return "good", []string{"✓ " + t.slowest()}
	}
	return class, words[:min(2, len(words))]
}

// twoLines breaks a name between words.
func twoLines(name string) []string {
	const longest = 14
	if len(name) <= longest {
		return []string{"", name}
	}
	cut := strings.LastIndex(name[:longest+1], " ")
	if cut < 0 {
		return []string{"", name}
	}
	return []string{name[:cut], name[cut+1:]}
}
