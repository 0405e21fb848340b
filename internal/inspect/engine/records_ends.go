package engine

import (
	"net/netip"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// addr writes an address; those of IPv6 with every digit.
func (r *Records) addr(key string, a packet.Addr) {
	var b [64]byte
	n := netip.AddrFrom16(a)
	if n.Is4In6() {
		r.o.Text(key, n.Unmap().AppendTo(b[:0]))
		return
	}
	text := b[:0]
	for i, c := range a {
		if i > 0 && i&1 == 0 {
			text = append(text, ':')
		}
		text = append(text, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
	}
	r.o.Text(key, text)
}

func (r *Records) proto(n uint8) { r.o.Str("proto", ProtoName(n)) }

// ProtoName is how records call an IP protocol: its keyword in the registry
// of protocol numbers (https://www.iana.org/assignments/protocol-numbers), or
// its number.
func ProtoName(n uint8) string {
	if int(n) < len(protoNames) {
		return protoNames[n]
	}
	return strconv.Itoa(int(n))
}

var protoNames = [...]string{
	"HOPOPT", "ICMP", "IGMP", "GGP", "IP-in-IP", "ST", "TCP", "CBT", "EGP", "IGP", // 0
	"BBN-RCC-MON", "NVP-II", "PUP", "ARGUS", "EMCON", "XNET", "CHAOS", "UDP", "MUX", "DCN-MEAS", // 10
	"HMP", "PRM", "XNS-IDP", "TRUNK-1", "TRUNK-2", "LEAF-1", "LEAF-2", "RDP", "IRTP", "ISO-TP4", // 20
	"NETBLT", "MFE-NSP", "MERIT-INP", "DCCP", "3PC", "IDPR", "XTP", "DDP", "IDPR-CMTP", "TP++", // 30
	"IL", "IPv6", "SDRP", "IPv6-Route", "IPv6-Frag", "IDRP", "RSVP", "GRE", "DSR", "BNA", // 40
	"ESP", "AH", "I-NLSP", "SwIPe", "NARP", "MOBILE", "TLSP", "SKIP", "IPv6-ICMP", "IPv6-NoNxt", // 50
	"IPv6-Opts", "Any", "CFTP", "Any", "SAT-EXPAK", "KRYPTOLAN", "RVD", "IPPC", "Any", "SAT-MON", // 60
	"VISA", "IPCU", "CPNX", "CPHB", "WSN", "PVP", "BR-SAT-MON", "SUN-ND", "WB-MON", "WB-EXPAK", // 70
	"ISO-IP", "VMTP", "SECURE-VMTP", "VINES", "TTP", "NSFNET-IGP", "DGP", "TCF", "EIGRP", "OSPF", // 80
	"Sprite-RPC", "LARP", "MTP", "AX.25", "OS", "MICP", "SCC-SP", "ETHERIP", "ENCAP", "Any", // 90
	"GMTP", "IFMP", "PNNI", "PIM", "ARIS", "SCPS", "QNX", "A/N", "IPComp", "SNP", // 100
	"Compaq-Peer", "IPX-in-IP", "VRRP", "PGM", "Any", "L2TP", "DDX", "IATP", "STP", "SRP", // 110
	"UTI", "SMP", "SM", "PTP", "IS-IS", "FIRE", "CRTP", "CRUDP", "SSCOPMCE", "IPLT", // 120
	"SPS", "PIPE", "SCTP", "FC", "RSVP-E2E-IGNORE", "Mobility", "UDPLite", "MPLS-in-IP", "manet", "HIP", // 130
	"Shim6", "WESP", "ROHC", "Ethernet", // 140
}
