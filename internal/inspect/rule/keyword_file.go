package rule

import (
	"bytes"
	"encoding/hex"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
	"github.com/masugata/masugata/internal/inspect/rule/syntax"
)

// fileTest is a test of a file; all tests of a rule must hold for one file.
type fileTest interface {
	match(f *protocol.File) answer
}

// answer is the outcome of a test of something that may still grow.
type answer uint8

const (
	no answer = iota
	yes
	wait
)

func fileKeywords() []keyword {
	k := func(name, use, doc string, run func(b *builder, name, value syntax.Token) error) keyword {
		return keyword{name: name, family: "file", use: use, doc: doc, run: run}
	}
	store := k("filestore", "[DIRECTION, SCOPE]", "asks for the file to be kept", (*builder).fileStore)
	store.arg = argMay
	return []keyword{
		k("filename", `[!]"TEXT"`, "the file's name holds the text, in any case", (*builder).fileName),
		k("fileext", `[!]"EXTENSION"`, "the file's name ends with the extension, in any case", (*builder).fileExt),
		k("filemagic", `[!]"TEXT"`, "what the first bytes say the file is holds the text, in any case", (*builder).fileMagic),
		k("filemd5", "[!]LISTFILE", "the MD5 digest is in the list", fileDigest(protocol.WantMD5, 16, func(f *protocol.File) ([]byte, bool) { return f.MD5[:], f.HasMD5 })),
		k("filesha1", "[!]LISTFILE", "the SHA-1 digest is in the list", fileDigest(protocol.WantSHA1, 20, func(f *protocol.File) ([]byte, bool) { return f.SHA1[:], f.HasSHA1 })),
		k("filesha256", "[!]LISTFILE", "the SHA-256 digest is in the list", fileDigest(protocol.WantSHA256, 32, func(f *protocol.File) ([]byte, bool) { return f.SHA256[:], f.HasSHA256 })),
		store,
	}
}

// addFileTest puts a test of files into the rule's step for files.
func (b *builder) addFileTest(name syntax.Token, t fileTest, stage protocol.Stage) error {
	for i := range b.steps {
		if s := &b.steps[i]; s.kind == stepFile {
			s.file = append(s.file, t)
			s.stage = max(s.stage, stage)
			return nil
		}
	}
	return b.addStep(name, step{kind: stepFile, stage: stage, dirs: protocol.BothWays, file: []fileTest{t}}, b.c.fileApps)
}

// oldContent adds a content for a file field in the way of the old keywords.
func (b *builder) oldContent(name, value syntax.Token, field string, edit func(*payload.Op)) error {
	spec := b.c.fields[field]
	t, not := value.Not()
	text, err := t.Unquote().Bytes()
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return fail(value, "%s without a text", "", name.Text)
	}
	op := payload.Op{Kind: payload.Content, Bytes: text, NoCase: true, Negated: not}
	edit(&op)
	u := &use{kind: useField, spec: spec, at: name, ops: []payload.Op{op}}
	b.uses = append(b.uses, u)
	return nil
}

func (b *builder) fileName(name, value syntax.Token) error {
	return b.oldContent(name, value, "file.name", func(*payload.Op) {})
}

func (b *builder) fileExt(name, value syntax.Token) error {
	return b.oldContent(name, value, "file.name", func(o *payload.Op) {
		o.Bytes, o.EndsWith = append([]byte("."), o.Bytes...), true
	})
}

func (b *builder) fileMagic(name, value syntax.Token) error {
	return b.oldContent(name, value, "file.magic", func(*payload.Op) {})
}

// digestTest looks a file's digest up in a list.
type digestTest struct {
	get  func(f *protocol.File) ([]byte, bool)
	list map[string]struct{}
	not  bool
}

func (t *digestTest) match(f *protocol.File) answer {
	d, ok := t.get(f)
	if !ok {
		if f.State == protocol.FileOpen {
			return wait
		}
		return no
	}
	if _, in := t.list[string(d)]; in != t.not {
		return yes
	}
	return no
}

func fileDigest(want protocol.Hashes, size int, get func(f *protocol.File) ([]byte, bool)) func(*builder, syntax.Token, syntax.Token) error {
	return func(b *builder, name, value syntax.Token) error {
		t, not := value.Not()
		file := t.Unquote()
		text, err := b.c.load(file.Text)
		if err != nil {
			return fail(file, "%s: %s", "", name.Text, err.Error())
		}
		list := map[string]struct{}{}
		for line := range bytes.Lines(text) {
			word, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
			if len(word) == 0 || word[0] == '#' {
				continue
			}
			d, err := hex.DecodeString(string(word))
			if err != nil || len(d) != size {
				return fail(file, "%s: %q in %s is no digest", "", name.Text, word, file.Text)
			}
			list[string(d)] = struct{}{}
		}
		b.c.hashes |= want
		return b.addFileTest(name, &digestTest{get, list, not}, protocol.StageStart)
	}
}

// keepFile marks the files of the transaction to be stored.
type keepFile struct{ dirs protocol.Dirs }

func (k keepFile) apply(_ *Inspector, c *Context, tx protocol.Tx) {
	if tx == nil {
		return
	}
	for d := range dirsOf(k.dirs, c.Dir) {
		for _, f := range tx.Files(d) {
			f.Stored = true
		}
	}
}

// anyFile holds as soon as there is a file.
type anyFile struct{}

func (anyFile) match(*protocol.File) answer { return yes }

func (b *builder) fileStore(name, value syntax.Token) error {
	var k keepFile
	for i, t := range value.Split(',') {
		switch strings.ToLower(t.Text) {
		case "request", "to_server":
			k.dirs = protocol.ToServerOnly
		case "response", "to_client":
			k.dirs = protocol.ToClientOnly
		case "both":
			k.dirs = protocol.BothWays
		case "file", "tx", "ssn", "flow":
		default:
			return fail(t, "unknown option %q", "write filestore; or filestore:response,tx", t.Text)
		}
		if i > 1 {
			return fail(t, "too many options", "write filestore:DIRECTION,SCOPE")
		}
	}
	b.rule.effects = append(b.rule.effects, k)
	return b.addFileTest(name, anyFile{}, protocol.StageStart)
}
