package http

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// TestRanges puts a file together from two responses, the end first.
func TestRanges(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for i, part := range []string{"bytes 6-10/11\r\nContent-Length: 5\r\n\r\nworld", "bytes 0-5/11\r\nContent-Length: 6\r\n\r\nhello "} {
		f.Send(packet.ToServer, []byte("GET /f.bin HTTP/1.1\r\nHost: a.example\r\n\r\n"))
		f.Send(packet.ToClient, []byte("HTTP/1.1 206 Partial Content\r\nContent-Range: "+part))
		files := f.Tx(i).Files(packet.ToClient)
		if len(files) != 1+i {
			t.Fatalf("after part %d there are %d files", i, len(files))
		}
		if i == 1 && string(files[1].Data.Data) != "hello world" {
			t.Errorf("the file is %q", files[1].Data.Data)
		}
	}
}
