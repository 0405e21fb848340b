package smb

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

// le makes little-endian bytes: sized numbers, strings as UTF-16, bytes as they are.
func le(values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, v)
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, v)
		case uint64:
			b = binary.LittleEndian.AppendUint64(b, v)
		case string:
			for _, c := range v {
				b = binary.LittleEndian.AppendUint16(b, uint16(c))
			}
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

type bs = []byte

// message makes a whole message of SMB 2.
func message(command uint16, id uint64, tree uint32, response bool, body []byte) []byte {
	var flags uint32
	if response {
		flags = 1
	}
	r := le(bs("\xfeSMB"), uint16(64), uint16(0), uint32(0), command, uint16(1), flags, uint32(0), id, uint32(0), tree, uint64(77), make(bs, 16), body)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(r))), r...)
}

func ntlm() []byte {
	domain, user, host := le("LAB"), le("ann"), le("PC1")
	at := uint32(72)
	b := le(ntlmSignature, uint32(3), make(bs, 16))
	for _, s := range [][]byte{domain, user, host} {
		b = append(b, le(uint16(len(s)), uint16(len(s)), at)...)
		at += uint32(len(s))
	}
	b = append(b, le(make(bs, 8), uint32(1|1<<25), bs{6, 1, 0xb1, 0x1d, 0, 0, 0, 15})...)
	return le(b, domain, user, host)
}

var fileID = []byte("0123456789abcdef")

func treeConnect(id uint64, tree uint32, name string, kind byte) []parsetest.Step {
	path := le(name)
	return []parsetest.Step{
		{Dir: up, Data: message(smb2TreeConnect, id, 0, false, le(uint16(9), uint16(0), uint16(72), uint16(len(path)), path))},
		{Dir: down, Data: message(smb2TreeConnect, id, tree, true, le(uint16(16), kind, uint8(0), uint32(0), uint32(0), uint32(0)))},
	}
}

func createFile(id uint64, tree uint32, name string) []parsetest.Step {
	text := le(name)
	return []parsetest.Step{
		{Dir: up, Data: message(smb2Create, id, tree, false, le(uint16(57), make(bs, 34), uint32(1), uint32(0), uint16(120), uint16(len(text)), uint32(0), uint32(0), text))},
		{Dir: down, Data: message(smb2Create, id, tree, true, le(uint16(89), make(bs, 62), fileID, make(bs, 8)))},
	}
}

func writeFile(id uint64, tree uint32, offset uint64, data []byte) []byte {
	return message(smb2Write, id, tree, false, le(uint16(49), uint16(112), uint32(len(data)), offset, fileID, make(bs, 16), data))
}

func session() (steps []parsetest.Step) {
	steps = append(steps, parsetest.Step{Dir: up, Data: message(smb2SessionSetup, 1, 0, false, le(uint16(25), make(bs, 10), uint16(88), uint16(len(ntlm())), uint64(0), ntlm()))})
	steps = append(steps, parsetest.Step{Dir: down, Data: message(smb2SessionSetup, 1, 0, true, le(uint16(9), uint16(0), uint16(0), uint16(0)))})
	steps = append(steps, treeConnect(2, 5, `\\srv\data`, 1)...)
	steps = append(steps, createFile(3, 5, "x.bin")...)
	big := []byte(strings.Repeat("0123456789", 100))
	steps = append(steps, parsetest.Step{Dir: up, Data: append(writeFile(4, 5, 1000, []byte("tail")), writeFile(5, 5, 0, big)...)})
	steps = append(steps, parsetest.Step{Dir: up, Data: message(smb2Read, 6, 5, false, le(uint16(49), uint16(0), uint32(4), uint64(0), fileID, make(bs, 16)))})
	steps = append(steps, parsetest.Step{Dir: down, Data: message(smb2Read, 6, 5, true, le(uint16(17), uint8(80), uint8(0), uint32(4), uint64(0), bs("read")))})
	steps = append(steps, parsetest.Step{Dir: up, Data: message(smb2Close, 7, 5, false, le(uint16(24), uint16(0), uint32(0), fileID))})
	return append(steps, parsetest.Step{Dir: down, Data: message(smb2Close, 7, 5, true, make(bs, 60))})
}

func send(t *testing.T, f *parsetest.Flow, n int, steps []parsetest.Step) {
	t.Helper()
	for _, s := range steps {
		for data := s.Data; len(data) > 0; {
			k := min(n, len(data))
			if st := f.Send(s.Dir, data[:k]); st.Code != protocol.StatusOK {
				t.Fatalf("status %v", st)
			}
			data = data[k:]
		}
	}
}

func TestFilesInAnyPieces(t *testing.T) {
	for _, n := range []int{1, 7, 130, 1 << 20} {
		f := parsetest.Open(t, Spec(), nil)
		send(t, f, n, session())
		if got := f.Text(0, protocol.SMBNTLMSSPUser, up, 0) + "@" + f.Text(0, protocol.SMBNTLMSSPDomain, up, 0); got != "ann@LAB" {
			t.Errorf("pieces of %d: user %q", n, got)
		}
		if got := f.Text(1, protocol.SMBShare, up, 0); got != `\\srv\data` {
			t.Errorf("pieces of %d: share %q", n, got)
		}
		written, read := f.Tx(3).Files(up), f.Tx(4).Files(down)
		if len(written) != 1 || written[0].Size != 1004 || !strings.HasSuffix(string(written[0].Data.Data), "789tail") || written[0].State != protocol.FileClosed || written[0].Gaps {
			t.Errorf("pieces of %d: written %+v", n, written)
		}
		if len(read) != 1 || string(read[0].Data.Data) != "read" || string(read[0].Name) != "x.bin" {
			t.Errorf("pieces of %d: read %+v", n, read)
		}
		if got, want := f.Eve(3, up), `{"id":4,"dialect":"unknown","command":"SMB2_COMMAND_WRITE","session_id":0,"tree_id":0,"filename":"x.bin","share":"\\\\srv\\data","fuid":"33323130-3534-3736-3938-6261-66656463"}`; !strings.HasPrefix(got, want[:100]) {
			t.Errorf("record %s", got)
		}
		if f.Number(1, protocol.SMBVersion, up, 0) != 2 {
			t.Error("version")
		}
	}
}

func TestPipe(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	send(t, f, 1000, append(treeConnect(1, 9, `\\srv\IPC$`, 2), createFile(2, 9, "srvsvc")...))
	unit := le(uint8(5), uint8(0), uint8(0), uint8(3), uint32(0x10), uint16(28), uint16(0), uint32(1), uint32(4), uint16(0), uint16(16), bs("args"))
	send(t, f, 1000, []parsetest.Step{{Dir: up, Data: writeFile(3, 9, 0, unit[:20])}, {Dir: up, Data: writeFile(4, 9, 0, unit[20:])}})
	if got := f.Text(2, protocol.DCERPCStubData, up, 0); got != "args" {
		t.Errorf("stub %q", got)
	}
	if got := f.Text(0, protocol.SMBNamedPipe, up, 0); got != `\\srv\IPC$` {
		t.Errorf("pipe %q", got)
	}
}

func TestEvents(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	send(t, f, 1000, append(treeConnect(1, 5, `\\srv\data`, 1), createFile(2, 5, "x")...))
	send(t, f, 1000, []parsetest.Step{{Dir: up, Data: writeFile(3, 5, 0, []byte("abcd"))}, {Dir: up, Data: writeFile(4, 5, 2, []byte("cdef"))}, {Dir: up, Data: message(smb2Close, 9, 5, true, nil)}})
	events := f.Tx(2).Inspection().Events
	if !events.Has(eventOverlap) || !events.Has(eventResponseToServer) {
		t.Errorf("events %v", events)
	}
	if files := f.Tx(2).Files(up); string(files[0].Data.Data) != "abcdef" {
		t.Errorf("file %q", files[0].Data.Data)
	}
}

// message1 makes a whole message of SMB 1.
func message1(command byte, flags byte, tree uint16, words, data []byte) []byte {
	r := le(bs("\xffSMB"), command, uint32(0), flags, uint16(0x8000), make(bs, 12), tree, uint16(1), uint16(64), uint16(9), uint8(len(words)/2), words, uint16(len(data)), data)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(r))), r...)
}

func TestSMB1(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	name := le("e.txt")
	create := le(uint8(0xff), make(bs, 4), uint16(len(name)), make(bs, 28), uint32(5), make(bs, 9))
	write := le(uint8(0xff), make(bs, 3), uint16(0x4006), uint32(0), make(bs, 8), uint16(0), uint16(5), uint16(63), uint32(0))
	steps := []parsetest.Step{
		{Dir: up, Data: message1(smb1Negotiate, 0, 0, nil, []byte("\x02NT LM 0.12\x00"))},
		{Dir: down, Data: message1(smb1Negotiate, 0x80, 0, make(bs, 34), nil)},
		{Dir: up, Data: message1(smb1TreeConnect, 0, 0, le(uint8(0xff), make(bs, 5), uint16(1)), le(uint8(0), `\\srv\PUB`, uint16(0), bs("?????\x00")))},
		{Dir: down, Data: message1(smb1TreeConnect, 0x80, 3, le(uint8(0xff), make(bs, 5)), []byte("A:\x00"))},
		{Dir: up, Data: message1(smb1NTCreate, 0, 3, create, name)},
		{Dir: down, Data: message1(smb1NTCreate, 0x80, 3, le(uint8(0xff), make(bs, 4), uint16(0x4006), make(bs, 61)), nil)},
		{Dir: up, Data: message1(smb1WriteAndX, 0, 3, write, []byte("hello"))},
		{Dir: up, Data: message1(smb1Close, 0, 3, le(uint16(0x4006), uint32(0)), nil)},
	}
	send(t, f, 11, steps)
	if got := f.Eve(1, up); !strings.Contains(got, `"share":"\\srv\\PUB","service":{"request":"?????","response":"A:"}`) {
		t.Errorf("record %s", got)
	}
	if got := f.Eve(0, up); !strings.Contains(got, `"dialect":"NT LM 0.12"`) || !strings.Contains(got, `"client_dialects":["NT LM 0.12"]`) {
		t.Errorf("record %s", got)
	}
	files := f.Tx(3).Files(up)
	if len(files) != 1 || string(files[0].Data.Data) != "hello" || files[0].State != protocol.FileClosed {
		t.Errorf("files %+v", files)
	}
}

func TestProbe(t *testing.T) {
	m := message(smb2Close, 1, 1, false, make(bs, 24))
	if probe(up, m, 0, 0) != protocol.Yes || probe(up, m[:6], 0, 0) != protocol.More || probe(up, []byte("GET / HTTP/1.1\r\n"), 0, 0) != protocol.No {
		t.Error("probe")
	}
	if Spec().Reversed(up, m, false) || !Spec().Reversed(down, m, false) {
		t.Error("reversed")
	}
}

func TestGap(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	send(t, f, 1000, append(treeConnect(1, 5, `\\srv\data`, 1), createFile(2, 5, "x")...))
	w := writeFile(3, 5, 0, []byte(strings.Repeat("y", 1000)))
	f.Send(up, w[:500])
	f.Parser.Gap(up, 100, &f.Env)
	f.Send(up, w[600:])
	file := f.Tx(2).Files(up)[0]
	if file.Size != 1000 || !file.Gaps {
		t.Errorf("size %d, gaps %v", file.Size, file.Gaps)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range session() {
		f.Add(append([]byte{200}, s.Data...), false)
	}
	f.Add(append([]byte{100}, message1(smb1Trans, 0, 0, make(bs, 32), []byte("x"))...), false)
	parsetest.Fuzz(f, Spec(), nil)
}
