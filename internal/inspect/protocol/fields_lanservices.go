package protocol

// Fields of the services of local networks: SMB, DCE/RPC, NFS, Kerberos.
const (
	SMBNamedPipe Field = familyWindows + iota
	SMBShare
	SMBNTLMSSPUser
	SMBNTLMSSPDomain
	SMBVersion
	DCERPCStubData
	NFSVersion
	KRB5MsgType
	KRB5ErrCode
	KRB5CName
	KRB5SName
)

var (
	smbOn  = []ID{SMB}
	rpcOn  = []ID{DCERPC, SMB}
	nfsOn  = []ID{NFS}
	krb5On = []ID{KRB5}
)

func windowsFields() []FieldSpec {
	return []FieldSpec{
		{Field: SMBNamedPipe, Keyword: "smb.named_pipe", Aliases: []string{"smb_named_pipe"}, Kind: KindBytes, Dirs: ToServerOnly, On: smbOn, Stage: StageStart, Doc: "name of the pipe that a tree connect asks for"},
		{Field: SMBShare, Keyword: "smb.share", Aliases: []string{"smb_share"}, Kind: KindBytes, Dirs: ToServerOnly, On: smbOn, Stage: StageStart, Doc: "name of the share that a tree connect asks for"},
		{Field: SMBNTLMSSPUser, Keyword: "smb.ntlmssp_user", Kind: KindBytes, Dirs: ToServerOnly, On: smbOn, Stage: StageStart, Doc: "user name in the NTLM message of a session setup"},
		{Field: SMBNTLMSSPDomain, Keyword: "smb.ntlmssp_domain", Kind: KindBytes, Dirs: ToServerOnly, On: smbOn, Stage: StageStart, Doc: "domain in the NTLM message of a session setup"},
		{Field: SMBVersion, Keyword: "smb.version", Kind: KindUint, Width: 8, Dirs: BothWays, On: smbOn, Stage: StageStart, Doc: "1 for SMB 1, 2 for SMB 2 and 3"},
		{Field: DCERPCStubData, Keyword: "dcerpc.stub_data", Aliases: []string{"dce_stub_data"}, Kind: KindBytes, Dirs: BothWays, On: rpcOn, Stage: StageStart, Doc: "arguments of a remote procedure call, or its results, put together from all fragments"},
		{Field: NFSVersion, Keyword: "nfs.version", Aliases: []string{"nfs_version"}, Kind: KindUint, Width: 32, Dirs: ToServerOnly, On: nfsOn, Stage: StageStart, Doc: "version of NFS: 2, 3 or 4"},
		{Field: KRB5MsgType, Keyword: "krb5_msg_type", Aliases: []string{"krb5.msg_type"}, Kind: KindUint, Width: 32, Dirs: BothWays, On: krb5On, Stage: StageStart, Doc: "number of the Kerberos message: 10 AS-REQ, 11 AS-REP, 12 TGS-REQ, 13 TGS-REP, 30 error"},
		{Field: KRB5ErrCode, Keyword: "krb5_err_code", Aliases: []string{"krb5.err_code"}, Kind: KindUint, Width: 32, Dirs: BothWays, On: krb5On, Stage: StageStart, Doc: "code of a Kerberos error message (RFC 4120 section 7.5.9)"},
		{Field: KRB5CName, Keyword: "krb5.cname", Aliases: []string{"krb5_cname"}, Kind: KindBytes, Dirs: ToClientOnly, On: krb5On, Stage: StageStart, Multi: true, Doc: "each part of the client's name"},
		{Field: KRB5SName, Keyword: "krb5.sname", Aliases: []string{"krb5_sname"}, Kind: KindBytes, Dirs: ToClientOnly, On: krb5On, Stage: StageStart, Multi: true, Doc: "each part of the server's name"},
	}
}
