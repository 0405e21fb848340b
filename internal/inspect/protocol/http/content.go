package http

// Content undoes the content encoding of a body that does not travel in
// HTTP/1: HTTP/2 uses it. It keeps its memory from body to body and is for one
// goroutine.
type Content struct {
	// Failed is set when the body was not what its encoding says; it is handed
	// on as it came from there. Bomb is set when decoding was given up because
	// the body grew too much.
	Failed, Bomb bool

	layer       layer
	on          bool
	taken, made uint64
	out         func([]byte)
}

// NewContent makes a decoder that hands decoded bytes to out, which must not
// keep them.
func NewContent(out func([]byte)) *Content {
	c := &Content{out: out}
	c.layer.lzma = &lzmaReader{limit: defaults().lzmaMemory}
	c.layer.output = c.layer.emit
	c.layer.next = c.deliver
	c.layer.failed = func(bool) { c.Failed = true }
	return c
}

// Begin begins the next body. It is false, and bytes pass as they are, when
// name is no encoding that it knows: gzip, deflate or br.
func (c *Content) Begin(name []byte) bool {
	e := encodingNone
	switch {
	case equalFold(name, "gzip"), equalFold(name, "x-gzip"):
		e = encodingGzip
	case equalFold(name, "deflate"):
		e = encodingDeflate
	case equalFold(name, "br"):
		e = encodingBrotli
	}
	c.on, c.Failed, c.Bomb, c.taken, c.made = e != encodingNone, false, false, 0, 0
	c.layer.reset(e)
	return c.on
}

// Write takes the next bytes of the body as sent.
func (c *Content) Write(data []byte) {
	if !c.on {
		c.out(data)
		return
	}
	c.taken += uint64(len(data))
	if !c.Bomb {
		_ = c.layer.write(data) // the only error is that of deliver, which has set Bomb
	}
}

// End says that the body is whole.
func (c *Content) End() {
	if c.on && !c.Bomb {
		_ = c.layer.finish()
	}
	c.on = false
}

func (c *Content) deliver(b []byte) error {
	c.made += uint64(len(b))
	if c.made > bombFloor && c.made > bombRatio*c.taken {
		c.Bomb = true
		return errStop
	}
	c.out(b)
	return nil
}

// bombFloor is the decoded size below which a body is never a bomb.
const bombFloor = 1 << 20

// Inflate undoes raw DEFLATE that goes on from message to message (WebSocket,
// RFC 7692). The zero value is not ready: use NewInflate. It is for one
// goroutine.
type Inflate struct {
	inflater inflater
	out      func([]byte) error
	room     int
	to       []byte
}

// NewInflate makes a decoder.
func NewInflate() *Inflate {
	x := &Inflate{}
	x.out = x.take
	x.inflater.reset()
	return x
}

// Reset forgets what messages before have shown.
func (x *Inflate) Reset() { x.inflater.reset() }

// Append appends the decoded form of data, at most limit bytes of it, and says
// whether data made sense and kept within the limit.
func (x *Inflate) Append(dst, data []byte, limit int) ([]byte, bool) {
	x.to, x.room = dst, limit
	err := x.inflater.write(data, x.out)
	dst, x.to = x.to, nil
	return dst, err == nil
}

func (x *Inflate) take(b []byte) error {
	n := min(len(b), x.room)
	x.to = append(x.to, b[:n]...)
	x.room -= n
	if n < len(b) {
		return errStop
	}
	return nil
}
