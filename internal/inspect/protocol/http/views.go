package http

// views are normalised forms of a header block, built when first asked for.
type views struct {
	fields, names, start, each []byte
	starts                     []uint32 // where each field begins in each
	fieldsDone, namesDone      int      // fields in the view + 1
	startDone, eachDone        int
}

func (v *views) reset() {
	v.fields, v.names, v.start, v.each, v.starts = empty(v.fields), empty(v.names), empty(v.start), empty(v.each), v.starts[:0]
	v.fieldsDone, v.namesDone, v.startDone, v.eachDone = 0, 0, 0, 0
}

// stale says whether a view was built of fewer fields than there are now:
// trailers add some.
func (m *message) stale(done *int) bool {
	n := len(m.headers.list) + m.headers.reps + 1
	if *done == n {
		return false
	}
	*done = n
	return true
}

func (m *message) appendField(dst []byte, h *header) []byte {
	dst = append(dst, m.headers.bytes(h.name)...)
	dst = append(dst, ": "...)
	return append(dst, m.headers.bytes(h.value)...)
}

// fieldsView is http.header: every field but cookies, one a line.
func (m *message) fieldsView() ([]byte, bool) {
	v := &m.built
	if m.stale(&v.fieldsDone) {
		v.fields = v.fields[:0]
		for i := range m.headers.list {
			h := &m.headers.list[i]
			if h.known == knownCookie && m.dir == 0 || h.known == knownSetCookie && m.dir == 1 {
				continue
			}
			v.fields = append(m.appendField(v.fields, h), crlf...)
		}
	}
	return present(v.fields)
}

// namesView is http.header_names: every name on a line of its own, between
// empty lines.
func (m *message) namesView() ([]byte, bool) {
	v := &m.built
	if m.stale(&v.namesDone) {
		v.names = append(v.names[:0], crlf...)
		for i := range m.headers.list {
			v.names = append(append(v.names, m.headers.bytes(m.headers.list[i].name)...), crlf...)
		}
		v.names = append(v.names, crlf...)
	}
	return v.names, len(m.headers.list) > 0
}

// startView is http.start: the first line and the fields as they were understood.
func (m *message) startView() ([]byte, bool) {
	line := chompLine(m)
	if line == nil || len(m.headers.list) == 0 {
		return nil, false
	}
	v := &m.built
	if m.stale(&v.startDone) {
		v.start = append(append(v.start[:0], line...), crlf...)
		for i := range m.headers.list {
			v.start = append(m.appendField(v.start, &m.headers.list[i]), crlf...)
		}
		v.start = append(v.start, crlf...)
	}
	return v.start, true
}

// nth is the i-th field as "Name: value".
func (m *message) nth(i int) ([]byte, bool) {
	if i < 0 || i >= len(m.headers.list) {
		return nil, false
	}
	v := &m.built
	if m.stale(&v.eachDone) {
		v.each, v.starts = v.each[:0], v.starts[:0]
		for j := range m.headers.list {
			v.starts = append(v.starts, uint32(len(v.each)))
			v.each = m.appendField(v.each, &m.headers.list[j])
		}
		v.starts = append(v.starts, uint32(len(v.each)))
	}
	return v.each[v.starts[i]:v.starts[i+1]], true
}
