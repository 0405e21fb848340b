package protocol

import (
	"slices"
	"strings"
)

// Fields of DNS and multicast DNS. Requests and responses are transactions of
// their own, each seen in its own direction only.
const (
	DNSQuery Field = familyName + iota
	DNSQueriesName
	DNSAnswersName
	DNSAuthoritiesName
	DNSAdditionalsName
	DNSResponseName
	DNSOpcode
	DNSRcode
	DNSRrtype // several: offered to a Keyword, see the dns package
	MDNSQueriesName
	MDNSAnswersName
	MDNSAuthoritiesName
	MDNSAdditionalsName
	MDNSResponseName

	MQTTType // several
	MQTTQoS  // several
	MQTTReasonCode
	MQTTProtocolVersion
	MQTTClientID
	MQTTUsername
	MQTTPassword
	MQTTWillTopic
	MQTTWillMessage
	MQTTProtocolString
	MQTTPublishTopic
	MQTTPublishMessage
	MQTTSubscribeTopic
	MQTTUnsubscribeTopic

	SIPMethod
	SIPURI
	SIPRequestLine
	SIPResponseLine
	SIPStatCode
	SIPStatMsg
	SIPProtocol
	SIPFrom
	SIPTo
	SIPVia
	SIPUserAgent
	SIPContentType
	SIPContentLength
	SDPOrigin
	SDPSessionName
	SDPSessionInfo
	SDPURI
	SDPEmail
	SDPPhone
	SDPConnection
	SDPBandwidth
	SDPTime
	SDPRepeatTime
	SDPTimezone
	SDPEncryptionKey
	SDPAttribute
	SDPMedia
	SDPMediaInfo
	SDPMediaConnection
	SDPMediaKey

	SNMPVersion
	SNMPCommunity
	SNMPUser
	SNMPPduType
	SNMPTrapType

	DHCPLease
	DHCPRebinding
	DHCPRenewal

	NTPVersion
	NTPStratum
	NTPMode
	NTPReference
)

var (
	onDNS  = []ID{DNS}
	onMDNS = []ID{MDNS}
	onMQTT = []ID{MQTT}
	onSIP  = []ID{SIP}
	onSNMP = []ID{SNMP}
	onDHCP = []ID{DHCP}
	onNTP  = []ID{NTP}
)

func nameFields() []FieldSpec {
	return slices.Concat(dnsFields(), mqttFields(), sipFields(), sdpFields(), smallUDPFields())
}

// DNSRcodes are the response codes by the names that rules may write (RFC 6895).
func DNSRcodes() map[string]uint64 {
	return map[string]uint64{
		"noerror": 0, "formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5, "yxdomain": 6,
		"yxrrset": 7, "nxrrset": 8, "notauth": 9, "notzone": 10, "badvers": 16, "badsig": 16, "badkey": 17,
		"badtime": 18, "badmode": 19, "badname": 20, "badalg": 21, "badtrunc": 22,
	}
}

func dnsFields() []FieldSpec {
	return []FieldSpec{
		{Field: DNSQuery, Keyword: "dns.query", Aliases: []string{"dns_query"}, Kind: KindBytes, Dirs: ToServerOnly, On: onDNS, Stage: StageDone, Multi: true, Doc: "name asked for, in a request"},
		{Field: DNSQueriesName, Keyword: "dns.queries.rrname", Aliases: []string{"dns.query.name"}, Kind: KindBytes, Dirs: BothWays, On: onDNS, Stage: StageDone, Multi: true, Doc: "name in the question section, of requests and responses"},
		{Field: DNSAnswersName, Keyword: "dns.answers.rrname", Aliases: []string{"dns.answer.name"}, Kind: KindBytes, Dirs: BothWays, On: onDNS, Stage: StageDone, Multi: true, Doc: "owner name of an answer record"},
		{Field: DNSAuthoritiesName, Keyword: "dns.authorities.rrname", Kind: KindBytes, Dirs: BothWays, On: onDNS, Stage: StageDone, Multi: true, Doc: "owner name of a record in the authority section"},
		{Field: DNSAdditionalsName, Keyword: "dns.additionals.rrname", Kind: KindBytes, Dirs: BothWays, On: onDNS, Stage: StageDone, Multi: true, Doc: "owner name of a record in the additional section"},
		{Field: DNSResponseName, Keyword: "dns.response.rrname", Kind: KindBytes, Dirs: ToClientOnly, On: onDNS, Stage: StageDone, Multi: true, Doc: "any name in a response: of questions, owners, and record data that is a name (CNAME, PTR, MX, NS, SOA)"},
		{Field: DNSOpcode, Keyword: "dns.opcode", Kind: KindUint, Width: 8, Dirs: BothWays, On: onDNS, Stage: StageDone, Doc: "operation code in the header"},
		{Field: DNSRcode, Keyword: "dns.rcode", Kind: KindUint, Width: 16, Dirs: BothWays, On: onDNS, Stage: StageDone, Names: DNSRcodes(), Doc: "response code in the header"},
		{Field: MDNSQueriesName, Keyword: "mdns.queries.rrname", Kind: KindBytes, Dirs: BothWays, On: onMDNS, Stage: StageDone, Multi: true, Doc: "name asked for"},
		{Field: MDNSAnswersName, Keyword: "mdns.answers.rrname", Kind: KindBytes, Dirs: BothWays, On: onMDNS, Stage: StageDone, Multi: true, Doc: "owner name of an answer record"},
		{Field: MDNSAuthoritiesName, Keyword: "mdns.authorities.rrname", Kind: KindBytes, Dirs: BothWays, On: onMDNS, Stage: StageDone, Multi: true, Doc: "owner name of a record in the authority section"},
		{Field: MDNSAdditionalsName, Keyword: "mdns.additionals.rrname", Kind: KindBytes, Dirs: BothWays, On: onMDNS, Stage: StageDone, Multi: true, Doc: "owner name of a record in the additional section"},
		{Field: MDNSResponseName, Keyword: "mdns.response.rrname", Kind: KindBytes, Dirs: BothWays, On: onMDNS, Stage: StageDone, Multi: true, Doc: "any name in a response, also record data that is a name"},
	}
}

func mqttFields() []FieldSpec {
	return []FieldSpec{
		{Field: MQTTProtocolVersion, Keyword: "mqtt.protocol_version", Kind: KindUint, Width: 8, Dirs: BothWays, On: onMQTT, Stage: StageDone, Doc: "protocol version of the connection (3, 4 or 5)"},
		{Field: MQTTQoS, Keyword: "mqtt.qos", Kind: KindUint, Width: 8, Dirs: BothWays, On: onMQTT, Stage: StageDone, Multi: true, Doc: "quality of service in the fixed header (0, 1 or 2)"},
		{Field: MQTTClientID, Keyword: "mqtt.connect.clientid", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Doc: "client identifier of CONNECT"},
		{Field: MQTTUsername, Keyword: "mqtt.connect.username", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Doc: "user name of CONNECT"},
		{Field: MQTTPassword, Keyword: "mqtt.connect.password", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Doc: "password of CONNECT"},
		{Field: MQTTWillTopic, Keyword: "mqtt.connect.willtopic", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Doc: "topic of the will of CONNECT"},
		{Field: MQTTWillMessage, Keyword: "mqtt.connect.willmessage", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Doc: "message of the will of CONNECT"},
		{Field: MQTTProtocolString, Keyword: "mqtt.connect.protocol_string", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Doc: "protocol name of CONNECT (MQTT, MQIsdp)"},
		{Field: MQTTPublishTopic, Keyword: "mqtt.publish.topic", Kind: KindBytes, Dirs: BothWays, On: onMQTT, Stage: StageDone, Doc: "topic of PUBLISH"},
		{Field: MQTTPublishMessage, Keyword: "mqtt.publish.message", Kind: KindBytes, Dirs: BothWays, On: onMQTT, Stage: StageDone, Doc: "message of PUBLISH"},
		{Field: MQTTSubscribeTopic, Keyword: "mqtt.subscribe.topic", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Multi: true, Doc: "topic filter of SUBSCRIBE"},
		{Field: MQTTUnsubscribeTopic, Keyword: "mqtt.unsubscribe.topic", Kind: KindBytes, Dirs: ToServerOnly, On: onMQTT, Stage: StageDone, Multi: true, Doc: "topic filter of UNSUBSCRIBE"},
	}
}

func sipFields() []FieldSpec {
	return []FieldSpec{
		{Field: SIPMethod, Keyword: "sip.method", Kind: KindBytes, Dirs: ToServerOnly, On: onSIP, Stage: StageDone, Doc: "method of a request"},
		{Field: SIPURI, Keyword: "sip.uri", Kind: KindBytes, Dirs: ToServerOnly, On: onSIP, Stage: StageDone, Doc: "URI of a request"},
		{Field: SIPRequestLine, Keyword: "sip.request_line", Kind: KindBytes, Dirs: ToServerOnly, On: onSIP, Stage: StageDone, Doc: "whole first line of a request"},
		{Field: SIPResponseLine, Keyword: "sip.response_line", Kind: KindBytes, Dirs: ToClientOnly, On: onSIP, Stage: StageDone, Doc: "whole first line of a response"},
		{Field: SIPStatCode, Keyword: "sip.stat_code", Kind: KindBytes, Dirs: ToClientOnly, On: onSIP, Stage: StageDone, Doc: "status code of a response, as text"},
		{Field: SIPStatMsg, Keyword: "sip.stat_msg", Kind: KindBytes, Dirs: ToClientOnly, On: onSIP, Stage: StageDone, Doc: "reason phrase of a response"},
		{Field: SIPProtocol, Keyword: "sip.protocol", Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Doc: "protocol in the first line (SIP/2.0)"},
		{Field: SIPFrom, Keyword: "sip.from", Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Multi: true, Doc: "value of the From header, also in its short form"},
		{Field: SIPTo, Keyword: "sip.to", Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Multi: true, Doc: "value of the To header, also in its short form"},
		{Field: SIPVia, Keyword: "sip.via", Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Multi: true, Doc: "value of a Via header, also in its short form"},
		{Field: SIPUserAgent, Keyword: "sip.user_agent", Aliases: []string{"sip.ua"}, Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Multi: true, Doc: "value of the User-Agent header"},
		{Field: SIPContentType, Keyword: "sip.content_type", Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Multi: true, Doc: "value of the Content-Type header, also in its short form"},
		{Field: SIPContentLength, Keyword: "sip.content_length", Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Multi: true, Doc: "value of the Content-Length header, also in its short form"},
	}
}

func sdpFields() []FieldSpec {
	row := func(f Field, name string, multi bool, doc string) FieldSpec {
		spec := FieldSpec{Field: f, Keyword: "sdp." + name, Kind: KindBytes, Dirs: BothWays, On: onSIP, Stage: StageDone, Multi: multi, Doc: doc}
		if part, ok := strings.CutPrefix(name, "media."); ok {
			spec.Aliases = []string{"sdp.media_description." + part}
		}
		return spec
	}
	return []FieldSpec{
		row(SDPOrigin, "origin", false, "originator of the session (o=)"),
		row(SDPSessionName, "session_name", false, "name of the session (s=)"),
		row(SDPSessionInfo, "session_info", false, "description of the session (i=)"),
		row(SDPURI, "uri", false, "URI about the session (u=)"),
		row(SDPEmail, "email", false, "mail address (e=)"),
		row(SDPPhone, "phone_number", false, "telephone number (p=)"),
		row(SDPConnection, "connection_data", false, "connection of the session (c=)"),
		row(SDPBandwidth, "bandwidth", true, "bandwidth of the session (b=)"),
		row(SDPTime, "time", true, "time of the session (t=)"),
		row(SDPRepeatTime, "repeat_time", true, "repeat times of the session (r=)"),
		row(SDPTimezone, "timezone", false, "time zones of the session (z=)"),
		row(SDPEncryptionKey, "encryption_key", false, "key of the session (k=)"),
		row(SDPAttribute, "attribute", true, "attribute of the session (a=)"),
		row(SDPMedia, "media.media", true, "media line (m=)"),
		row(SDPMediaInfo, "media.session_info", true, "description of a medium (i=)"),
		row(SDPMediaConnection, "media.connection_data", true, "connection of a medium (c=)"),
		row(SDPMediaKey, "media.encryption_key", true, "key of a medium (k=)"),
	}
}

func smallUDPFields() []FieldSpec {
	return []FieldSpec{
		{Field: SNMPVersion, Keyword: "snmp.version", Kind: KindUint, Width: 32, Dirs: BothWays, On: onSNMP, Stage: StageDone, Doc: "protocol version: 1, 2 (2c) or 3"},
		{Field: SNMPCommunity, Keyword: "snmp.community", Kind: KindBytes, Dirs: BothWays, On: onSNMP, Stage: StageDone, Doc: "community of versions 1 and 2c"},
		{Field: SNMPUser, Keyword: "snmp.usm", Kind: KindBytes, Dirs: BothWays, On: onSNMP, Stage: StageDone, Doc: "user name of version 3"},
		{Field: SNMPPduType, Keyword: "snmp.pdu_type", Kind: KindUint, Width: 32, Dirs: BothWays, On: onSNMP, Stage: StageDone, Names: SNMPPduTypes(), Doc: "kind of message: 0 get, 1 get-next, 2 response, 3 set, 4 trap of version 1, 5 get-bulk, 6 inform, 7 trap, 8 report"},
		{Field: SNMPTrapType, Keyword: "snmp.trap_type", Kind: KindUint, Width: 32, Dirs: BothWays, On: onSNMP, Stage: StageDone, Names: SNMPTrapTypes(), Doc: "generic trap number of a version 1 trap"},
		{Field: DHCPLease, Keyword: "dhcp.leasetime", Kind: KindUint, Width: 64, Dirs: BothWays, On: onDHCP, Stage: StageDone, Doc: "lease time in seconds"},
		{Field: DHCPRebinding, Keyword: "dhcp.rebinding_time", Kind: KindUint, Width: 64, Dirs: BothWays, On: onDHCP, Stage: StageDone, Doc: "rebinding time in seconds"},
		{Field: DHCPRenewal, Keyword: "dhcp.renewal_time", Kind: KindUint, Width: 64, Dirs: BothWays, On: onDHCP, Stage: StageDone, Doc: "renewal time in seconds"},
		{Field: NTPVersion, Keyword: "ntp.version", Kind: KindUint, Width: 8, Dirs: BothWays, On: onNTP, Stage: StageDone, Doc: "protocol version"},
		{Field: NTPStratum, Keyword: "ntp.stratum", Kind: KindUint, Width: 8, Dirs: BothWays, On: onNTP, Stage: StageDone, Doc: "stratum of the sender's clock"},
		{Field: NTPMode, Keyword: "ntp.mode", Kind: KindUint, Width: 8, Dirs: BothWays, On: onNTP, Stage: StageDone, Names: NTPModes(), Doc: "mode of the message"},
		{Field: NTPReference, Keyword: "ntp.reference_id", Kind: KindBytes, Dirs: BothWays, On: onNTP, Stage: StageDone, Doc: "the four bytes that name the reference clock"},
	}
}

// SNMPPduTypes are the kinds of SNMP messages by name (RFC 3416).
func SNMPPduTypes() map[string]uint64 {
	return map[string]uint64{
		"get_request": 0, "get_next_request": 1, "response": 2, "set_request": 3, "trap_v1": 4,
		"get_bulk_request": 5, "inform_request": 6, "trap_v2": 7, "report": 8,
	}
}

// SNMPTrapTypes are the generic traps of SNMP version 1 by name (RFC 1157).
func SNMPTrapTypes() map[string]uint64 {
	return map[string]uint64{
		"cold_start": 0, "warm_start": 1, "link_down": 2, "link_up": 3, "authentication_failure": 4,
		"egp_neighbor_loss": 5, "enterprise_specific": 6, "coldstart": 0, "warmstart": 1, "linkdown": 2, "linkup": 3,
		"authenticationfailure": 4, "egpneighborloss": 5, "enterprisespecific": 6,
	}
}

// NTPModes are the modes of NTP messages by name (RFC 5905).
func NTPModes() map[string]uint64 {
	return map[string]uint64{
		"reserved": 0, "symmetric_active": 1, "symmetric_passive": 2, "client": 3, "server": 4,
		"broadcast": 5, "control": 6, "private": 7,
	}
}
