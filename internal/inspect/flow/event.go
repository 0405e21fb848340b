package flow

// The stream events. Their names are in StreamEventNames; each is described
// there as rules write it.
const (
	Ev3whsAckInWrongDir StreamEvent = iota
	Ev3whsAsyncWrongSeq
	Ev3whsRightSeqWrongAckEvasion
	Ev3whsSynackInWrongDirection
	Ev3whsSynackResendDiffAck
	Ev3whsSynackResendDiffSeq
	Ev3whsSynackToserverOnSynRecv
	Ev3whsSynackWithWrongAck
	Ev3whsSynackFlood
	Ev3whsSynackTFODataIgnored
	Ev3whsSynResendDiffSeqOnSynRecv
	Ev3whsSynToclientOnSynRecv
	Ev3whsSynFlood
	Ev3whsWrongSeqWrongAck
	Ev3whsAckDataInject
	Ev4whsSynackWithWrongAck
	Ev4whsSynackWithWrongSyn
	Ev4whsWrongSeq
	Ev4whsInvalidAck
	EvClosewaitAckOutOfWindow
	EvClosewaitFinOutOfWindow
	EvClosewaitPktBeforeLastAck
	EvClosewaitInvalidAck
	EvClosingAckWrongSeq
	EvClosingInvalidAck
	EvEstPacketOutOfWindow
	EvEstPktBeforeLastAck
	EvEstSynackResend
	EvEstSynackResendDiffAck
	EvEstSynackResendDiffSeq
	EvEstSynackToserver
	EvEstSynResend
	EvEstSynResendDiffSeq
	EvEstSynToclient
	EvEstInvalidAck
	EvFinInvalidAck
	EvFin1AckWrongSeq
	EvFin1FinWrongSeq
	EvFin1InvalidAck
	EvFin2AckWrongSeq
	EvFin2FinWrongSeq
	EvFin2InvalidAck
	EvFinButNoSession
	EvFinOutOfWindow
	EvFinSyn
	EvLastackAckWrongSeq
	EvLastackInvalidAck
	EvRstButNoSession
	EvTimewaitAckWrongSeq
	EvTimewaitInvalidAck
	EvShutdownSynResend
	EvPktInvalidTimestamp
	EvPktInvalidAck
	EvPktBrokenAck
	EvRstInvalidAck
	EvPktRetransmission
	EvPktSpuriousRetransmission
	EvPktBadWindowUpdate
	EvSuspectedRstInject
	EvWrongThread
	EvSegmentBeforeBaseSeq
	EvNoSegment
	EvSeqGap
	EvOverlapDifferentData
	EvDepthReached
	EvUrgentOOBLimit
	EvInsertMemcap
	EvInsertLimit
	EvInsertInvalid
	NumStreamEvents = iota
)

// StreamEventNames gives each event the name that rules use after
// stream-event, by number.
var StreamEventNames = [NumStreamEvents]string{
	Ev3whsAckInWrongDir:             "3whs_ack_in_wrong_dir",
	Ev3whsAsyncWrongSeq:             "3whs_async_wrong_seq",
	Ev3whsRightSeqWrongAckEvasion:   "3whs_right_seq_wrong_ack_evasion",
	Ev3whsSynackInWrongDirection:    "3whs_synack_in_wrong_direction",
	Ev3whsSynackResendDiffAck:       "3whs_synack_resend_with_different_ack",
	Ev3whsSynackResendDiffSeq:       "3whs_synack_resend_with_diff_seq",
	Ev3whsSynackToserverOnSynRecv:   "3whs_synack_toserver_on_syn_recv",
	Ev3whsSynackWithWrongAck:        "3whs_synack_with_wrong_ack",
	Ev3whsSynackFlood:               "3whs_synack_flood",
	Ev3whsSynackTFODataIgnored:      "3whs_synack_tfo_data_ignored",
	Ev3whsSynResendDiffSeqOnSynRecv: "3whs_syn_resend_diff_seq_on_syn_recv",
	Ev3whsSynToclientOnSynRecv:      "3whs_syn_toclient_on_syn_recv",
	Ev3whsSynFlood:                  "3whs_syn_flood",
	Ev3whsWrongSeqWrongAck:          "3whs_wrong_seq_wrong_ack",
	Ev3whsAckDataInject:             "3whs_ack_data_inject",
	Ev4whsSynackWithWrongAck:        "4whs_synack_with_wrong_ack",
	Ev4whsSynackWithWrongSyn:        "4whs_synack_with_wrong_syn",
	Ev4whsWrongSeq:                  "4whs_wrong_seq",
	Ev4whsInvalidAck:                "4whs_invalid_ack",
	EvClosewaitAckOutOfWindow:       "closewait_ack_out_of_window",
	EvClosewaitFinOutOfWindow:       "closewait_fin_out_of_window",
	EvClosewaitPktBeforeLastAck:     "closewait_pkt_before_last_ack",
	EvClosewaitInvalidAck:           "closewait_invalid_ack",
	EvClosingAckWrongSeq:            "closing_ack_wrong_seq",
	EvClosingInvalidAck:             "closing_invalid_ack",
	EvEstPacketOutOfWindow:          "est_packet_out_of_window",
	EvEstPktBeforeLastAck:           "est_pkt_before_last_ack",
	EvEstSynackResend:               "est_synack_resend",
	EvEstSynackResendDiffAck:        "est_synack_resend_with_different_ack",
	EvEstSynackResendDiffSeq:        "est_synack_resend_with_diff_seq",
	EvEstSynackToserver:             "est_synack_toserver",
	EvEstSynResend:                  "est_syn_resend",
	EvEstSynResendDiffSeq:           "est_syn_resend_diff_seq",
	EvEstSynToclient:                "est_syn_toclient",
	EvEstInvalidAck:                 "est_invalid_ack",
	EvFinInvalidAck:                 "fin_invalid_ack",
	EvFin1AckWrongSeq:               "fin1_ack_wrong_seq",
	EvFin1FinWrongSeq:               "fin1_fin_wrong_seq",
	EvFin1InvalidAck:                "fin1_invalid_ack",
	EvFin2AckWrongSeq:               "fin2_ack_wrong_seq",
	EvFin2FinWrongSeq:               "fin2_fin_wrong_seq",
	EvFin2InvalidAck:                "fin2_invalid_ack",
	EvFinButNoSession:               "fin_but_no_session",
	EvFinOutOfWindow:                "fin_out_of_window",
	EvFinSyn:                        "fin_syn",
	EvLastackAckWrongSeq:            "lastack_ack_wrong_seq",
	EvLastackInvalidAck:             "lastack_invalid_ack",
	EvRstButNoSession:               "rst_but_no_session",
	EvTimewaitAckWrongSeq:           "timewait_ack_wrong_seq",
	EvTimewaitInvalidAck:            "timewait_invalid_ack",
	EvShutdownSynResend:             "shutdown_syn_resend",
	EvPktInvalidTimestamp:           "pkt_invalid_timestamp",
	EvPktInvalidAck:                 "pkt_invalid_ack",
	EvPktBrokenAck:                  "pkt_broken_ack",
	EvRstInvalidAck:                 "rst_invalid_ack",
	EvPktRetransmission:             "pkt_retransmission",
	EvPktSpuriousRetransmission:     "pkt_spurious_retransmission",
	EvPktBadWindowUpdate:            "pkt_bad_window_update",
	EvSuspectedRstInject:            "suspected_rst_inject",
	EvWrongThread:                   "wrong_thread",
	EvSegmentBeforeBaseSeq:          "reassembly_segment_before_base_seq",
	EvNoSegment:                     "reassembly_no_segment",
	EvSeqGap:                        "reassembly_seq_gap",
	EvOverlapDifferentData:          "reassembly_overlap_different_data",
	EvDepthReached:                  "reassembly_depth_reached",
	EvUrgentOOBLimit:                "reassembly_urgent_oob_limit_reached",
	EvInsertMemcap:                  "reassembly_insert_memcap",
	EvInsertLimit:                   "reassembly_insert_limit",
	EvInsertInvalid:                 "reassembly_insert_invalid",
}

// StreamEventByName finds the event that a rule names, with or without
// "stream." before it. Rules in the wild write the two "different_ack" events
// also with "diff_ack".
func StreamEventByName(name string) (StreamEvent, bool) {
	const prefix = "stream."
	if len(name) > len(prefix) && name[:len(prefix)] == prefix {
		name = name[len(prefix):]
	}
	switch name {
	case "3whs_synack_resend_with_diff_ack":
		return Ev3whsSynackResendDiffAck, true
	case "est_synack_resend_with_diff_ack":
		return EvEstSynackResendDiffAck, true
	}
	for i, n := range StreamEventNames {
		if n == name {
			return StreamEvent(i), true
		}
	}
	return 0, false
}

// String is the event's name in rules.
func (n StreamEvent) String() string {
	if int(n) < len(StreamEventNames) {
		return StreamEventNames[n]
	}
	return "invalid"
}
