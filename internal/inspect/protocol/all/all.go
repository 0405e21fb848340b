// Package all lists every application layer parser there is. It knows their
// names and nothing else; the engine and the rule commands call it.
package all

import (
	"slices"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/bittorrentdht"
	"github.com/masugata/masugata/internal/inspect/protocol/coap"
	"github.com/masugata/masugata/internal/inspect/protocol/dcerpc"
	"github.com/masugata/masugata/internal/inspect/protocol/dhcp"
	"github.com/masugata/masugata/internal/inspect/protocol/dnp3"
	"github.com/masugata/masugata/internal/inspect/protocol/dns"
	"github.com/masugata/masugata/internal/inspect/protocol/enip"
	"github.com/masugata/masugata/internal/inspect/protocol/ftp"
	"github.com/masugata/masugata/internal/inspect/protocol/http"
	"github.com/masugata/masugata/internal/inspect/protocol/http2"
	"github.com/masugata/masugata/internal/inspect/protocol/ike"
	"github.com/masugata/masugata/internal/inspect/protocol/imap"
	"github.com/masugata/masugata/internal/inspect/protocol/krb5"
	"github.com/masugata/masugata/internal/inspect/protocol/ldap"
	"github.com/masugata/masugata/internal/inspect/protocol/modbus"
	"github.com/masugata/masugata/internal/inspect/protocol/mqtt"
	"github.com/masugata/masugata/internal/inspect/protocol/nfs"
	"github.com/masugata/masugata/internal/inspect/protocol/ntp"
	"github.com/masugata/masugata/internal/inspect/protocol/pgsql"
	"github.com/masugata/masugata/internal/inspect/protocol/pop3"
	"github.com/masugata/masugata/internal/inspect/protocol/quic"
	"github.com/masugata/masugata/internal/inspect/protocol/rdp"
	"github.com/masugata/masugata/internal/inspect/protocol/rfb"
	"github.com/masugata/masugata/internal/inspect/protocol/rtp"
	"github.com/masugata/masugata/internal/inspect/protocol/rtsp"
	"github.com/masugata/masugata/internal/inspect/protocol/sip"
	"github.com/masugata/masugata/internal/inspect/protocol/smb"
	"github.com/masugata/masugata/internal/inspect/protocol/smtp"
	"github.com/masugata/masugata/internal/inspect/protocol/snmp"
	"github.com/masugata/masugata/internal/inspect/protocol/ssh"
	"github.com/masugata/masugata/internal/inspect/protocol/telnet"
	"github.com/masugata/masugata/internal/inspect/protocol/tftp"
	"github.com/masugata/masugata/internal/inspect/protocol/tls"
	"github.com/masugata/masugata/internal/inspect/protocol/websocket"
)

// Specs describes every parser, in the order in which first bytes are shown to
// them: those with unmistakable beginnings first.
func Specs() []protocol.Spec {
	web := []protocol.Spec{http2.Spec(), http2.DNSSpec(), http.Spec(), tls.Spec(), quic.Spec(), ssh.Spec(), websocket.Spec()}
	names := []protocol.Spec{dns.MDNSSpec(), dns.Spec(), dhcp.Spec(), ntp.Spec(), snmp.Spec(), tftp.Spec()}
	things := []protocol.Spec{mqtt.Spec(), sip.Spec(), rtsp.Spec(), coap.Spec(), modbus.Spec(), enip.Spec(), dnp3.Spec()}
	files := []protocol.Spec{smb.Spec(), dcerpc.Spec(), dcerpc.UDPSpec(), nfs.Spec(), krb5.Spec(), ldap.Spec(), smtp.Spec(), pop3.Spec(), imap.Spec(), ftp.Spec(), ftp.DataSpec()}
	others := []protocol.Spec{rdp.Spec(), ike.Spec(), rfb.Spec(), pgsql.Spec(), telnet.Spec(), bittorrentdht.Spec(), rtp.Spec()}
	return slices.Concat(web, names, things, files, others)
}
