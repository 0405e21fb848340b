package feed

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
)

// maxFeedEvents is how many events a MISP feed may have.
const maxFeedEvents = 1_000_000

// MISPEvent is what a MISP feed's manifest.json says of one event.
type MISPEvent struct {
	UUID      string // lower case; the event is in the file UUID.json beside the manifest
	Info      string // at most 64 bytes
	Owner     string // organisation that made it; at most 64 bytes
	Timestamp uint32 // of its last change, seconds since 1970
}

// MISPManifest reads the manifest.json of a MISP feed, an object of events by UUID,
// and yields each event until yield returns false. Entries whose key is no UUID
// are errors, because the caller makes a file name of it. It keeps one entry at a
// time.
func MISPManifest(r io.Reader, yield func(MISPEvent) bool) error {
	p := newPieces(r)
	if err := p.Object(); err != nil {
		return fmt.Errorf("not a manifest: %w", err)
	}
	for n := 1; ; n++ {
		p.object()
		key, ok, err := p.Key()
		if !ok {
			return err
		}
		if n > maxFeedEvents {
			return fmt.Errorf("more than %d events in the manifest", maxFeedEvents)
		}
		uuid, ok := uuidOf(string(key))
		if !ok {
			return fmt.Errorf("event %d of the manifest: %.40q is not a UUID", n, key)
		}
		e := MISPEvent{UUID: uuid}
		if err := p.event(&e); err != nil {
			return err
		}
		if !yield(e) {
			return nil
		}
	}
}

// event reads what a manifest says of one event. What has a wrong form is left out.
func (p *pieces) event(e *MISPEvent) error {
	var info, owner, stamp []byte
	err := p.members("event", func(name []byte) error {
		switch string(name) {
		case "info":
			return p.text("info", &info)
		case "timestamp":
			return p.loose("timestamp", &stamp)
		case "Orgc":
			return p.members("Orgc", func(name []byte) error {
				if string(name) == "name" {
					return p.text("Orgc.name", &owner)
				}
				return p.Skip()
			})
		}
		return p.Skip()
	})
	e.Info, e.Owner, e.Timestamp = note(string(info)), note(string(owner)), when(stamp)
	return err
}

// MISPHashes reads the hashes.csv of a MISP feed, lines of "MD5 of an attribute's
// value,UUID of its event", and yields each until yield returns false. With it a
// value can be looked for without fetching the events. A line that is neither is
// an error with its number.
func MISPHashes(r io.Reader, yield func(value [16]byte, event string) bool) error {
	in := bufio.NewReaderSize(r, 4096)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("line %d of the hashes: %w", n, err)
		}
		if n > DefaultMaxEntries {
			return fmt.Errorf("more than %d hashes", DefaultMaxEntries)
		}
		if line = trim(line); len(line) == 0 {
			continue
		}
		var value [16]byte
		event, ok := "", false
		if len(line) > 33 && line[32] == ',' {
			if _, err := hex.Decode(value[:], line[:32]); err == nil {
				event, ok = uuidOf(string(trim(line[33:])))
			}
		}
		if !ok {
			return fmt.Errorf("line %d of the hashes: write the MD5 of a value, a comma and the UUID of its event", n)
		}
		if !yield(value, event) {
			return nil
		}
	}
}

// uuidOf brings a UUID into lower case; ok is false for anything else.
func uuidOf(s string) (string, bool) {
	b := []byte(s)
	if len(b) != 36 {
		return "", false
	}
	for i, ch := range b {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if ch != '-' {
				return "", false
			}
		case ch >= 'A' && ch <= 'F':
			b[i] = ch + 'a' - 'A'
		case (ch < '0' || ch > '9') && (ch < 'a' || ch > 'f'):
			return "", false
		}
	}
	return string(b), true
}
