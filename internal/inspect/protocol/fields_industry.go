package protocol

import "slices"

// Fields of industrial protocols, IKE, RFB and PostgreSQL.
const (
	ModbusFunction Field = familyIndustry + iota
	ModbusAddress
	ModbusValue
	ModbusUnit

	ENIPCommand
	ENIPStatus
	ENIPVersion
	ENIPRevision
	ENIPIdentityStatus
	ENIPState
	ENIPSerial
	ENIPProductCode
	ENIPDeviceType
	ENIPVendor
	ENIPProductName
	ENIPServiceName
	ENIPCapabilities
	CIPService // several, in order
	CIPStatus
	CIPExtendedStatus
	CIPClass
	CIPInstance
	CIPAttribute

	DNP3Function
	DNP3Indicators
	DNP3Data

	IKEInitSPI
	IKERespSPI
	IKEExchange
	IKEVendor // several
	IKEKeyExchange
	IKEKeyExchangeLength
	IKENonce
	IKENonceLength

	RFBName
	RFBSecurityType
	RFBSecurityResult

	PGSQLQuery
)

var (
	onENIP  = []ID{ENIP}
	onDNP3  = []ID{DNP3}
	onIKE   = []ID{IKE}
	onRFB   = []ID{RFB}
	onPGSQL = []ID{PGSQL}
)

func industryFields() []FieldSpec {
	return slices.Concat(enipFields(), dnp3Fields(), ikeFields(), sessionFields())
}

// ENIPCommands are the encapsulation commands of EtherNet/IP by name.
func ENIPCommands() map[string]uint64 {
	return map[string]uint64{
		"nop": 0, "list_services": 4, "list_identity": 0x63, "list_interfaces": 0x64, "register_session": 0x65,
		"unregister_session": 0x66, "send_rr_data": 0x6f, "send_rrdata": 0x6f, "send_unit_data": 0x70, "indicate_status": 0x72, "cancel": 0x73,
	}
}

// ENIPStatuses are the encapsulation status codes of EtherNet/IP by name.
func ENIPStatuses() map[string]uint64 {
	return map[string]uint64{
		"success": 0, "invalid_cmd": 1, "no_resources": 2, "incorrect_data": 3, "invalid_session": 0x64,
		"invalid_length": 0x65, "unsupported_prot_rev": 0x69, "encap_header_error": 0x6a,
	}
}

func enipFields() []FieldSpec {
	number := func(f Field, keyword string, width uint8, doc string) FieldSpec {
		return FieldSpec{Field: f, Keyword: keyword, Kind: KindUint, Width: width, Dirs: BothWays, On: onENIP, Stage: StageDone, Doc: doc}
	}
	rows := []FieldSpec{
		number(ENIPStatus, "enip.status", 32, "status in the encapsulation header"),
		number(ENIPVersion, "enip.protocol_version", 16, "protocol version in session, service and identity messages"),
		number(ENIPRevision, "enip.revision", 16, "revision in an identity"),
		number(ENIPIdentityStatus, "enip.identity_status", 16, "status in an identity"),
		number(ENIPState, "enip.state", 8, "state in an identity"),
		number(ENIPSerial, "enip.serial", 32, "serial number in an identity"),
		number(ENIPProductCode, "enip.product_code", 16, "product code in an identity"),
		number(ENIPDeviceType, "enip.device_type", 16, "device type in an identity"),
		number(ENIPVendor, "enip.vendor_id", 16, "vendor in an identity"),
		number(ENIPCapabilities, "enip.capabilities", 16, "capabilities in a list of services"),
	}
	rows[0].Names = ENIPStatuses()
	command := number(ENIPCommand, "enip.command", 16, "command in the encapsulation header")
	command.Aliases, command.Names = []string{"enip_command"}, ENIPCommands()
	return append(rows, command,
		FieldSpec{Field: ENIPProductName, Keyword: "enip.product_name", Kind: KindBytes, Dirs: BothWays, On: onENIP, Stage: StageDone, Doc: "product name in an identity"},
		FieldSpec{Field: ENIPServiceName, Keyword: "enip.service_name", Kind: KindBytes, Dirs: BothWays, On: onENIP, Stage: StageDone, Doc: "service name in a list of services"},
	)
}

// DNP3Functions are the application function codes of DNP3 by name (IEEE 1815).
func DNP3Functions() map[string]uint64 {
	m := make(map[string]uint64, 40)
	for i, n := range []string{
		"confirm", "read", "write", "select", "operate", "direct_operate", "direct_operate_nr", "immed_freeze",
		"immed_freeze_nr", "freeze_clear", "freeze_clear_nr", "freeze_at_time", "freeze_at_time_nr", "cold_restart",
		"warm_restart", "initialize_data", "initialize_appl", "start_appl", "stop_appl", "save_config",
		"enable_unsolicited", "disable_unsolicited", "assign_class", "delay_measure", "record_current_time", "open_file",
		"close_file", "delete_file", "get_file_info", "authenticate_file", "abort_file", "activate_config",
		"authenticate_req", "authenticate_err",
	} {
		m[n] = uint64(i)
	}
	m["response"], m["unsolicited_response"], m["authenticate_resp"] = 129, 130, 131
	return m
}

func dnp3Fields() []FieldSpec {
	return []FieldSpec{
		{Field: DNP3Function, Keyword: "dnp3_func", Aliases: []string{"dnp3.func"}, Kind: KindUint, Width: 8, Dirs: BothWays, On: onDNP3, Stage: StageDone, Names: DNP3Functions(), Doc: "application function code"},
		{Field: DNP3Data, Keyword: "dnp3.data", Aliases: []string{"dnp3_data"}, Kind: KindBytes, Dirs: BothWays, On: onDNP3, Stage: StageDone, Doc: "application fragment put together from its frames, without their checksums"},
	}
}

func ikeFields() []FieldSpec {
	return []FieldSpec{
		{Field: IKEInitSPI, Keyword: "ike.init_spi", Kind: KindBytes, Dirs: ToServerOnly, On: onIKE, Stage: StageDone, Doc: "security parameter index of the initiator, as 16 hexadecimal digits"},
		{Field: IKERespSPI, Keyword: "ike.resp_spi", Kind: KindBytes, Dirs: ToClientOnly, On: onIKE, Stage: StageDone, Doc: "security parameter index of the responder, as 16 hexadecimal digits"},
		{Field: IKEExchange, Keyword: "ike.exchtype", Kind: KindUint, Width: 8, Dirs: BothWays, On: onIKE, Stage: StageDone, Doc: "exchange type"},
		{Field: IKEVendor, Keyword: "ike.vendor", Kind: KindBytes, Dirs: ToServerOnly, On: onIKE, Stage: StageDone, Multi: true, Doc: "vendor identifier, in hexadecimal"},
		{Field: IKEKeyExchange, Keyword: "ike.key_exchange_payload", Kind: KindBytes, Dirs: BothWays, On: onIKE, Stage: StageDone, Doc: "public value of the key exchange"},
		{Field: IKEKeyExchangeLength, Keyword: "ike.key_exchange_payload_length", Kind: KindUint, Width: 32, Dirs: BothWays, On: onIKE, Stage: StageDone, Doc: "length of the key exchange payload in bytes"},
		{Field: IKENonce, Keyword: "ike.nonce_payload", Kind: KindBytes, Dirs: BothWays, On: onIKE, Stage: StageDone, Doc: "nonce"},
		{Field: IKENonceLength, Keyword: "ike.nonce_payload_length", Kind: KindUint, Width: 32, Dirs: BothWays, On: onIKE, Stage: StageDone, Doc: "length of the nonce in bytes"},
	}
}

func sessionFields() []FieldSpec {
	return []FieldSpec{
		{Field: RFBName, Keyword: "rfb.name", Kind: KindBytes, Dirs: ToClientOnly, On: onRFB, Stage: StageDone, Doc: "name of the desktop"},
		{Field: RFBSecurityType, Keyword: "rfb.sectype", Kind: KindUint, Width: 32, Dirs: ToServerOnly, On: onRFB, Stage: StageDone, Doc: "security type chosen"},
		{Field: PGSQLQuery, Keyword: "pgsql.query", Kind: KindBytes, Dirs: ToServerOnly, On: onPGSQL, Stage: StageDone, Doc: "text of a simple query"},
	}
}
