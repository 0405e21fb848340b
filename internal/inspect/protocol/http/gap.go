package http

// gap ends decoding: after a hole nothing of a compressed body can be undone.
func (x *decoder) gap() {
	if x.used > 0 {
		x.stop = true
	}
}

// bodyGap notes that n bytes of the body are missing.
func (m *message) bodyGap(n uint64) {
	if n == 0 {
		return
	}
	m.openBody()
	m.decoded += n
	m.body.Gap(n)
	m.at += n
	if m.tx.multipart.active {
		m.tx.multipart.gap(n)
	}
}
