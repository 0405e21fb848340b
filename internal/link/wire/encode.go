package wire

import (
	"math"
	"net/netip"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

// AppendBatchEvent appends e as one element of a serialised EventBatch:
// batches are made by appending events one after the other. Texts and lists
// beyond the limits are cut, invalid UTF-8 is replaced, so that what is
// written is always accepted by Scan.
func AppendBatchEvent(b []byte, e *model.Event) []byte {
	return appendNested(b, 1, func(b []byte) []byte { return AppendEvent(b, e) })
}

// AppendEvent appends e as one Event message. The reporter is not written:
// the receiver knows it from the sender's certificate.
func AppendEvent(b []byte, e *model.Event) []byte {
	start := len(b)
	b = appendBytes(b, 1, e.ID[:])
	b = appendFixed(b, 2, unixNano(e.Time))
	if !e.Last.IsZero() && !e.Time.IsZero() {
		b = appendVarint(b, 3, protowire.EncodeZigZag(int64(e.Last.Sub(e.Time))))
	}
	b = appendText(b, 4, string(e.Device), MaxShort)
	b = appendVarint(b, 5, uint64(e.Layer))
	b = appendText(b, 6, string(e.Kind), MaxShort)
	b = appendVarint(b, 7, uint64(e.Severity))
	b = appendText(b, 8, e.Subject, MaxText)
	b = appendText(b, 9, e.Rule, MaxShort)
	b = appendVarint(b, 10, uint64(e.Count))
	b = appendText(b, 12, e.Explanation, MaxText)
	b = appendText(b, 13, e.Advice, MaxText)
	b = appendText(b, 14, e.Technique, MaxShort)
	switch {
	case e.Flood != nil:
		b = appendNested(b, 15, func(b []byte) []byte { return appendFlood(b, e.Flood) })
	case e.Process != nil:
		b = appendNested(b, 16, func(b []byte) []byte { return appendProcess(b, e.Process) })
	case e.File != nil:
		b = appendNested(b, 17, func(b []byte) []byte { return appendFile(b, e.File) })
	}
	for i := range e.Observables[:min(len(e.Observables), MaxList)] {
		o := &e.Observables[i]
		if len(b)-start+len(o.Value) > MaxEventBytes-2*MaxText {
			break // the event is full; what it is about has been written
		}
		b = appendNested(b, 11, func(b []byte) []byte {
			b = appendText(b, 1, string(o.Type), MaxShort)
			return appendText(b, 2, o.Value, MaxText)
		})
	}
	return b
}

func appendFlood(b []byte, f *model.FloodEvidence) []byte {
	b = appendText(b, 1, string(f.Vector), MaxShort)
	b = appendNested(b, 2, func(b []byte) []byte { return appendShape(b, &f.Shape) })
	b = appendDouble(b, 3, f.PPS)
	b = appendDouble(b, 4, f.BPS)
	b = appendDouble(b, 5, f.BaselinePPS)
	b = appendVarint(b, 6, f.Packets)
	b = appendVarint(b, 7, uint64(f.Sources))
	if f.Process != nil {
		b = appendNested(b, 8, func(b []byte) []byte { return appendProcess(b, f.Process) })
	}
	return b
}

func appendShape(b []byte, s *model.Shape) []byte {
	b = appendVarint(b, 1, uint64(s.Proto))
	if s.Dst.IsValid() {
		b = appendBytes(b, 2, s.Dst.Addr().AsSlice())
		b = appendVarint(b, 3, uint64(s.Dst.Bits()))
	}
	b = appendVarint(b, 4, uint64(s.DstPort))
	b = appendVarint(b, 5, uint64(s.SrcPort))
	b = appendVarint(b, 6, uint64(s.LenMin))
	b = appendVarint(b, 7, uint64(s.LenMax))
	b = appendVarint(b, 8, uint64(s.TCPFlags))
	b = appendVarint(b, 9, uint64(s.TCPMask))
	return appendBool(b, 10, s.Spoofed)
}

// maxArgBytes bounds all arguments of one process together, so that a long
// command line cannot make an event too large.
const maxArgBytes = 16 << 10

func appendProcess(b []byte, p *model.ProcessEvidence) []byte {
	b = appendVarint(b, 1, uint64(p.PID))
	b = appendVarint(b, 2, p.Start)
	b = appendText(b, 3, p.Path, MaxText)
	b = appendText(b, 4, p.SHA256, MaxShort)
	room := maxArgBytes
	for _, a := range p.Args[:min(len(p.Args), MaxList)] {
		n := len(b)
		b = appendTextAlways(b, 5, a, min(MaxText, room))
		if room -= len(b) - n; room <= 0 {
			break
		}
	}
	b = appendVarint(b, 6, uint64(p.UID))
	b = appendVarint(b, 7, uint64(p.ParentPID))
	b = appendText(b, 8, p.ParentPath, MaxText)
	for _, r := range p.Remotes[:min(len(p.Remotes), MaxList)] {
		b = protowire.AppendTag(b, 9, protowire.BytesType)
		at := len(b)
		b = append(b, 0) // an address and port as text is under 128 bytes
		b = appendRemote(b, r)
		b[at] = byte(len(b) - at - 1)
	}
	return b
}

func appendRemote(b []byte, r netip.AddrPort) []byte {
	if len(r.Addr().Zone()) > 32 {
		r = netip.AddrPortFrom(r.Addr().WithZone(""), r.Port())
	}
	return r.AppendTo(b)
}

func appendFile(b []byte, f *model.FileEvidence) []byte {
	b = appendText(b, 1, f.Path, MaxText)
	b = appendText(b, 2, f.Change, MaxShort)
	b = appendText(b, 3, f.SHA256, MaxShort)
	b = appendText(b, 4, f.Was, MaxShort)
	b = appendVarint(b, 5, uint64(f.Size))
	b = appendVarint(b, 6, uint64(f.PID))
	return appendText(b, 7, f.By, MaxText)
}

// appendNested writes a message field whose length is known only after its
// content: two bytes are kept for the length, which reaches 16 kB, and the
// content is moved by one where it is longer.
func appendNested(b []byte, num protowire.Number, content func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	at := len(b)
	b = append(b, 0)
	b = content(b)
	n := len(b) - at - 1
	size := protowire.SizeVarint(uint64(n))
	if size > 1 {
		b = append(b, make([]byte, size-1)...)
		copy(b[at+size:], b[at+1:at+1+n])
	}
	protowire.AppendVarint(b[:at], uint64(n))
	return b
}

func appendVarint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendFixed(b []byte, num protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), uint64(v))
}

func appendDouble(b []byte, num protowire.Number, v float64) []byte {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), math.Float64bits(v))
}

func appendBool(b []byte, num protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return appendVarint(b, num, 1)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func appendText(b []byte, num protowire.Number, s string, limit int) []byte {
	if s == "" {
		return b
	}
	return appendTextAlways(b, num, s, limit)
}

func appendTextAlways(b []byte, num protowire.Number, s string, limit int) []byte {
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), clip(s, limit))
}

// clip cuts s to at most limit bytes of valid UTF-8.
func clip(s string, limit int) string {
	if !utf8.ValidString(s) {
		s = string([]rune(s[:min(len(s), limit+utf8.UTFMax)])) // each broken byte becomes U+FFFD
	}
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromUnixNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
