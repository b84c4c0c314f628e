package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The bars of the picture, from the top.
var bars = []struct{ name, title string }{
	{"holdfast-memory", "Holdfast, memory"},
	{"holdfast-cache", "Holdfast, Redis + client-side cache"},
	{"holdfast-redis", "Holdfast, Redis"},
	{"holdfast-memcached", "Holdfast, memcached"},
	{"holdfast-redis-backup", "Holdfast, Redis, with a backup"},
	{"holdfast-redis-killed", "Holdfast, Redis killed"},
	{"scs-redis", "scs, Redis"},
	{"scs-redis-idle", "scs, Redis, idle timeout"},
	{"gorilla-redis", "gorilla/sessions, Redis"},
	{"fiber-redis", "fiber session, Redis"},
	{"express-redis", "express-session, Redis"},
}

// picture draws three panels: requests a second of a route beside the bare
// handler. Its colors go with a light and with a dark page.
func picture(f *field, r *results) string {
	const (
		label, width = 250, 170
		bar, gap     = 14, 8
		left, top    = 12, 64
		panel        = width + 62
	)
	panels := []struct {
		route int
		title string
	}{{foodRoute, "does not ask for it"}, {userRoute, "reads one key"}, {cartRoute, "writes one key"}}
	conns := f.plan.most()
	var rows []int
	for i, bar := range bars {
		if r.application[spot{bar.name, foodRoute, conns}] != nil {
			rows = append(rows, i)
		}
	}
	height := top + len(rows)*(bar+gap) + 34
	total := left + label + len(panels)*panel
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title">
<title id="title">Requests a second beside a handler without sessions</title>
<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 } .small { font-size: 11px; fill: #59636e }
.ours { fill: #1a7f64 } .theirs { fill: #8c959f } .whole { stroke: #8c959f; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .ours { fill: #3fb68b } .theirs { fill: #6e7681 }
}
</style>
`, total, height)
	fmt.Fprintf(&b, `<text x="%d" y="20" class="head">Requests a second, × a handler without sessions</text>`+"\n", left)
	for p, panel1 := range panels {
		x := left + label + p*panel
		fmt.Fprintf(&b, `<text x="%d" y="46" class="head">%s</text><line class="whole" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n",
			x, html.EscapeString(panel1.title), x+width, top-8, x+width, height-30)
	}
	for k, i := range rows {
		y := top + k*(bar+gap)
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", left, y+bar-3, html.EscapeString(bars[i].title))
		for p, panel1 := range panels {
			x := left + label + p*panel
			ratio := r.application[spot{bars[i].name, panel1.route, conns}].beside(r.application[spot{"bare", panel1.route, conns}])
			class := "theirs"
			if strings.HasPrefix(bars[i].name, "holdfast") {
				class = "ours"
			}
			length := math.Min(1.1, ratio.median) * width
			end := length
			if length > width-30 { // not across the line
				end = math.Max(length, width)
			}
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/><text class="small" x="%.1f" y="%d">%s</text>`+"\n",
				class, x, y, math.Max(1, length), bar, float64(x)+end+5, y+bar-3, ratio)
		}
	}
	fmt.Fprintf(&b, `<text class="small" x="%d" y="%d">A session of 5 KB, %d connections; see docs/BENCHMARKS.md.</text>`+"\n</svg>\n", left, height-8, conns)
	return b.String()
}
