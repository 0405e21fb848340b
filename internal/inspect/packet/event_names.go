package packet

import (
	"slices"
	"strings"
)

// The decoder events, grouped by header. Their names in rules are in
// EventNames; those that end decoding also set Packet.Invalid.
const (
	EventIPv4PacketTooSmall Event = iota
	EventIPv4HLenTooSmall
	EventIPv4IPLenSmallerThanHLen
	EventIPv4TruncPacket
	EventIPv4OptInvalid
	EventIPv4OptInvalidLen
	EventIPv4OptMalformed
	EventIPv4OptPadRequired
	EventIPv4OptEOLRequired
	EventIPv4OptDuplicate
	EventIPv4OptUnknown
	EventIPv4WrongIPVersion
	EventIPv4ICMPv6
	EventIPv4FragPacketTooLarge
	EventIPv4FragOverlap
	EventIPv4FragIgnored
	EventICMPv4PacketTooSmall
	EventICMPv4UnknownType
	EventICMPv4UnknownCode
	EventICMPv4IPv4TruncPacket
	EventICMPv4IPv4UnknownVersion
	EventICMPv6UnknownType
	EventICMPv6UnknownCode
	EventICMPv6PacketTooSmall
	EventICMPv6IPv6UnknownVersion
	EventICMPv6IPv6TruncPacket
	EventICMPv6MLDMessageWithInvalidHopLimit
	EventICMPv6UnassignedType
	EventICMPv6ExperimentationType
	EventIPv6PacketTooSmall
	EventIPv6TruncPacket
	EventIPv6TruncExtHdr
	EventIPv6ExtHdrDuplFH
	EventIPv6ExtHdrUselessFH
	EventIPv6ExtHdrDuplRH
	EventIPv6ExtHdrDuplHH
	EventIPv6ExtHdrDuplDH
	EventIPv6ExtHdrDuplAH
	EventIPv6ExtHdrDuplEH
	EventIPv6ExtHdrInvalidOptLen
	EventIPv6WrongIPVersion
	EventIPv6ExtHdrAHResNotNull
	EventIPv6HopoptsUnknownOpt
	EventIPv6HopoptsOnlyPadding
	EventIPv6DstoptsUnknownOpt
	EventIPv6DstoptsOnlyPadding
	EventIPv6RHType0
	EventIPv6ZeroLenPadN
	EventIPv6FHNonZeroReservedField
	EventIPv6DataAfterNoneHeader
	EventIPv6UnknownNextHeader
	EventIPv6ICMPv4
	EventIPv6FragPacketTooLarge
	EventIPv6FragOverlap
	EventIPv6FragInvalidLength
	EventIPv6FragIgnored
	EventIPv6IPv4InIPv6TooSmall
	EventIPv6IPv4InIPv6WrongVersion
	EventIPv6IPv6InIPv6TooSmall
	EventIPv6IPv6InIPv6WrongVersion
	EventTCPPacketTooSmall
	EventTCPHLenTooSmall
	EventTCPInvalidOptLen
	EventTCPOptInvalidLen
	EventTCPOptDuplicate
	EventUDPPacketTooSmall
	EventUDPHLenTooSmall
	EventUDPHLenInvalid
	EventUDPLenInvalid
	EventSCTPPacketTooSmall
	EventESPPacketTooSmall
	EventARPPacketTooSmall
	EventARPUnsupportedHardware
	EventARPUnsupportedProtocol
	EventARPUnsupportedPacket
	EventARPInvalidHardwareSize
	EventARPInvalidProtocolSize
	EventARPUnsupportedOpcode
	EventIGMPPacketTooSmall
	EventSLLPacketTooSmall
	EventSLL2PacketTooSmall
	EventEthernetPacketTooSmall
	EventEthernetUnknownEthertype
	EventPPPPacketTooSmall
	EventPPPVJUPacketTooSmall
	EventPPPIP4PacketTooSmall
	EventPPPIP6PacketTooSmall
	EventPPPWrongType
	EventPPPUnsupProto
	EventPPPoEPacketTooSmall
	EventPPPoEWrongCode
	EventPPPoEMalformedTags
	EventGREPacketTooSmall
	EventGREWrongVersion
	EventGREVersion0Recur
	EventGREVersion0Flags
	EventGREVersion0HdrTooBig
	EventGREVersion0MalformedSREHdr
	EventGREVersion1Chksum
	EventGREVersion1Route
	EventGREVersion1SSR
	EventGREVersion1Recur
	EventGREVersion1Flags
	EventGREVersion1NoKey
	EventGREVersion1WrongProtocol
	EventGREVersion1MalformedSREHdr
	EventGREVersion1HdrTooBig
	EventVLANHeaderTooSmall
	EventVLANUnknownType
	EventVLANTooManyLayers
	EventVNTagHeaderTooSmall
	EventVNTagUnknownType
	EventETagHeaderTooSmall
	EventETagUnknownType
	EventIEEE8021ahHeaderTooSmall
	EventIPRawInvalidIPVersion
	EventNullPacketTooSmall
	EventNullUnsupportedType
	EventMPLSHeaderTooSmall
	EventMPLSPacketTooSmall
	EventMPLSBadLabelRouterAlert
	EventMPLSBadLabelImplicitNull
	EventMPLSBadLabelReserved
	EventMPLSUnknownPayloadType
	EventVXLANUnknownPayloadType
	EventGeneveUnknownPayloadType
	EventERSPANHeaderTooSmall
	EventERSPANUnsupportedVersion
	EventERSPANTooManyVLANLayers
	EventDCEPacketTooSmall
	EventCHDLCPacketTooSmall
	EventNSHHeaderTooSmall
	EventNSHUnsupportedVersion
	EventNSHBadHeaderLength
	EventNSHReservedType
	EventNSHUnsupportedType
	EventNSHUnknownPayload
	EventTooManyLayers
	EventAFPacketTruncPacket

	numEvents = iota
)

var eventNames = [numEvents]string{
	EventIPv4PacketTooSmall:                  "ipv4.pkt_too_small",
	EventIPv4HLenTooSmall:                    "ipv4.hlen_too_small",
	EventIPv4IPLenSmallerThanHLen:            "ipv4.iplen_smaller_than_hlen",
	EventIPv4TruncPacket:                     "ipv4.trunc_pkt",
	EventIPv4OptInvalid:                      "ipv4.opt_invalid",
	EventIPv4OptInvalidLen:                   "ipv4.opt_invalid_len",
	EventIPv4OptMalformed:                    "ipv4.opt_malformed",
	EventIPv4OptPadRequired:                  "ipv4.opt_pad_required",
	EventIPv4OptEOLRequired:                  "ipv4.opt_eol_required",
	EventIPv4OptDuplicate:                    "ipv4.opt_duplicate",
	EventIPv4OptUnknown:                      "ipv4.opt_unknown",
	EventIPv4WrongIPVersion:                  "ipv4.wrong_ip_version",
	EventIPv4ICMPv6:                          "ipv4.icmpv6",
	EventIPv4FragPacketTooLarge:              "ipv4.frag_pkt_too_large",
	EventIPv4FragOverlap:                     "ipv4.frag_overlap",
	EventIPv4FragIgnored:                     "ipv4.frag_ignored",
	EventICMPv4PacketTooSmall:                "icmpv4.pkt_too_small",
	EventICMPv4UnknownType:                   "icmpv4.unknown_type",
	EventICMPv4UnknownCode:                   "icmpv4.unknown_code",
	EventICMPv4IPv4TruncPacket:               "icmpv4.ipv4_trunc_pkt",
	EventICMPv4IPv4UnknownVersion:            "icmpv4.ipv4_unknown_ver",
	EventICMPv6UnknownType:                   "icmpv6.unknown_type",
	EventICMPv6UnknownCode:                   "icmpv6.unknown_code",
	EventICMPv6PacketTooSmall:                "icmpv6.pkt_too_small",
	EventICMPv6IPv6UnknownVersion:            "icmpv6.ipv6_unknown_version",
	EventICMPv6IPv6TruncPacket:               "icmpv6.ipv6_trunc_pkt",
	EventICMPv6MLDMessageWithInvalidHopLimit: "icmpv6.mld_message_with_invalid_hl",
	EventICMPv6UnassignedType:                "icmpv6.unassigned_type",
	EventICMPv6ExperimentationType:           "icmpv6.experimentation_type",
	EventIPv6PacketTooSmall:                  "ipv6.pkt_too_small",
	EventIPv6TruncPacket:                     "ipv6.trunc_pkt",
	EventIPv6TruncExtHdr:                     "ipv6.trunc_exthdr",
	EventIPv6ExtHdrDuplFH:                    "ipv6.exthdr_dupl_fh",
	EventIPv6ExtHdrUselessFH:                 "ipv6.exthdr_useless_fh",
	EventIPv6ExtHdrDuplRH:                    "ipv6.exthdr_dupl_rh",
	EventIPv6ExtHdrDuplHH:                    "ipv6.exthdr_dupl_hh",
	EventIPv6ExtHdrDuplDH:                    "ipv6.exthdr_dupl_dh",
	EventIPv6ExtHdrDuplAH:                    "ipv6.exthdr_dupl_ah",
	EventIPv6ExtHdrDuplEH:                    "ipv6.exthdr_dupl_eh",
	EventIPv6ExtHdrInvalidOptLen:             "ipv6.exthdr_invalid_optlen",
	EventIPv6WrongIPVersion:                  "ipv6.wrong_ip_version",
	EventIPv6ExtHdrAHResNotNull:              "ipv6.exthdr_ah_res_not_null",
	EventIPv6HopoptsUnknownOpt:               "ipv6.hopopts_unknown_opt",
	EventIPv6HopoptsOnlyPadding:              "ipv6.hopopts_only_padding",
	EventIPv6DstoptsUnknownOpt:               "ipv6.dstopts_unknown_opt",
	EventIPv6DstoptsOnlyPadding:              "ipv6.dstopts_only_padding",
	EventIPv6RHType0:                         "ipv6.rh_type_0",
	EventIPv6ZeroLenPadN:                     "ipv6.zero_len_padn",
	EventIPv6FHNonZeroReservedField:          "ipv6.fh_non_zero_reserved_field",
	EventIPv6DataAfterNoneHeader:             "ipv6.data_after_none_header",
	EventIPv6UnknownNextHeader:               "ipv6.unknown_next_header",
	EventIPv6ICMPv4:                          "ipv6.icmpv4",
	EventIPv6FragPacketTooLarge:              "ipv6.frag_pkt_too_large",
	EventIPv6FragOverlap:                     "ipv6.frag_overlap",
	EventIPv6FragInvalidLength:               "ipv6.frag_invalid_length",
	EventIPv6FragIgnored:                     "ipv6.frag_ignored",
	EventIPv6IPv4InIPv6TooSmall:              "ipv6.ipv4_in_ipv6_too_small",
	EventIPv6IPv4InIPv6WrongVersion:          "ipv6.ipv4_in_ipv6_wrong_version",
	EventIPv6IPv6InIPv6TooSmall:              "ipv6.ipv6_in_ipv6_too_small",
	EventIPv6IPv6InIPv6WrongVersion:          "ipv6.ipv6_in_ipv6_wrong_version",
	EventTCPPacketTooSmall:                   "tcp.pkt_too_small",
	EventTCPHLenTooSmall:                     "tcp.hlen_too_small",
	EventTCPInvalidOptLen:                    "tcp.invalid_optlen",
	EventTCPOptInvalidLen:                    "tcp.opt_invalid_len",
	EventTCPOptDuplicate:                     "tcp.opt_duplicate",
	EventUDPPacketTooSmall:                   "udp.pkt_too_small",
	EventUDPHLenTooSmall:                     "udp.hlen_too_small",
	EventUDPHLenInvalid:                      "udp.hlen_invalid",
	EventUDPLenInvalid:                       "udp.len_invalid",
	EventSCTPPacketTooSmall:                  "sctp.pkt_too_small",
	EventESPPacketTooSmall:                   "esp.pkt_too_small",
	EventARPPacketTooSmall:                   "arp.pkt_too_small",
	EventARPUnsupportedHardware:              "arp.unsupported_hardware",
	EventARPUnsupportedProtocol:              "arp.unsupported_protocol",
	EventARPUnsupportedPacket:                "arp.unsupported_pkt",
	EventARPInvalidHardwareSize:              "arp.invalid_hardware_size",
	EventARPInvalidProtocolSize:              "arp.invalid_protocol_size",
	EventARPUnsupportedOpcode:                "arp.unsupported_opcode",
	EventIGMPPacketTooSmall:                  "igmp.pkt_too_small",
	EventSLLPacketTooSmall:                   "sll.pkt_too_small",
	EventSLL2PacketTooSmall:                  "sll2.pkt_too_small",
	EventEthernetPacketTooSmall:              "ethernet.pkt_too_small",
	EventEthernetUnknownEthertype:            "ethernet.unknown_ethertype",
	EventPPPPacketTooSmall:                   "ppp.pkt_too_small",
	EventPPPVJUPacketTooSmall:                "ppp.vju_pkt_too_small",
	EventPPPIP4PacketTooSmall:                "ppp.ip4_pkt_too_small",
	EventPPPIP6PacketTooSmall:                "ppp.ip6_pkt_too_small",
	EventPPPWrongType:                        "ppp.wrong_type",
	EventPPPUnsupProto:                       "ppp.unsup_proto",
	EventPPPoEPacketTooSmall:                 "pppoe.pkt_too_small",
	EventPPPoEWrongCode:                      "pppoe.wrong_code",
	EventPPPoEMalformedTags:                  "pppoe.malformed_tags",
	EventGREPacketTooSmall:                   "gre.pkt_too_small",
	EventGREWrongVersion:                     "gre.wrong_version",
	EventGREVersion0Recur:                    "gre.version0_recur",
	EventGREVersion0Flags:                    "gre.version0_flags",
	EventGREVersion0HdrTooBig:                "gre.version0_hdr_too_big",
	EventGREVersion0MalformedSREHdr:          "gre.version0_malformed_sre_hdr",
	EventGREVersion1Chksum:                   "gre.version1_chksum",
	EventGREVersion1Route:                    "gre.version1_route",
	EventGREVersion1SSR:                      "gre.version1_ssr",
	EventGREVersion1Recur:                    "gre.version1_recur",
	EventGREVersion1Flags:                    "gre.version1_flags",
	EventGREVersion1NoKey:                    "gre.version1_no_key",
	EventGREVersion1WrongProtocol:            "gre.version1_wrong_protocol",
	EventGREVersion1MalformedSREHdr:          "gre.version1_malformed_sre_hdr",
	EventGREVersion1HdrTooBig:                "gre.version1_hdr_too_big",
	EventVLANHeaderTooSmall:                  "vlan.header_too_small",
	EventVLANUnknownType:                     "vlan.unknown_type",
	EventVLANTooManyLayers:                   "vlan.too_many_layers",
	EventVNTagHeaderTooSmall:                 "vntag.header_too_small",
	EventVNTagUnknownType:                    "vntag.unknown_type",
	EventETagHeaderTooSmall:                  "etag.header_too_small",
	EventETagUnknownType:                     "etag.unknown_type",
	EventIEEE8021ahHeaderTooSmall:            "ieee8021ah.header_too_small",
	EventIPRawInvalidIPVersion:               "ipraw.invalid_ip_version",
	EventNullPacketTooSmall:                  "ltnull.pkt_too_small",
	EventNullUnsupportedType:                 "ltnull.unsupported_type",
	EventMPLSHeaderTooSmall:                  "mpls.header_too_small",
	EventMPLSPacketTooSmall:                  "mpls.pkt_too_small",
	EventMPLSBadLabelRouterAlert:             "mpls.bad_label_router_alert",
	EventMPLSBadLabelImplicitNull:            "mpls.bad_label_implicit_null",
	EventMPLSBadLabelReserved:                "mpls.bad_label_reserved",
	EventMPLSUnknownPayloadType:              "mpls.unknown_payload_type",
	EventVXLANUnknownPayloadType:             "vxlan.unknown_payload_type",
	EventGeneveUnknownPayloadType:            "geneve.unknown_payload_type",
	EventERSPANHeaderTooSmall:                "erspan.header_too_small",
	EventERSPANUnsupportedVersion:            "erspan.unsupported_version",
	EventERSPANTooManyVLANLayers:             "erspan.too_many_vlan_layers",
	EventDCEPacketTooSmall:                   "dce.pkt_too_small",
	EventCHDLCPacketTooSmall:                 "chdlc.pkt_too_small",
	EventNSHHeaderTooSmall:                   "nsh.header_too_small",
	EventNSHUnsupportedVersion:               "nsh.unsupported_version",
	EventNSHBadHeaderLength:                  "nsh.bad_header_length",
	EventNSHReservedType:                     "nsh.reserved_type",
	EventNSHUnsupportedType:                  "nsh.unsupported_type",
	EventNSHUnknownPayload:                   "nsh.unknown_payload",
	EventTooManyLayers:                       "too_many_layers",
	EventAFPacketTruncPacket:                 "afpacket.trunc_pkt",
}

// EventNames lists the names that rules use in decode-event, indexed by Event.
func EventNames() []string { return eventNames[:] }

// String is the event's name in rules ("ipv4.pkt_too_small").
func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return "unknown"
}

// EventByName finds an event by its name in rules. The prefix "decoder.",
// which eve.json shows, is accepted too.
func EventByName(name string) (Event, bool) {
	name = strings.TrimPrefix(name, "decoder.")
	i := slices.Index(eventNames[:], name)
	return Event(max(i, 0)), i >= 0
}
