package e2e_test

import (
	_ "embed"

	"github.com/chromedp/chromedp"
)

//go:embed contrast.js
var contrast string

// wantGoodLooks checks the page as it stands in both widths and both schemes.
func (b *browser) wantGoodLooks(name string) {
	b.t.Helper()
	for _, width := range []int64{360, 1280} {
		size := map[int64]string{360: "narrow", 1280: "wide"}[width]
		run(b, chromedp.EmulateViewport(width, 900))
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			if got := eval[int64](b, "document.documentElement.scrollWidth"); got > width {
				b.t.Errorf("%s, %s, %s: the page is %d wide, want at most %d", name, size, scheme, got, width)
			}
			for _, bad := range eval[[]string](b, contrast) {
				b.t.Errorf("%s, %s, %s: contrast below 4.5: %s", name, size, scheme, bad)
			}
			eval[chromedp.Void](b, "scrollTo(0, 0)")
			b.shot(name + "-" + size + "-" + scheme)
		}
	}
}
