package protocol

// Fields of mail and of file transfer by FTP.
const (
	SMTPHelo Field = familyMail + iota
	SMTPMailFrom
	SMTPRcptTo
	EmailFrom
	EmailSubject
	EmailTo
	EmailCc
	EmailDate
	EmailMessageID
	EmailXMailer
	EmailURL
	EmailReceived
	EmailBodyMD5
	FTPCommand
	FTPCommandData
	FTPCompletionCode
	FTPReply
	FTPDynamicPort
)

var (
	smtpOn = []ID{SMTP}
	ftpOn  = []ID{FTP}
)

func mailFields() []FieldSpec {
	text := func(f Field, keyword string, stage Stage, multi bool, doc string) FieldSpec {
		return FieldSpec{Field: f, Keyword: keyword, Kind: KindBytes, Dirs: ToServerOnly, On: smtpOn, Stage: stage, Multi: multi, Doc: doc}
	}
	return append([]FieldSpec{
		text(SMTPHelo, "smtp.helo", StageStart, false, "what the client calls itself in HELO or EHLO, with every mail of the session"),
		text(SMTPMailFrom, "smtp.mail_from", StageLine, false, "argument of MAIL FROM, with its angle brackets"),
		text(SMTPRcptTo, "smtp.rcpt_to", StageLine, true, "argument of each RCPT TO, with its angle brackets"),
		text(EmailFrom, "email.from", StageBody, false, "the From header of the mail"),
		text(EmailSubject, "email.subject", StageBody, false, "the Subject header of the mail"),
		text(EmailTo, "email.to", StageBody, false, "the To header of the mail"),
		text(EmailCc, "email.cc", StageBody, false, "the Cc header of the mail"),
		text(EmailDate, "email.date", StageBody, false, "the Date header of the mail"),
		text(EmailMessageID, "email.message_id", StageBody, false, "the Message-Id header of the mail"),
		text(EmailXMailer, "email.x_mailer", StageBody, false, "the X-Mailer header of the mail"),
		text(EmailURL, "email.url", StageBodyDone, true, "each URL in the text and HTML parts of the mail, without its scheme"),
		text(EmailReceived, "email.received", StageBody, true, "each Received header of the mail"),
		text(EmailBodyMD5, "email.body_md5", StageBodyDone, false, "MD5 of the mail's body in hexadecimal, when mime.body-md5 is on"),
	}, ftpFields()...)
}

func ftpFields() []FieldSpec {
	return []FieldSpec{
		{Field: FTPCommand, Keyword: "ftp.command", Kind: KindBytes, Dirs: ToServerOnly, On: ftpOn, Stage: StageStart, Doc: "name of the command (USER, RETR …)"},
		{Field: FTPCommandData, Keyword: "ftp.command_data", Kind: KindBytes, Dirs: ToServerOnly, On: ftpOn, Stage: StageStart, Doc: "argument of the command"},
		{Field: FTPCompletionCode, Keyword: "ftp.completion_code", Kind: KindBytes, Dirs: ToClientOnly, On: ftpOn, Stage: StageStart, Multi: true, Doc: "the three digits of each reply to the command"},
		{Field: FTPReply, Keyword: "ftp.reply", Kind: KindBytes, Dirs: ToClientOnly, On: ftpOn, Stage: StageStart, Multi: true, Doc: "text of each reply to the command, without its code"},
		{Field: FTPDynamicPort, Keyword: "ftp.dynamic_port", Kind: KindUint, Width: 16, Dirs: BothWays, On: ftpOn, Stage: StageStart, Doc: "port agreed on for the data connection"},
	}
}
