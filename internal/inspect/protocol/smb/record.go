package smb

import (
	"bytes"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

func appendUint(dst []byte, v uint64) []byte { return strconv.AppendUint(dst, v, 10) }

// AppendEve appends the record of the transaction.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	var text [64]byte
	o.Begin()
	o.Uint("id", t.inspection.Number+1)
	o.Text("dialect", t.dialect.append(text[:0]))
	if t.version != 0 {
		o.Str("command", commandName(t.version, t.command))
	}
	if t.answered {
		if name := statusName(t.status); name != "" {
			o.Str("status", name)
		}
		o.Text("status_code", strconv.AppendUint(append(text[:0], "0x"...), uint64(t.status), 16))
	}
	o.Uint("session_id", t.session)
	o.Uint("tree_id", uint64(t.tree))
	t.writeKind(&o)
	o.End()
	return o.B
}

// writeKind writes what is particular to the kind of the transaction.
func (t *Tx) writeKind(o *eve.Object) {
	switch t.kind {
	case kindNegotiate:
		t.negotiation.write(o)
	case kindSession:
		t.auth.write(o)
	case kindTree:
		t.connect.write(o)
	case kindCreate:
		t.create.write(o)
	case kindFile:
		o.Text("filename", t.create.name)
		o.Text("share", t.create.share)
		t.writeID(o)
	case kindCall:
		o.BeginObject("dcerpc")
		t.call.Write(o)
		o.End()
	case kindIoctl:
		writeFunction(o, t.function)
	case kindRename:
		o.BeginObject("rename")
		o.Text("from", t.create.name)
		o.Text("to", t.to)
		o.End()
	case kindSetInfo:
		if t.create.deletes {
			o.Str("disposition", "DELETE")
		}
		o.Text("filename", t.create.name)
		o.BeginObject("set_info")
		o.Str("class", "FILE_INFO")
		o.Str("info_level", "SMB2_FILE_DISPOSITION_INFO")
		o.End()
	}
}

func (n *negotiation) write(o *eve.Object) {
	o.BeginArray("client_dialects")
	for rest := n.dialects; len(rest) > 0; {
		end := bytes.IndexByte(rest, 0)
		if end < 0 {
			break
		}
		o.ItemText(rest[:end])
		rest = rest[end+1:]
	}
	o.EndArray()
	var text [36]byte
	if n.hasClient {
		o.Text("client_guid", appendGUID(text[:0], n.clientGUID))
	}
	if n.hasServer {
		o.Text("server_guid", appendGUID(text[:0], n.server))
	}
	if n.hasSizes {
		o.Uint("max_read_size", uint64(n.maxRead))
		o.Uint("max_write_size", uint64(n.maxWrite))
	}
}

const hexDigits = "0123456789abcdef"

// appendGUID writes 16 bytes as eve.json does: little-endian numbers of 4, 2, 2,
// 2, 2 and 4 bytes.
func appendGUID(dst []byte, id [16]byte) []byte {
	for _, span := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 12}, {12, 16}} {
		if span[0] > 0 && span[0] < 12 {
			dst = append(dst, '-')
		}
		for i := span[1] - 1; i >= span[0]; i-- {
			dst = append(dst, hexDigits[id[i]>>4], hexDigits[id[i]&15])
		}
	}
	return dst
}

func (c *connect) write(o *eve.Object) {
	key := "share"
	if c.pipe {
		key = "named_pipe"
	}
	o.Text(key, c.share)
	if len(c.request) > 0 || len(c.response) > 0 {
		o.BeginObject("service")
		if len(c.request) > 0 {
			o.Text("request", c.request)
		}
		if len(c.response) > 0 {
			o.Text("response", c.response)
		}
		o.End()
		return
	}
	switch c.kind {
	case 1:
		o.Str("share_type", "FILE")
	case 2:
		o.Str("share_type", "PIPE")
	case 3:
		o.Str("share_type", "PRINT")
	default:
		o.Str("share_type", "UNKNOWN")
	}
}

func (c *create) write(o *eve.Object) {
	if len(c.name) == 0 {
		o.Str("filename", "<share_root>")
	} else {
		o.Text("filename", c.name)
	}
	o.Str("disposition", dispositionName(c.disposition))
	access := "normal"
	if c.deletes {
		access = "delete on close"
	}
	o.Str("access", access)
	for i, key := range [...]string{"created", "accessed", "modified", "changed"} {
		o.Uint(key, unixTime(c.times[i]))
	}
	o.Uint("size", c.size)
	var text [36]byte
	o.Text("fuid", appendFUID(text[:0], c.id, c.hasID))
}

// writeID writes the identity of the file.
func (t *Tx) writeID(o *eve.Object) {
	var text [36]byte
	o.Text("fuid", appendFUID(text[:0], t.create.id, t.create.hasID))
}

// appendFUID writes a file's identity: two numbers of 64 bits in SMB 2, the
// number of 16 bits in SMB 1.
func appendFUID(dst []byte, id [16]byte, valid bool) []byte {
	if !valid {
		return dst
	}
	if r := record(id[:]); r.u32(2) == 0 && r.u64(6) == 0 && r.u32(12) == 0 {
		return strconv.AppendUint(dst, uint64(r.u16(0)), 16)
	}
	return appendGUID(dst, id)
}

// unixTime turns hundreds of nanoseconds since 1601 into seconds since 1970.
func unixTime(v uint64) uint64 {
	const between = 116444736000000000
	if v < between {
		return 0
	}
	return (v - between) / 10000000
}
