package state

// Compressed is the kind of an entry whose value is compressed. Such entries are in
// packed copies alone: no store has one, and Check refuses it.
const Compressed Flags = 3

// FormatPacked is the first byte of a packed copy.
const FormatPacked = 2

// Pack returns e as it stands in a packed copy, with body in the place of its value.
func (e Entry) Pack(body []byte) Entry {
	e.Flags = e.Flags&^kindMask | Compressed
	e.Value = body
	return e
}

// EncodePacked returns the plaintext of a sealed copy that has packed in the place of
// its entries. Otherwise it is like Encode.
func (c Copy) EncodePacked(packed Entries) []byte {
	c.State.Entries = packed
	out := c.Encode()
	out[0] = FormatPacked
	return out
}

// Unpack returns the value of a name that a body stands for, of no more than most bytes.
type Unpack func(name, body []byte, most int) ([]byte, error)

// DecodePacked returns the copy that Encode or EncodePacked made b of. Its state may
// keep b. All entries together have no more than most bytes. The error is DecodeCopy's,
// or unpack's.
func DecodePacked(b []byte, most int, unpack Unpack) (Copy, error) {
	if len(b) == 0 || b[0] != FormatPacked {
		return DecodeCopy(b)
	}
	c, rest, err := decodeHead(b)
	if err != nil {
		return Copy{}, err
	}
	c.State, err = decode(rest, func(l Entries) (Entries, error) { return l.unpack(most, unpack) })
	switch {
	case err != nil:
		return Copy{}, err
	case c.State.Dead():
		return Copy{}, ErrCorrupt
	}
	return c, nil
}

// unpack returns l with values in the place of their bodies. It is for entries that have
// not passed Check.
func (l Entries) unpack(most int, unpack Unpack) (Entries, error) {
	out := make(Entries, 0, 2*len(l))
	for len(l) > 0 {
		e, rest, ok := l.Cut()
		if ok && e.Flags.Kind() == Compressed {
			e.Value, rest, ok = cutBytes(rest)
		}
		if !ok {
			return nil, ErrCorrupt
		}
		if e.Flags.Kind() == Compressed {
			value, err := unpack(e.Name, e.Value, most-len(out))
			if err != nil {
				return nil, err
			}
			e.Flags, e.Value = e.Flags&^kindMask|Present, value
			out = e.Append(out)
		} else {
			out = append(out, e.Raw...)
		}
		if len(out) > most {
			return nil, ErrCorrupt
		}
		l = rest
	}
	return out, nil
}
