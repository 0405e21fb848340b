package nfs

import (
	"encoding/binary"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	up   = packet.ToServer
	down = packet.ToClient
)

// xdr makes a message: numbers of 4 or 8 bytes, strings as opaque bytes.
func xdr(values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case uint64:
			b = binary.BigEndian.AppendUint64(b, v)
		case string:
			b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
			b = append(b, v...)
			for len(b)%4 != 0 {
				b = append(b, 0)
			}
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

func rpcCall(xid, version, procedure int, args ...any) []byte {
	creds := string(xdr(1, "box", 1000, 100, 0))
	return append(xdr(xid, 0, 2, program, version, procedure, 1, creds, 0, ""), xdr(args...)...)
}

func rpcReply(xid int, results ...any) []byte {
	return append(xdr(xid, 1, 0, 0, "", 0), xdr(results...)...)
}

func marked(messages ...[]byte) (b []byte) {
	for _, m := range messages {
		half := len(m) / 2 // in two fragments
		b = binary.BigEndian.AppendUint32(b, uint32(half))
		b = append(b, m[:half]...)
		b = binary.BigEndian.AppendUint32(b, 0x80000000|uint32(len(m)-half))
		b = append(b, m[half:]...)
	}
	return b
}

func session() []parsetest.Step {
	return []parsetest.Step{
		{Dir: up, Data: marked(rpcCall(1, 3, v3Lookup, "dir", "f.txt"))},
		{Dir: down, Data: marked(rpcReply(1, 0, "fh01"))},
		{Dir: up, Data: marked(rpcCall(2, 3, v3Read, "fh01", uint64(0), 5), rpcCall(3, 3, v3Read, "fh01", uint64(5), 5))},
		{Dir: down, Data: marked(rpcReply(2, 0, 0, 5, 0, "hello"), rpcReply(3, 0, 0, 6, 1, " world"))},
		{Dir: up, Data: marked(rpcCall(4, 3, v3Write, "fh01", uint64(0), 3, 0, "new"), rpcCall(5, 3, v3Commit, "fh01", uint64(0), 0))},
		{Dir: up, Data: marked(rpcCall(6, 3, v3Rename, "dir", "f.txt", "dir", "g.txt"))},
		{Dir: down, Data: marked(rpcReply(6, 0))},
	}
}

func TestFilesInAnyPieces(t *testing.T) {
	for _, n := range []int{1, 3, 50, 10000} {
		f := parsetest.Open(t, Spec(), nil)
		for _, s := range session() {
			for data := s.Data; len(data) > 0; {
				k := min(n, len(data))
				if st := f.Send(s.Dir, data[:k]); st.Code != protocol.StatusOK {
					t.Fatalf("status %v", st)
				}
				data = data[k:]
			}
		}
		read, written := f.Tx(1).Files(down), f.Tx(2).Files(up)
		if len(read) != 1 || string(read[0].Data.Data) != "hello world" || read[0].State != protocol.FileClosed || string(read[0].Name) != "f.txt" {
			t.Errorf("pieces of %d: read %+v", n, read)
		}
		if len(written) != 1 || string(written[0].Data.Data) != "new" || written[0].State != protocol.FileClosed {
			t.Errorf("pieces of %d: written %+v", n, written)
		}
		if got, want := f.Eve(4, up), `{"version":3,"procedure":"RENAME","filename":"f.txt","hhash":"`; len(got) < len(want) || got[:len(want)] != want {
			t.Errorf("record %s", got)
		}
		if got, want := string(f.Tx(4).(protocol.Beside).AppendBeside(nil, up)), `"rpc":{"xid":6,"status":"ACCEPTED","auth_type":"UNIX","creds":{"machine_name":"box","uid":1000,"gid":100}}`; got != want {
			t.Errorf("rpc %s", got)
		}
	}
}

func TestVersion4(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Env.UDP = true
	f.Send(up, rpcCall(1, 4, 1, "", 0, 3, opPutFH, "fh01", opRead, make([]byte, 16), uint64(0), 100, opGetFH))
	f.Send(down, rpcReply(1, 0, "", 2, opPutFH, 0, opRead, 0, 1, "content"))
	files := f.Tx(0).Files(down)
	if len(files) != 1 || string(files[0].Data.Data) != "content" || files[0].State != protocol.FileClosed {
		t.Errorf("files %+v", files)
	}
	if f.Number(0, protocol.NFSVersion, up, 0) != 4 {
		t.Error("version")
	}
}

func TestProcedure(t *testing.T) {
	tx := &Tx{version: 3, procedure: 7}
	for arg, want := range map[string]bool{"7": true, "write": true, "!read": true, "getattr": false, "3<>7": true, ">7": false, ">=7": true, "<7": false, "!7": false, "5-9": true} {
		test, err := compileProcedure(arg)
		if err != nil || test(tx, up) != want {
			t.Errorf("nfs_procedure:%s: %v", arg, err)
		}
	}
	for _, arg := range []string{"", "nothing", "9<>3", "-1"} {
		if _, err := compileProcedure(arg); err == nil {
			t.Errorf("nfs_procedure takes %q", arg)
		}
	}
}

func TestProbe(t *testing.T) {
	if probe(up, rpcCall(1, 3, 1, "x"), 0, 0) != protocol.Yes {
		t.Error("call")
	}
	if probe(up, []byte("GET / HTTP/1.1\r\nHost: a.example.org\r\n"), 0, 0) != protocol.No {
		t.Error("text is taken for NFS")
	}
}

func TestSteady(t *testing.T) { parsetest.Steady(t, Spec(), false, session()...) }

func FuzzParse(f *testing.F) {
	for _, s := range session() {
		f.Add(append([]byte{200}, s.Data...), false)
	}
	f.Add(append([]byte{200}, rpcCall(1, 4, 1, "", 0, 1, opOpen, 0)...), true)
	parsetest.Fuzz(f, Spec(), nil)
}
