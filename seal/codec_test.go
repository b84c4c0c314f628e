package seal_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-go/session/seal"
)

func deflate(t testing.TB, plaintext []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(plaintext)
	w.Close()
	return buf.Bytes()
}

func TestFlateShortensAndOpensEverywhere(t *testing.T) {
	plain := box(t)
	packs := *plain
	packs.Codec = seal.Flate
	for _, plaintext := range [][]byte{
		nil,
		[]byte("short"),
		[]byte(strings.Repeat(`{"sku":"bread","count":2},`, 150)),
		bytes.Repeat([]byte{0}, 64<<10),
	} {
		text := mustSeal(t, &packs, plaintext)
		if len(plaintext) > 1000 && len(text) > seal.SealedLen(len(plaintext))/2 {
			t.Errorf("%d bytes are sealed in %d characters", len(plaintext), len(text))
		}
		for _, b := range []*seal.Box{plain, &packs} {
			if got, _, err := b.Open(text); err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("opened %d bytes of %d, %v", len(got), len(plaintext), err)
			}
		}
	}
}

func TestWhatDoesNotShrinkIsSealedAsItIs(t *testing.T) {
	b := box(t)
	b.Codec = seal.Flate
	noise := seal.NewKey().Secret()
	for range 5 {
		noise = append(noise, seal.NewKey().Secret()...)
	}
	if got, want := len(mustSeal(t, b, noise)), seal.SealedLen(len(noise)); got != want {
		t.Errorf("%d characters, want %d", got, want)
	}
}

// A bomb ends at the limit, in time and in memory.
func TestABombIsAnError(t *testing.T) {
	b := box(t)
	bomb := seal.Pad(1, deflate(t, make([]byte, 8<<20))) // 8 KB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := b.OpenContent(bomb)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, seal.ErrCompression) {
		t.Errorf("got %v, want %v", err, seal.ErrCompression)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("took %d bytes", took)
	}
}

func TestContentsThatDoNotDecompress(t *testing.T) {
	b := box(t)
	good := deflate(t, []byte(strings.Repeat("good ", 50)))
	for _, test := range []struct {
		name string
		body []byte
		id   byte
	}{
		{"nothing", nil, 1},
		{"cut short", good[:len(good)-3], 1},
		{"something follows", append(bytes.Clone(good), 'x'), 1},
		{"reserved block type", []byte{0x07}, 1},
		{"a codec of the format's future", good, 2},
		{"a codec of somebody's own", good, 200},
		{"one byte over the limit", deflate(t, make([]byte, 64<<10+1)), 1},
	} {
		if _, err := b.OpenContent(seal.Pad(test.id, test.body)); !errors.Is(err, seal.ErrCompression) {
			t.Errorf("%s: %v, want %v", test.name, err, seal.ErrCompression)
		}
	}
	if got, err := b.OpenContent(seal.Pad(1, deflate(t, make([]byte, 64<<10)))); err != nil || len(got) != 64<<10 {
		t.Errorf("exactly the limit: %d bytes, %v", len(got), err)
	}
}

// halves "compresses" runs of one byte; it declines when told so, and does not
// mind the limit.
type halves struct {
	id       byte
	declines bool
}

func (c halves) ID() byte { return c.id }

func (c halves) Compress(dst, src []byte) ([]byte, bool) {
	return append(dst, byte(len(src)>>8), byte(len(src)), src[0]), !c.declines
}

func (halves) Decompress(dst, src []byte, _ int) ([]byte, error) {
	if len(src) != 3 {
		return dst, errors.New("not three bytes")
	}
	return append(dst, bytes.Repeat(src[2:], int(src[0])<<8|int(src[1]))...), nil
}

func TestACodecOfYourOwn(t *testing.T) {
	plaintext := bytes.Repeat([]byte("x"), 1000)
	b := box(t)
	b.Codec = halves{id: 200}
	text := mustSeal(t, b, plaintext)
	if len(text) != seal.SealedLen(3) {
		t.Errorf("%d characters, want %d", len(text), seal.SealedLen(3))
	}
	if got, _, err := b.Open(text); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("opened %q, %v", got, err)
	}
	if _, _, err := box(t).Open(text); !errors.Is(err, seal.ErrCompression) {
		t.Errorf("without the codec: %v, want %v", err, seal.ErrCompression)
	}
	other := box(t)
	other.Codec = halves{id: 201}
	if _, _, err := other.Open(text); !errors.Is(err, seal.ErrCompression) {
		t.Errorf("with another codec: %v, want %v", err, seal.ErrCompression)
	}
	if got, _, err := box(t).Open(mustSeal(t, b, plaintext[:126])); err != nil || len(got) != 126 {
		t.Errorf("what fills one block was compressed, though it takes one still: %v", err)
	}
	b.Limit = 999
	if _, _, err := b.Open(text); !errors.Is(err, seal.ErrCompression) {
		t.Errorf("beyond the limit: %v, want %v", err, seal.ErrCompression)
	}
	b.Limit, b.Codec = 0, halves{id: 200, declines: true}
	if got, _, err := b.Open(text); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("one that declines opened %q, %v", got, err)
	}
	if got := len(mustSeal(t, b, plaintext)); got != seal.SealedLen(1000) {
		t.Errorf("declined, and still %d characters", got)
	}
	for _, id := range []byte{0, 1, 127} {
		b.Codec = halves{id: id}
		if _, err := b.Seal(noon, plaintext); err == nil || !strings.Contains(err.Error(), "reserved") {
			t.Errorf("ID %d: %v", id, err)
		}
	}
}

func TestACodecWithAReservedIDOpensNothing(t *testing.T) {
	b := box(t)
	b.Codec = halves{id: 5}
	plaintext, err := b.OpenContent(seal.Pad(5, []byte{0, 1, 'x'}))
	if !errors.Is(err, seal.ErrCompression) {
		t.Errorf("got %q, %v, want ErrCompression", plaintext, err)
	}
}
