package protocol

// ID is an application layer protocol.
type ID uint8

// The protocols. Unknown is "not yet known"; Failed is "looked, and it is none
// of those we know". Any stands for every protocol in FieldSpec.On.
const (
	Unknown ID = iota
	Failed
	HTTP1
	HTTP2
	WebSocket
	TLS
	QUIC
	DNS
	MDNS
	SSH
	SMTP
	POP3
	IMAP
	FTP
	FTPData
	TFTP
	SMB
	DCERPC
	NFS
	SIP
	SNMP
	DHCP
	NTP
	Telnet
	KRB5
	RDP
	MQTT
	IKE
	RFB
	LDAP
	PGSQL
	Modbus
	ENIP
	DNP3
	RTSP
	RTP
	CoAP
	BitTorrentDHT
	DOH2 // HTTP/2 that carries DNS (RFC 8484): rules about either apply
	Any
	NumIDs = iota
)

var names = [NumIDs]string{
	Unknown: "unknown", Failed: "failed", HTTP1: "http", HTTP2: "http2", WebSocket: "websocket", TLS: "tls", QUIC: "quic",
	DNS: "dns", MDNS: "mdns", SSH: "ssh", SMTP: "smtp", POP3: "pop3", IMAP: "imap", FTP: "ftp", FTPData: "ftp-data",
	TFTP: "tftp", SMB: "smb", DCERPC: "dcerpc", NFS: "nfs", SIP: "sip", SNMP: "snmp", DHCP: "dhcp", NTP: "ntp",
	Telnet: "telnet", KRB5: "krb5", RDP: "rdp", MQTT: "mqtt", IKE: "ike", RFB: "rfb", LDAP: "ldap", PGSQL: "pgsql",
	Modbus: "modbus", ENIP: "enip", DNP3: "dnp3", RTSP: "rtsp", RTP: "rtp", CoAP: "coap", BitTorrentDHT: "bittorrent-dht", DOH2: "doh2",
	Any: "any",
}

// String is the name that eve.json's app_proto and rule headers use. Rules
// also write "http1" for HTTP1, and "http" for HTTP1 and HTTP2 together.
func (id ID) String() string {
	if int(id) < len(names) {
		return names[id]
	}
	return "invalid"
}
