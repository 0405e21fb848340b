package smb

// Bounds of what is kept of a file that passes out of order.
const maxQueued = 4 << 20

// chunk is a part of a file that came early.
type chunk struct {
	offset uint64
	data   []byte
}

// queue keeps such parts until what lies before them has come.
type queue struct {
	chunks []chunk
	size   int
}

func (q *queue) reset() { q.chunks, q.size = q.chunks[:0], 0 }

// add keeps a part, false when there is no room for it.
func (q *queue) add(offset uint64, data []byte) bool {
	if q.size+len(data) > maxQueued {
		return false
	}
	n := len(q.chunks)
	if n < cap(q.chunks) {
		q.chunks = q.chunks[:n+1]
	} else {
		q.chunks = append(q.chunks, chunk{})
	}
	c := &q.chunks[n]
	c.offset, c.data = offset, append(c.data[:0], data...)
	q.size += len(data)
	return true
}

// next takes the part with the lowest offset.
func (q *queue) next() (chunk, bool) {
	if len(q.chunks) == 0 {
		return chunk{}, false
	}
	best := 0
	for i := range q.chunks {
		if q.chunks[i].offset < q.chunks[best].offset {
			best = i
		}
	}
	last := len(q.chunks) - 1
	q.chunks[best], q.chunks[last] = q.chunks[last], q.chunks[best]
	c := q.chunks[last]
	q.chunks = q.chunks[:last]
	q.size -= len(c.data)
	return c, true
}

// lowest is the offset of the part with the lowest.
func (q *queue) lowest() (uint64, bool) {
	if len(q.chunks) == 0 {
		return 0, false
	}
	low := q.chunks[0].offset
	for _, c := range q.chunks {
		low = min(low, c.offset)
	}
	return low, true
}
