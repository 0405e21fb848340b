package mime

// Of some things a message has several: these are kept in lists.
const (
	listURL = iota
	listReceived
	listAttachment
	numLists
)

// list is a bounded list of byte strings in one slice.
type list struct {
	data []byte
	ends []int
}

func (l *list) reset() { l.data, l.ends = l.data[:0], l.ends[:0] }

func (l *list) add(v []byte) {
	if len(l.ends) >= maxKept {
		return
	}
	l.data = append(l.data, v...)
	l.ends = append(l.ends, len(l.data))
}

func (l *list) at(i int) ([]byte, bool) {
	if i < 0 || i >= len(l.ends) {
		return nil, false
	}
	from := 0
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.data[from:l.ends[i]], true
}

// URL is the i-th URL found in the text.
func (m *Reader) URL(i int) ([]byte, bool) { return m.lists[listURL].at(i) }

// Received is the i-th Received header.
func (m *Reader) Received(i int) ([]byte, bool) { return m.lists[listReceived].at(i) }

// Attachment is the name of the i-th attachment.
func (m *Reader) Attachment(i int) ([]byte, bool) { return m.lists[listAttachment].at(i) }
