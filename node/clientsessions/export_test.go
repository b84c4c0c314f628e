package clientsessions

// SetIV has c use one initialisation vector.
func (c *Codec) SetIV(iv []byte) { c.randomIV = func(b []byte) { copy(b, iv) } }
