package seal

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Codec compresses what a Box seals. Its methods are called concurrently.
type Codec interface {
	// ID is written beside what the codec compressed, so that it is opened
	// with the same one: between 128 and 255 for a codec of your own.
	ID() byte

	// Compress appends src, compressed, to dst. It declines with false, and
	// then src is sealed as it is: a codec that always declines can be brought
	// to every instance before the first one compresses.
	Compress(dst, src []byte) ([]byte, bool)

	// Decompress appends the original of src to dst. It fails instead of
	// appending more than limit bytes. Its error becomes part of Open's, so it
	// must not quote its input.
	Decompress(dst, src []byte, limit int) ([]byte, error)
}

const (
	codecNone  = 0
	codecFlate = 1
	codecOwn   = 128 // and above
)

// Flate is DEFLATE (RFC 1951) from the standard library, at its fastest
// level. A Box opens what it compressed whether or not it has a Codec.
var Flate Codec = flateCodec{}

type flateCodec struct{}

var (
	flateWriters = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.BestSpeed)
		if err != nil {
			panic(err) // only for another level
		}
		return &flateWriter{Writer: w}
	}}
	flateReaders = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

func (flateCodec) ID() byte { return codecFlate }

// flateWriter is a writer and the buffer that it writes into.
type flateWriter struct {
	*flate.Writer
	out bytes.Buffer
}

func (flateCodec) Compress(dst, src []byte) ([]byte, bool) {
	w := flateWriters.Get().(*flateWriter)
	defer func() {
		w.out = bytes.Buffer{} // dst is the caller's
		flateWriters.Put(w)
	}()
	w.out = *bytes.NewBuffer(dst)
	w.Reset(&w.out)
	if _, err := w.Write(src); err != nil {
		return dst, false
	}
	if err := w.Close(); err != nil {
		return dst, false
	}
	return w.out.Bytes(), true
}

var (
	errBomb     = errors.New("larger than the limit")
	errTrailing = errors.New("something follows the compressed data")
)

func (flateCodec) Decompress(dst, src []byte, limit int) ([]byte, error) {
	in := bytes.NewReader(src)
	r := flateReaders.Get().(io.ReadCloser)
	defer flateReaders.Put(r)
	if err := r.(flate.Resetter).Reset(in, nil); err != nil {
		return dst, err
	}
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			// Grow as append does, but not far beyond what may come.
			grown := make([]byte, len(dst), start+min(limit+1, max(4*len(src), 2*(len(dst)-start), 512)))
			copy(grown, dst)
			dst = grown
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst)-start > limit:
			return dst[:start], errBomb
		case err == io.EOF && in.Len() > 0:
			return dst[:start], errTrailing
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst[:start], err
		}
	}
}

// compress returns what to seal and the codec that it takes to open it:
// plaintext itself, unless a block less needs to be sent.
func (b *Box) compress(plaintext []byte) (id byte, body []byte, err error) {
	if b.Codec == nil {
		return codecNone, plaintext, nil
	}
	id = b.Codec.ID()
	if id < codecOwn && b.Codec != (flateCodec{}) {
		return 0, nil, fmt.Errorf("seal: Codec has ID %d, which is reserved; choose one between %d and 255", id, codecOwn)
	}
	body, ok := b.Codec.Compress(make([]byte, 0, len(plaintext)), plaintext)
	if !ok || paddedLen(len(body)) >= paddedLen(len(plaintext)) {
		return codecNone, plaintext, nil
	}
	return id, body, nil
}

// decompress undoes compress.
func (b *Box) decompress(id byte, body []byte) ([]byte, error) {
	var codec Codec
	switch {
	case id == codecNone:
		if len(body) > b.limit() {
			return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(body), b.limit())
		}
		return body, nil
	case id == codecFlate:
		codec = flateCodec{}
	case id >= codecOwn && b.Codec != nil && b.Codec.ID() == id:
		codec = b.Codec
	default:
		return nil, fmt.Errorf("%w: codec %d is not known here", ErrCompression, id)
	}
	plaintext, err := codec.Decompress(nil, body, b.limit())
	if err == nil && len(plaintext) > b.limit() {
		err = errBomb
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCompression, err)
	}
	return plaintext, nil
}
