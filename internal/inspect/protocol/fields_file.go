package protocol

// Fields of files, offered by every protocol with Spec.Files. The engine takes
// them from Tx.Files; parsers need not answer them.
const (
	FileData Field = familyFile + iota
	FileName
	FileMagic
	FileSize
)

var filesOn = []ID{HTTP1, HTTP2, SMTP, FTPData, SMB, NFS}

func fileFields() []FieldSpec {
	return []FieldSpec{
		{Field: FileData, Keyword: "file.data", Aliases: []string{"file_data"}, Kind: KindStream, Dirs: BothWays, On: filesOn, Stage: StageBody, Multi: true, Doc: "content of a file (HTTP: the decoded body)"},
		{Field: FileName, Keyword: "file.name", Kind: KindBytes, Dirs: BothWays, On: filesOn, Stage: StageStart, Multi: true, Doc: "name of a file"},
		{Field: FileMagic, Keyword: "file.magic", Kind: KindBytes, Dirs: BothWays, On: filesOn, Stage: StageBody, Multi: true, Doc: "kind of a file as told from its first bytes"},
		{Field: FileSize, Keyword: "filesize", Kind: KindUint, Width: 64, Dirs: BothWays, On: filesOn, Stage: StageBody, Multi: true, Doc: "size of a file in bytes"},
	}
}
