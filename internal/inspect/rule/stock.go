package rule

// StockVariables are the address and port groups of Suricata's stock
// configuration, with HOME_NET as given ("" for the private IPv4 networks). The
// maps are the caller's.
func StockVariables(home string) (addresses, ports map[string]string) {
	if home == "" {
		home = "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"
	}
	addresses = map[string]string{"HOME_NET": home, "EXTERNAL_NET": "!$HOME_NET", "AIM_SERVERS": "$EXTERNAL_NET"}
	for _, n := range [...]string{"HTTP_SERVERS", "SMTP_SERVERS", "SQL_SERVERS", "DNS_SERVERS", "TELNET_SERVERS", "DC_SERVERS", "DNP3_SERVER",
		"DNP3_CLIENT", "MODBUS_CLIENT", "MODBUS_SERVER", "ENIP_CLIENT", "ENIP_SERVER"} {
		addresses[n] = "$HOME_NET"
	}
	ports = map[string]string{"HTTP_PORTS": "80", "SHELLCODE_PORTS": "!80", "ORACLE_PORTS": "1521", "SSH_PORTS": "22", "DNP3_PORTS": "20000",
		"MODBUS_PORTS": "502", "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]", "FTP_PORTS": "21", "GENEVE_PORTS": "6081", "VXLAN_PORTS": "4789",
		"TEREDO_PORTS": "3544", "SIP_PORTS": "[5060, 5061]"}
	return addresses, ports
}
