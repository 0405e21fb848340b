package protocol

import "slices"

// Fields of TLS, of its fingerprints (shared with QUIC), of QUIC and of SSH.
const (
	TLSSNI Field = familyTLS + iota
	TLSALPN
	TLSCertSubject
	TLSCertIssuer
	TLSCertSerial
	TLSCertFingerprint
	TLSCertificates
	TLSSubjectAltName
	TLSRandom
	TLSRandomTime
	TLSRandomBytes
	TLSCertChainLen

	JA3Hash
	JA3String
	JA3SHash
	JA3SString
	JA4Hash

	QUICVersion
	QUICSNI
	QUICUserAgent
	QUICCYUHash
	QUICCYUString

	SSHProto
	SSHSoftware
	SSHHassh
	SSHHasshString
	SSHHasshServer
	SSHHasshServerString
)

func tlsFields() []FieldSpec {
	return slices.Concat(tlsHandshakeFields(), tlsCertificateFields(), fingerprintFields(), quicFields(), sshFields())
}

func tlsHandshakeFields() []FieldSpec {
	on := []ID{TLS}
	return []FieldSpec{
		{Field: TLSSNI, Keyword: "tls.sni", Aliases: []string{"tls_sni"}, Dirs: ToServerOnly, On: on, Stage: StageLine, Doc: "server name that the client asks for"},
		{Field: TLSALPN, Keyword: "tls.alpn", Dirs: BothWays, On: on, Stage: StageLine, Multi: true, Doc: "each application protocol that the client offers, or the one that the server chose"},
		{Field: TLSRandom, Keyword: "tls.random", Aliases: []string{"tls_random"}, Dirs: BothWays, On: on, Stage: StageLine, Doc: "the 32 random bytes of the hello"},
		{Field: TLSRandomTime, Keyword: "tls.random_time", Aliases: []string{"tls_random_time"}, Dirs: BothWays, On: on, Stage: StageLine, Doc: "the first 4 of the random bytes of the hello"},
		{Field: TLSRandomBytes, Keyword: "tls.random_bytes", Aliases: []string{"tls_random_bytes"}, Dirs: BothWays, On: on, Stage: StageLine, Doc: "the last 28 of the random bytes of the hello"},
	}
}

func tlsCertificateFields() []FieldSpec {
	on := []ID{TLS}
	return []FieldSpec{
		{Field: TLSCertSubject, Keyword: "tls.cert_subject", Aliases: []string{"tls_cert_subject"}, Dirs: BothWays, On: on, Stage: StageHeaders, Doc: "subject of the sender's certificate (\"C=JP, O=Example, CN=example.com\")"},
		{Field: TLSCertIssuer, Keyword: "tls.cert_issuer", Aliases: []string{"tls_cert_issuer"}, Dirs: BothWays, On: on, Stage: StageHeaders, Doc: "issuer of the sender's certificate"},
		{Field: TLSCertSerial, Keyword: "tls.cert_serial", Aliases: []string{"tls_cert_serial"}, Dirs: BothWays, On: on, Stage: StageHeaders, Doc: "serial number of the sender's certificate (\"05:C0:FF\")"},
		{Field: TLSCertFingerprint, Keyword: "tls.cert_fingerprint", Aliases: []string{"tls_cert_fingerprint"}, Dirs: BothWays, On: on, Stage: StageHeaders, Doc: "SHA-1 of the sender's certificate (\"ab:01:…\")"},
		{Field: TLSCertificates, Keyword: "tls.certs", Aliases: []string{"tls_certs"}, Dirs: BothWays, On: on, Stage: StageHeaders, Multi: true, Doc: "each certificate of the sender's chain, as DER"},
		{Field: TLSSubjectAltName, Keyword: "tls.subjectaltname", Dirs: BothWays, On: on, Stage: StageHeaders, Multi: true, Doc: "each subject alternative name of the sender's certificate"},
		{Field: TLSCertChainLen, Keyword: "tls.cert_chain_len", Kind: KindUint, Width: 32, Dirs: BothWays, On: on, Stage: StageHeaders, Doc: "number of certificates in the sender's chain"},
	}
}

func fingerprintFields() []FieldSpec {
	on := []ID{TLS, QUIC}
	return []FieldSpec{
		{Field: JA3Hash, Keyword: "ja3.hash", Aliases: []string{"ja3_hash"}, Dirs: ToServerOnly, On: on, Stage: StageLine, Doc: "JA3 of the client hello: MD5 of ja3.string in hexadecimal"},
		{Field: JA3String, Keyword: "ja3.string", Aliases: []string{"ja3_string"}, Dirs: ToServerOnly, On: on, Stage: StageLine, Doc: "JA3 text of the client hello: version, ciphers, extensions, curves, point formats"},
		{Field: JA3SHash, Keyword: "ja3s.hash", Dirs: ToClientOnly, On: on, Stage: StageLine, Doc: "JA3S of the server hello: MD5 of ja3s.string in hexadecimal"},
		{Field: JA3SString, Keyword: "ja3s.string", Dirs: ToClientOnly, On: on, Stage: StageLine, Doc: "JA3S text of the server hello: version, cipher, extensions"},
		{Field: JA4Hash, Keyword: "ja4.hash", Aliases: []string{"ja4_hash"}, Dirs: ToServerOnly, On: on, Stage: StageLine, Doc: "JA4 of the client hello"},
	}
}

func quicFields() []FieldSpec {
	on := []ID{QUIC}
	return []FieldSpec{
		{Field: QUICVersion, Keyword: "quic.version", Dirs: BothWays, On: on, Stage: StageLine, Doc: "version bytes of a long header (\"Q046\", 00 00 00 01)"},
		{Field: QUICSNI, Keyword: "quic.sni", Dirs: ToServerOnly, On: on, Stage: StageLine, Doc: "server name that the client asks for"},
		{Field: QUICUserAgent, Keyword: "quic.ua", Dirs: ToServerOnly, On: on, Stage: StageLine, Doc: "user agent of a gQUIC client hello or of Google's transport parameter"},
		{Field: QUICCYUHash, Keyword: "quic.cyu.hash", Dirs: ToServerOnly, On: on, Stage: StageLine, Multi: true, Doc: "CYU fingerprint of a gQUIC client hello: MD5 of quic.cyu.string in hexadecimal"},
		{Field: QUICCYUString, Keyword: "quic.cyu.string", Dirs: ToServerOnly, On: on, Stage: StageLine, Multi: true, Doc: "CYU text of a gQUIC client hello: version and tags"},
	}
}

func sshFields() []FieldSpec {
	on := []ID{SSH}
	return []FieldSpec{
		{Field: SSHProto, Keyword: "ssh.proto", Aliases: []string{"ssh_proto"}, Dirs: BothWays, On: on, Stage: StageLine, Doc: "protocol version of the sender's banner (\"2.0\")"},
		{Field: SSHSoftware, Keyword: "ssh.software", Aliases: []string{"ssh_software"}, Dirs: BothWays, On: on, Stage: StageLine, Doc: "software of the sender's banner (\"OpenSSH_9.2p1\")"},
		{Field: SSHHassh, Keyword: "ssh.hassh", Dirs: ToServerOnly, On: on, Stage: StageHeaders, Doc: "hassh of the client: MD5 of ssh.hassh.string in hexadecimal"},
		{Field: SSHHasshString, Keyword: "ssh.hassh.string", Dirs: ToServerOnly, On: on, Stage: StageHeaders, Doc: "key exchange, encryption, MAC and compression algorithms that the client offers"},
		{Field: SSHHasshServer, Keyword: "ssh.hassh.server", Dirs: ToClientOnly, On: on, Stage: StageHeaders, Doc: "hassh of the server: MD5 of ssh.hassh.server.string in hexadecimal"},
		{Field: SSHHasshServerString, Keyword: "ssh.hassh.server.string", Dirs: ToClientOnly, On: on, Stage: StageHeaders, Doc: "key exchange, encryption, MAC and compression algorithms that the server offers"},
	}
}
