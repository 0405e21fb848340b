// Package line cuts a stream into lines across calls, within a bound, and
// compares them without regard to case. It knows CR and LF and nothing of what
// lines mean. The parsers of line protocols (SMTP, FTP, POP3, IMAP) use it.
package line

import "bytes"

// Ending says how a line ended.
type Ending uint8

// The endings.
const (
	Cut  Ending = iota // it did not: the line is longer than the bound, more of it follows
	LF                 // with LF alone
	CRLF               // with CR LF
)

// Len is the number of bytes of the ending.
func (e Ending) Len() int { return int(e) }

// Reader holds the beginning of a line until its end comes. The zero value is
// ready. It is not safe for concurrent use.
type Reader struct {
	kept []byte
	used bool // kept was handed out and must be emptied
}

// Reset forgets what is held and keeps the memory.
func (r *Reader) Reset() { r.kept, r.used = r.kept[:0], false }

// Held is the number of bytes held of a line that has not ended.
func (r *Reader) Held() int {
	if r.used {
		return 0
	}
	return len(r.kept)
}

// Rest hands out what is held and forgets it: the last line of a stream that
// ended without LF. It is valid until the next call.
func (r *Reader) Rest() []byte {
	if r.used {
		return nil
	}
	r.used = true
	return r.kept
}

// Next takes the next line off data, without its ending. When there is none
// whole it keeps data for the next call and ok is false; a line longer than
// limit bytes is handed out in pieces that end with Cut. The line is valid until
// the next call; rest is what remains of data.
func (r *Reader) Next(data []byte, limit int) (text []byte, end Ending, rest []byte, ok bool) {
	if r.used {
		r.kept, r.used = r.kept[:0], false
	}
	i := bytes.IndexByte(data, '\n')
	if i < 0 || len(r.kept)+i > limit {
		return r.unended(data, i, limit)
	}
	text, rest = data[:i], data[i+1:]
	if len(r.kept) > 0 {
		r.kept = append(r.kept, text...)
		text, r.used = r.kept, true
	}
	if n := len(text); n > 0 && text[n-1] == '\r' {
		return text[:n-1], CRLF, rest, true
	}
	return text, LF, rest, true
}

// unended keeps data, or hands out limit bytes of a line that is too long. A CR
// at the end of such a piece waits for the LF that may follow.
func (r *Reader) unended(data []byte, lf, limit int) ([]byte, Ending, []byte, bool) {
	n := len(data)
	if lf >= 0 {
		n = lf
	}
	if len(r.kept)+n <= limit {
		r.kept = append(r.kept, data...)
		return nil, Cut, nil, false
	}
	take := limit - len(r.kept)
	if take > 0 && data[take-1] == '\r' {
		take--
	}
	take = min(max(take, 0), n)
	if len(r.kept) == 0 {
		if take == 0 {
			take = 1
		}
		return data[:take], Cut, data[take:], true
	}
	r.kept = append(r.kept, data[:take]...)
	r.used = true
	return r.kept, Cut, data[take:], true
}
