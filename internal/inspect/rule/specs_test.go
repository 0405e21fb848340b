package rule

import (
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/dcerpc"
	"github.com/masugata/masugata/internal/inspect/protocol/dhcp"
	"github.com/masugata/masugata/internal/inspect/protocol/dnp3"
	"github.com/masugata/masugata/internal/inspect/protocol/dns"
	"github.com/masugata/masugata/internal/inspect/protocol/enip"
	"github.com/masugata/masugata/internal/inspect/protocol/ftp"
	"github.com/masugata/masugata/internal/inspect/protocol/http"
	"github.com/masugata/masugata/internal/inspect/protocol/http2"
	"github.com/masugata/masugata/internal/inspect/protocol/ike"
	"github.com/masugata/masugata/internal/inspect/protocol/ldap"
	"github.com/masugata/masugata/internal/inspect/protocol/modbus"
	"github.com/masugata/masugata/internal/inspect/protocol/mqtt"
	"github.com/masugata/masugata/internal/inspect/protocol/pgsql"
	"github.com/masugata/masugata/internal/inspect/protocol/quic"
	"github.com/masugata/masugata/internal/inspect/protocol/rfb"
	"github.com/masugata/masugata/internal/inspect/protocol/sip"
	"github.com/masugata/masugata/internal/inspect/protocol/smtp"
	"github.com/masugata/masugata/internal/inspect/protocol/snmp"
	"github.com/masugata/masugata/internal/inspect/protocol/ssh"
	"github.com/masugata/masugata/internal/inspect/protocol/tftp"
	"github.com/masugata/masugata/internal/inspect/protocol/tls"
)

// testSpecs are enough protocols for the rules of the tests.
func testSpecs() []protocol.Spec {
	return []protocol.Spec{
		http.Spec(), http2.Spec(), dns.Spec(), dns.MDNSSpec(), tls.Spec(), ssh.Spec(), smtp.Spec(), ftp.Spec(), ftp.DataSpec(),
		dcerpc.Spec(), mqtt.Spec(), modbus.Spec(), enip.Spec(), dnp3.Spec(), ike.Spec(), rfb.Spec(), pgsql.Spec(), ldap.Spec(),
		quic.Spec(), sip.Spec(), snmp.Spec(), dhcp.Spec(), tftp.Spec(),
	}
}
