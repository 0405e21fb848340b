package ftp

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

type settings map[string]string

func (s settings) Lookup(name string) (string, bool) { v, ok := s[name]; return v, ok }

func newTest(t testing.TB, s settings) *parser {
	t.Helper()
	maker, err := open(s)
	if err != nil {
		t.Fatal(err)
	}
	return maker().(*parser)
}

type turn struct {
	dir  packet.Direction
	text string
}

func c(text string) turn { return turn{packet.ToServer, text} }
func s(text string) turn { return turn{packet.ToClient, text} }

func play(p *parser, n int, env *protocol.Env, turns ...turn) protocol.Status {
	var st protocol.Status
	for _, t := range turns {
		for data := []byte(t.text); len(data) > 0; {
			k := min(n, len(data))
			st = p.Parse(t.dir, data[:k:k], env)
			data = data[k:]
		}
	}
	return st
}

func session() []turn {
	return []turn{
		s("220-hello\r\n 230 not yet\r\n220 FTP ready\r\n"), c("USER anonymous\r\n"), s("331 password\r\n"), c("pass x y\r\n"), s("230 ok\r\n"),
		c("PASV\r\n"), s("227 Entering Passive Mode (10,0,0,1,185,13).\r\n"), c("RETR a b.txt\r\n"), s("150 opening\r\n"), s("226 done\r\n"),
		c("EPSV\r\n"), s("229 Extended (|||5282|)\r\n"), c("STOR up.bin\r\n"), s("226 done\r\n"),
		c("PORT 192,168,0,13,234,10\r\n"), s("200 ok\r\n"), c("RETR c\r\nQUIT\r\n"), s("226 done\r\n221 bye\r\n"),
	}
}

func addr(a, b, c, d byte) packet.Addr { return address([6]byte{a, b, c, d}) }

func TestSessionInAnyPieces(t *testing.T) {
	for _, n := range []int{1, 3, 16, 1 << 20} {
		p := newTest(t, settings{})
		env := &protocol.Env{Client: addr(10, 0, 0, 9), Server: addr(10, 0, 0, 1)}
		play(p, n, env, session()...)
		txs := p.txs.Live()
		if len(txs) != 10 {
			t.Fatalf("pieces of %d: %d transactions", n, len(txs))
		}
		for i, want := range []string{
			`{"completion_code":["220","220"],"reply":["hello"," 230 not yet","FTP ready"],"reply_received":"yes","reply_truncated":false}`,
			`{"command":"USER","command_data":"anonymous","command_truncated":false,"completion_code":["331"],"reply":["password"],"reply_received":"yes","reply_truncated":false}`,
			`{"command":"PASS","command_data":"x y","command_truncated":false,"completion_code":["230"],"reply":["ok"],"reply_received":"yes","reply_truncated":false}`,
			`{"command":"PASV","completion_code":["227"],"reply":["Entering Passive Mode (10,0,0,1,185,13)."],"dynamic_port":47373,"reply_received":"yes","reply_truncated":false}`,
			`{"command":"RETR","command_data":"a b.txt","command_truncated":false,"completion_code":["150","226"],"reply":["opening","done"],"reply_received":"yes","reply_truncated":false}`,
		} {
			if got := string(txs[i].AppendEve(nil, 0)); got != want {
				t.Errorf("pieces of %d: record %d is\n%s, want\n%s", n, i, got, want)
			}
		}
		want := []protocol.Expectation{
			{Server: env.Server, ServerPort: 47373, ID: protocol.FTPData, Download: true},
			{Server: env.Server, ServerPort: 5282, ID: protocol.FTPData},
			{Server: env.Client, ServerPort: 234<<8 | 10, ID: protocol.FTPData, Download: true},
		}
		if len(env.Expect) != len(want) {
			t.Fatalf("expectations %+v", env.Expect)
		}
		for i := range want {
			got := env.Expect[i]
			if got.Server != want[i].Server || got.ServerPort != want[i].ServerPort || got.Download != want[i].Download {
				t.Errorf("expectation %d is %+v, want %+v", i, got, want[i])
			}
		}
		if string(env.Expect[0].Name) != "a b.txt" || !txs[7].bounce {
			t.Errorf("name %q, bounce %v", env.Expect[0].Name, txs[7].bounce)
		}
	}
}

func TestTooLong(t *testing.T) {
	p := newTest(t, settings{"max-line-length": "32"})
	play(p, 10, &protocol.Env{}, c("RETR 0123456789012345678901234567890123456789\r\nNOOP\r\n"), s("200 0123456789012345678901234567890123456789\r\n200 ok\r\n"))
	txs := p.txs.Live()
	if len(txs) != 2 || !txs[0].inspection.Events.Has(eventRequestTooLong) || !txs[0].inspection.Events.Has(eventResponseTooLong) || txs[1].stage[1] != protocol.StageDone {
		t.Errorf("%d transactions, events %v", len(txs), txs[0].inspection.Events)
	}
}

func TestAuthTLS(t *testing.T) {
	p := newTest(t, settings{})
	env := &protocol.Env{}
	st := play(p, 100, env, s("220 x\r\n"), c("AUTH TLS\r\n"), s("234 go\r\nrest"))
	if st.Code != protocol.StatusSwitch || env.Consumed != 8 {
		t.Errorf("status %+v, consumed %d", st, env.Consumed)
	}
}

func TestData(t *testing.T) {
	p := new(dataParser)
	p.Expect([]byte("x.bin"), true)
	p.Parse(packet.ToClient, []byte("hello "), &protocol.Env{})
	p.Parse(packet.ToClient, []byte("world"), &protocol.Env{})
	p.End(packet.ToClient, &protocol.Env{})
	files := p.Txs()[0].Files(packet.ToClient)
	if len(files) != 1 || string(files[0].Data.Data) != "hello world" || string(files[0].Name) != "x.bin" || files[0].State != protocol.FileClosed {
		t.Errorf("files %+v", files)
	}
	if got, want := string(p.tx.AppendEve(nil, 0)), `{"filename":"x.bin","command":"RETR"}`; got != want {
		t.Errorf("record %s", got)
	}
}

func TestKeywords(t *testing.T) {
	tx := &Tx{known: true, port: 5, active: true, replyEnds: []int{0}}
	for _, k := range keywords() {
		arg := map[string]string{"ftp.mode": "active", "ftp.reply_received": "yes"}[k.Name]
		test, err := k.Compile(arg)
		if err != nil {
			t.Fatal(err)
		}
		if got := test(tx, 0); got != (k.Name != "ftpbounce") {
			t.Errorf("%s is %v", k.Name, got)
		}
		if _, err := k.Compile("bad"); err == nil {
			t.Errorf("%s takes a bad argument", k.Name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, turn := range session() {
		f.Add([]byte(turn.text), uint8(turn.dir), uint8(5))
	}
	f.Fuzz(func(t *testing.T, data []byte, dirs, n uint8) {
		p := newTest(t, settings{"max-line-length": "64"})
		env := &protocol.Env{}
		for i := 0; len(data) > 0; i++ {
			k := min(int(n)+1, len(data))
			d := packet.Direction(dirs >> (i & 7) & 1)
			p.Parse(d, data[:k:k], env)
			data = data[k:]
			if i%5 == 4 {
				p.Gap(d, 3, env)
			}
		}
		p.End(packet.ToServer, env)
		p.End(packet.ToClient, env)
		for _, tx := range p.txs.Live() {
			tx.AppendEve(nil, 0)
			tx.inspection.Done = true
		}
		p.Sweep()
		p.Reset()
	})
}
