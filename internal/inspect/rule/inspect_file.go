package rule

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// fileBytes is the name or kind of a file, nil while it has none; final says
// that it will not change.
func (in *Inspector) fileBytes(f *protocol.File, field protocol.Field) (v []byte, final bool) {
	over := f.State != protocol.FileOpen
	if field == protocol.FileName {
		if len(f.Name) == 0 {
			return nil, over
		}
		return f.Name, true
	}
	if f.Data.Offset > 0 {
		return nil, true
	}
	if len(f.Data.Data) == 0 {
		return nil, over
	}
	return in.kindOf(f.Data.Data), over || len(f.Data.Data) >= magicBytes
}

// fileStep matches the names or kinds of files; of several files one must match.
func (in *Inspector) fileStep(tx protocol.Tx, s *step, d packet.Direction, undecided answer) answer {
	files := tx.Files(d)
	for i, f := range files {
		v, _ := in.fileBytes(f, s.field)
		if v != nil && s.program.Match(in.changed(s.field, s.chain, d, i, v), 0, &in.state) {
			return yes
		}
	}
	if len(files) == 0 && undecided == no && s.program.MatchAbsent() {
		return yes
	}
	return undecided
}

// sizeStep compares sizes of files: once a file has ended, or before that when
// more bytes cannot make it false.
func (in *Inspector) sizeStep(tx protocol.Tx, s *step, d packet.Direction, undecided answer) answer {
	for _, f := range tx.Files(d) {
		if s.number.MatchOne(f.Size) && (f.State != protocol.FileOpen || s.number.MatchOne(^uint64(0))) {
			return yes
		}
		if f.State == protocol.FileOpen {
			undecided = wait
		}
	}
	return undecided
}

// filesStep asks all tests of a rule of each file.
func filesStep(tx protocol.Tx, s *step, d packet.Direction, undecided answer) answer {
	for _, f := range tx.Files(d) {
		all := yes
		for _, t := range s.file {
			if a := t.match(f); a != yes {
				all = a
			}
			if all == no {
				break
			}
		}
		switch all {
		case yes:
			return yes
		case wait:
			undecided = wait
		}
	}
	return undecided
}
