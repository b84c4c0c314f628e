package e2e_test

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var strip = flag.String("strip", "", "write the picture of an outage to this `file`")

// An outage on one picture, as a visitor sees it: the greeting and the cart stay, and the
// store goes and comes back. `make picture` writes it for the README.
func TestAVisitorSeesAnOutageAndNothingElse(t *testing.T) {
	url := startShopThatSays(t, shoppersLog, "-insecure", "-shoppers", "8")
	b := openBrowser(t)
	const width = 900
	run(b, chromedp.EmulateViewport(width, 700))
	b.scheme("light")
	b.open(url)
	b.logIn("Ada")
	var frames []image.Image
	frame := func(caption string, things int) {
		t.Helper()
		run(b, chromedp.Reload())
		b.shows("Hello, Ada")
		b.shows(fmt.Sprint("Cart: ", things))
		if *strip == "" {
			return
		}
		eval[chromedp.Void](b, `(() => {
			const line = document.createElement("p");
			line.textContent = `+quote(caption)+`;
			line.style = "margin: 0; padding: .5rem 2rem; background: #16302b; color: #fff; font: 600 1.05rem system-ui";
			document.body.prepend(line);
			document.getElementById("about").hidden = true;
			document.activeElement?.blur();
		})()`)
		time.Sleep(8 * time.Second) // the chart moves by a unit a second
		whole, err := png.Decode(bytes.NewReader(run(b, chromedp.FullScreenshot(100))))
		if err != nil {
			t.Fatal(err)
		}
		bottom := eval[float64](b, `document.getElementById("live").getBoundingClientRect().bottom + scrollY`)
		part := image.NewRGBA(image.Rect(0, 0, width, int(bottom)))
		draw.Draw(part, part.Bounds(), whole, image.Point{}, draw.Src)
		frames = append(frames, part)
	}
	b.push("form:has([value=rye]) button")
	b.shows("is in your cart.")
	frame("1. The store is well. Ada has something in her cart.", 1)

	b.push("form[action='/store/kill'] button")
	b.shows("visitors are served from their own cookies.")
	b.push("form:has([value=soup]) button")
	b.becomes(cartLength + " == 2")
	frame("2. The store is killed. Ada stays logged in, and goes on shopping.", 2)

	b.push("form[action='/store/back'] button")
	b.becomes("document.getElementById('live-state').textContent.startsWith('The store answers. ')")
	frame("3. The store is back, empty, and gets what it missed.", 2)
	b.wantEmptyConsole()

	if *strip != "" {
		writeStrip(t, *strip, frames)
	}
}

// writeStrip writes pictures one below the other.
func writeStrip(t *testing.T, file string, frames []image.Image) {
	t.Helper()
	const gap = 10
	size := image.Point{}
	for _, f := range frames {
		size.X = max(size.X, f.Bounds().Dx())
		size.Y += f.Bounds().Dy() + gap
	}
	size.Y -= gap
	whole := image.NewRGBA(image.Rectangle{Max: size})
	y := 0
	for _, f := range frames {
		draw.Draw(whole, f.Bounds().Add(image.Pt(0, y)), f, image.Point{}, draw.Src)
		y += f.Bounds().Dy() + gap
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, whole); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
