package protocol

import "slices"

// frameNames are the frames that parsers mark beside "pdu", which the parser
// of any protocol may.
var frameNames = map[ID][]string{
	HTTP1:     {"request", "response"},
	HTTP2:     {"hdr", "data"},
	DOH2:      {"hdr", "data"},
	ENIP:      {"hdr", "data"},
	DCERPC:    {"hdr", "data"},
	MQTT:      {"header", "data"},
	WebSocket: {"header", "data"},
	SSH:       {"record.hdr", "record.data", "record.pdu"},
	TLS:       {"hdr", "data", "alert", "heartbeat", "ssl2.hdr", "ssl2.pdu"},
	SMTP:      {"command_line", "response_line", "data"},
	FTP:       {"command_line", "response_line"},
	SIP:       {"request.line", "request.headers", "request.body", "response.line", "response.headers", "response.body"},
	Telnet:    {"ctl", "data"},
	SMB: {"nbss.pdu", "nbss.hdr", "nbss.data", "smb1.pdu", "smb1.hdr", "smb1.data", "smb2.pdu", "smb2.hdr", "smb2.data",
		"smb3.pdu", "smb3.hdr", "smb3.data"},
	NFS: {"rpc.pdu", "rpc.hdr", "rpc.data", "rpc.creds", "nfs.pdu", "nfs.status", "nfs4.pdu", "nfs4.status", "nfs4.hdr", "nfs4.ops"},
}

// FrameNames are the names of the frames that the parser of a protocol marks.
func FrameNames(id ID) []string { return append(slices.Clone(frameNames[id]), "pdu") }
