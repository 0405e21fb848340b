package rule

import (
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/dcerpc"
	"github.com/masugata/masugata/internal/inspect/protocol/dns"
	"github.com/masugata/masugata/internal/inspect/protocol/ftp"
	"github.com/masugata/masugata/internal/inspect/protocol/http"
	"github.com/masugata/masugata/internal/inspect/protocol/http2"
	"github.com/masugata/masugata/internal/inspect/protocol/modbus"
	"github.com/masugata/masugata/internal/inspect/protocol/mqtt"
	"github.com/masugata/masugata/internal/inspect/protocol/smtp"
	"github.com/masugata/masugata/internal/inspect/protocol/ssh"
	"github.com/masugata/masugata/internal/inspect/protocol/tls"
)

// testSpecs are enough protocols for the rules of the tests.
func testSpecs() []protocol.Spec {
	return []protocol.Spec{
		http.Spec(), http2.Spec(), dns.Spec(), tls.Spec(), ssh.Spec(), smtp.Spec(), ftp.Spec(), ftp.DataSpec(),
		dcerpc.Spec(), mqtt.Spec(), modbus.Spec(),
	}
}
