package smtp

import (
	"bytes"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// settings are fixed values.
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

// turn is what one side says.
type turn struct {
	dir  packet.Direction
	text string
}

func c(text string) turn { return turn{packet.ToServer, text} }
func s(text string) turn { return turn{packet.ToClient, text} }

// play feeds a session in pieces of at most n bytes.
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

const message = "Received: from a by b;\r\n\tMon, 1 Jan 2024\r\nFrom: A <a@example.org>\r\nTo: b@example.org, \"C, D\" <c@example.org>\r\nSubject: =?utf-8?q?hi?=\r\n" +
	"Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\npreamble\r\n--b1\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"see http://Example.com/pa=\r\nth now\r\n--b1\r\nContent-Type: application/octet-stream; name=\"x.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	"aGVsbG8g\r\nd29ybGQ=\r\n--b1\r\nContent-Disposition: attachment; filename*0=\"long\"; filename*1=\".txt\"\r\n\r\nline 1\r\n..line 2\r\n--b1--\r\n"

func session() []turn {
	return []turn{
		s("220 mx ESMTP\r\n"), c("EHLO me.example\r\n"), s("250-mx\r\n250 PIPELINING\r\n"),
		c("MAIL FROM:<a@example.org> SIZE=10\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n"),
		s("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"), c(message + ".\r\n"), s("250 queued\r\n"), c("QUIT\r\n"), s("221 bye\r\n"),
	}
}

func TestSessionInAnyPieces(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 64, 1 << 20} {
		p := newTest(t, settings{})
		env := &protocol.Env{}
		play(p, n, env, session()...)
		txs := p.txs.Live()
		if len(txs) != 2 { // the second is QUIT
			t.Fatalf("pieces of %d: %d transactions", n, len(txs))
		}
		tx := txs[0]
		for f, want := range map[protocol.Field]string{
			protocol.SMTPHelo: "me.example", protocol.SMTPMailFrom: "<a@example.org>", protocol.EmailFrom: "A <a@example.org>",
			protocol.EmailSubject: "=?utf-8?q?hi?=", protocol.EmailURL: "example.com/path", protocol.EmailReceived: "from a by b;\tMon, 1 Jan 2024",
		} {
			if got, _ := tx.Bytes(f, packet.ToServer, 0); string(got) != want {
				t.Errorf("pieces of %d: field %d is %q, want %q", n, f, got, want)
			}
		}
		files := tx.Files(packet.ToServer)
		if len(files) != 2 || string(files[0].Data.Data) != "hello world" || string(files[0].Name) != "x.bin" || string(files[1].Data.Data) != "line 1\r\n.line 2\r\n" || string(files[1].Name) != "long.txt" {
			t.Fatalf("pieces of %d: %d files: %+v", n, len(files), files)
		}
		if !tx.inspection.Events.Empty() || tx.Stage(packet.ToServer) != protocol.StageDone || tx.Stage(packet.ToClient) != protocol.StageDone {
			t.Errorf("pieces of %d: events %v, stages %v", n, tx.inspection.Events, tx.stage)
		}
	}
}

func TestRecord(t *testing.T) {
	p := newTest(t, settings{"mime.body-md5": "yes"})
	play(p, 1000, &protocol.Env{}, session()...)
	tx := p.txs.Live()[0]
	if got, want := string(tx.AppendEve(nil, 0)), `{"helo":"me.example","mail_from":"<a@example.org>","rcpt_to":["<b@example.org>","<c@example.org>"]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	got := string(tx.AppendBeside(nil, 0))
	for _, want := range []string{`"status":"PARSE_DONE"`, `"to":["b@example.org","\"C, D\" <c@example.org>"]`, `"attachment":["x.bin","long.txt"]`, `"url":["example.com/path"]`, `"body_md5":"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestChunks(t *testing.T) {
	p := newTest(t, settings{})
	play(p, 5, &protocol.Env{}, s("220 x\r\n"), c("HELO a\r\n"), s("250 x\r\n"), c("MAIL FROM:<>\r\nRCPT TO:<b>\r\nBDAT 12\r\nSubject: ab\nBDAT 10 LAST\r\nc\r\n\r\nBody\r\nNOOP\r\n"))
	tx := p.txs.Live()[0]
	if got, _ := tx.Bytes(protocol.EmailSubject, packet.ToServer, 0); string(got) != "ab" {
		t.Errorf("subject %q", got)
	}
	if tx.Stage(packet.ToServer) != protocol.StageDone {
		t.Error("not done")
	}
}

func TestStartTLS(t *testing.T) {
	p := newTest(t, settings{})
	env := &protocol.Env{}
	st := play(p, 1000, env, s("220 x\r\n"), c("EHLO a\r\n"), s("250 x\r\n"), c("STARTTLS\r\n"), s("220 go\r\n\x16\x03"))
	if st.Code != protocol.StatusSwitch || st.Next != protocol.TLS || env.Consumed != len("220 go\r\n") {
		t.Errorf("status %+v, consumed %d", st, env.Consumed)
	}
}

func TestEvents(t *testing.T) {
	long := strings.Repeat("x", 600)
	hello := []turn{s("220 x\r\n"), c("EHLO a\r\n"), s("250 x\r\n")}
	for name, test := range map[string]struct {
		turns []turn
		event uint8
	}{
		"reply":      {[]turn{c("NOOP\r\n"), s("299 what\r\n")}, eventInvalidReply},
		"unmatched":  {[]turn{s("250 what\r\n")}, eventUnmatchedReply},
		"long":       {[]turn{c(long + "\r\n")}, eventCommandTooLong},
		"long reply": {[]turn{s(long + "\r\n")}, eventReplyTooLong},
		"duplicate":  {[]turn{c("EHLO b\r\n")}, eventDuplicate},
		"rejected":   {[]turn{c("DATA\r\n"), s("554 no\r\n")}, eventDataRejected},
		"tls":        {[]turn{c("STARTTLS\r\n"), s("454 no\r\n")}, eventTLSRejected},
		"pipelined":  {[]turn{c("STARTTLS\r\nNOOP\r\n")}, eventPipelining},
		"chunk":      {[]turn{c("MAIL FROM:<a>\r\nBDAT 3\r\nabcdef\r\n")}, eventBdatLength},
		"base64":     {[]turn{c("DATA\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n.\r\n")}, eventMIME + 2},
	} {
		p := newTest(t, settings{})
		play(p, 1000, &protocol.Env{}, append(hello[:3:3], test.turns...)...)
		txs := p.txs.Live()
		if !txs[len(txs)-1].inspection.Events.Has(test.event) {
			t.Errorf("%s: event %q is missing", name, eventNames()[test.event])
		}
	}
	p := newTest(t, settings{})
	play(p, 1000, &protocol.Env{}, c("EHLO a\r\n"), s("250 x\r\n"))
	if !p.txs.Live()[0].inspection.Events.Has(eventNoWelcome) {
		t.Error("no event for a missing welcome")
	}
}

func TestTwoMails(t *testing.T) {
	p := newTest(t, settings{})
	one := "MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n\r\nx\r\n.\r\n"
	play(p, 1000, &protocol.Env{}, s("220 x\r\n"), c("EHLO a\r\n"+one+one))
	if n := len(p.txs.Live()); n != 2 {
		t.Errorf("%d transactions, want 2", n)
	}
	if got, _ := p.txs.Live()[1].Bytes(protocol.SMTPHelo, packet.ToServer, 0); string(got) != "a" {
		t.Errorf("helo of the second mail is %q", got)
	}
}

func TestRawExtraction(t *testing.T) {
	p := newTest(t, settings{"raw-extraction": "yes"})
	play(p, 3, &protocol.Env{}, session()...)
	files := p.txs.Live()[0].Files(packet.ToServer)
	if len(files) != 1 || string(files[0].Name) != "rawmsg" || !bytes.HasPrefix(files[0].Data.Data, []byte("Received: from")) || files[0].State != protocol.FileClosed {
		t.Fatalf("files %v", files)
	}
}

func TestNoAllocations(t *testing.T) {
	p := newTest(t, settings{})
	env := &protocol.Env{}
	turns := session()
	run := func() {
		for i := range turns {
			p.Parse(turns[i].dir, []byte(turns[i].text), env)
		}
		for _, tx := range p.txs.Live() {
			tx.inspection.Done = true
		}
		p.Sweep()
	}
	run()
	data := make([][]byte, len(turns))
	for i := range turns {
		data[i] = []byte(turns[i].text)
	}
	if n := testing.AllocsPerRun(50, func() {
		for i := range turns {
			p.Parse(turns[i].dir, data[i], env)
		}
		for _, tx := range p.txs.Live() {
			tx.inspection.Done = true
		}
		p.Sweep()
	}); n > 0 {
		t.Errorf("%v allocations a session", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, turn := range session() {
		f.Add([]byte(turn.text), uint8(turn.dir), uint8(5))
	}
	f.Add([]byte("EHLO a\r\nBDAT 5 LAST\r\nabc"), uint8(0), uint8(1))
	f.Add([]byte(".\r\nBDAT 5    x\r\n"), uint8(0), uint8(255)) // LAST cut short
	f.Fuzz(func(t *testing.T, data []byte, dirs, n uint8) {
		p := newTest(t, settings{"mime.body-md5": "yes"})
		env := &protocol.Env{Hashes: protocol.WantMD5}
		play(p, 1000, env, c("EHLO a\r\nDATA\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"))
		for i := 0; len(data) > 0; i++ {
			k := min(int(n)+1, len(data))
			d := packet.Direction(dirs >> (i & 7) & 1)
			p.Parse(d, data[:k:k], env)
			data = data[k:]
			if i%5 == 4 {
				p.Gap(d, uint64(n), env)
			}
		}
		p.End(packet.ToServer, env)
		p.End(packet.ToClient, env)
		for _, tx := range p.txs.Live() {
			for f := protocol.SMTPHelo; f <= protocol.EmailBodyMD5; f++ {
				tx.Bytes(f, packet.ToServer, 0)
			}
			tx.AppendBeside(tx.AppendEve(nil, 0), 0)
			tx.inspection.Done = true
		}
		p.Sweep()
		if len(p.Txs()) != 0 {
			t.Error("transactions stay")
		}
		p.Reset()
	})
}

// TestFrames checks the frames of lines and mails, also of cut segments.
func TestFrames(t *testing.T) {
	for _, n := range []int{1, 7, 4096} {
		p := newTest(t, nil)
		env := &protocol.Env{WantFrames: true}
		var got []string
		for _, turn := range []turn{s("220 mx\r\n"), c("HELO a\nDATA\r\n"), s("250 ok\r\n354 go\r\n"), c("To: b\r\n\r\nhi\r\n.\r\nQUIT\r\n")} {
			for data := []byte(turn.text); len(data) > 0; {
				k := min(n, len(data))
				env.Frames = env.Frames[:0]
				p.Parse(turn.dir, data[:k], env)
				data = data[k:]
				for _, f := range env.Frames {
					got = append(got, f.Name+" "+string(f.Data))
				}
			}
		}
		want := "response_line 220 mx\r\n|command_line HELO a\n|command_line DATA\r\n|response_line 250 ok\r\n|response_line 354 go\r\n|data To: b\r\n\r\nhi\r\n.\r\n|command_line QUIT\r\n"
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("pieces of %d: %q", n, s)
		}
	}
}
