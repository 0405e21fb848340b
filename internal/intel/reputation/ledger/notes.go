package ledger

// maxNotes bounds the different notes that are kept; a claim beyond them is kept
// without its note. maxNote is the longest, in bytes.
const (
	maxNotes = 1 << 16
	maxNote  = 64
)

// notes keeps each different note once.
type notes struct {
	of     map[string]uint32
	text   []string // by number; 0 is ""
	unused []uint32
	size   int
}

func newNotes() notes { return notes{of: map[string]uint32{}, text: []string{""}} }

func (n *notes) bytes() int { return n.size + 64*len(n.text) }

// put gives the number of a note and copies it when it is new.
func (n *notes) put(s string) uint32 {
	if s == "" {
		return 0
	}
	if len(s) > maxNote {
		s = s[:maxNote]
	}
	if i, ok := n.of[s]; ok {
		return i
	}
	if len(n.of) >= maxNotes {
		return 0
	}
	s = string(append([]byte(nil), s...))
	n.size += len(s)
	i := uint32(len(n.text))
	if k := len(n.unused); k > 0 {
		i, n.unused = n.unused[k-1], n.unused[:k-1]
		n.text[i] = s
	} else {
		n.text = append(n.text, s)
	}
	n.of[s] = i
	return i
}

// crowded says whether it is time to look which notes are still used.
func (n *notes) crowded() bool { return len(n.of) > maxNotes/4*3 }

// keep drops all notes that are not used.
func (n *notes) keep(used []bool) {
	for i := 1; i < len(n.text); i++ {
		if s := n.text[i]; s != "" && !used[i] {
			delete(n.of, s)
			n.size -= len(s)
			n.text[i] = ""
			n.unused = append(n.unused, uint32(i))
		}
	}
}
