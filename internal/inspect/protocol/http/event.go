package http

// Numbers of the events, in the order of eventNames.
const (
	evUnknownError uint8 = iota
	evGzipFailed
	evReqMissingColon
	evRespMissingColon
	evReqChunkLen
	evRespChunkLen
	evReqTransferEncoding
	evRespTransferEncoding
	evReqContentLength
	evRespContentLength
	evReqDuplicateLength
	evRespDuplicateLength
	evContinueSeen
	evUnmatchedResponse
	evServerPort
	evAuthorityPort
	evReqHeaderInvalid
	evRespHeaderInvalid
	evMissingHost
	evHostAmbiguous
	evReqFolding
	evRespFolding
	evReqFieldTooLong
	evRespFieldTooLong
	evPortMismatch
	evURIHostInvalid
	evHeaderHostInvalid
	evAuthUnrecognized
	evReqTooManyHeaders
	evRespTooManyHeaders
	evMethodDelim
	evURIDelim
	evLeadingSpace
	evTooManyLayers
	evAbnormalCE
	evReqRepetition
	evRespRepetition
	evByteRanges
	evAbnormalTE
	evChunkedOldProto
	evRespProtocol
	evRespStatus
	evReqLineIncomplete
	evDoubleEncodedURI
	evReqLineInvalid
	evReqBodyUnexpected
	evRespBodyUnexpected
	evLZMAMemory
	evCompressionBomb
	evMultipartError
	evMultipartNoFile
	evMultipartHeader
	evTooManyWarnings
	evFailedProtocolChange
	evReqLineNoProtocol
	evRangeInvalid
	evReqChunkExtension
	evRespChunkExtension
	evFileNameTooLong
	evReqTooManyLZMA
	evRespTooManyLZMA
	evSwitchWithLength
)

// eventNames are the names that rules write after "http.".
var eventNames = [...]string{
	evUnknownError: "unknown_error", evGzipFailed: "gzip_decompression_failed",
	evReqMissingColon: "request_field_missing_colon", evRespMissingColon: "response_field_missing_colon",
	evReqChunkLen: "invalid_request_chunk_len", evRespChunkLen: "invalid_response_chunk_len",
	evReqTransferEncoding: "invalid_transfer_encoding_value_in_request", evRespTransferEncoding: "invalid_transfer_encoding_value_in_response",
	evReqContentLength: "invalid_content_length_field_in_request", evRespContentLength: "invalid_content_length_field_in_response",
	evReqDuplicateLength: "duplicate_content_length_field_in_request", evRespDuplicateLength: "duplicate_content_length_field_in_response",
	evContinueSeen: "100_continue_already_seen", evUnmatchedResponse: "unable_to_match_response_to_request",
	evServerPort: "invalid_server_port_in_request", evAuthorityPort: "invalid_authority_port",
	evReqHeaderInvalid: "request_header_invalid", evRespHeaderInvalid: "response_header_invalid",
	evMissingHost: "missing_host_header", evHostAmbiguous: "host_header_ambiguous",
	evReqFolding: "invalid_request_field_folding", evRespFolding: "invalid_response_field_folding",
	evReqFieldTooLong: "request_field_too_long", evRespFieldTooLong: "response_field_too_long",
	evPortMismatch: "request_server_port_tcp_port_mismatch", evURIHostInvalid: "request_uri_host_invalid",
	evHeaderHostInvalid: "request_header_host_invalid", evAuthUnrecognized: "request_auth_unrecognized",
	evReqTooManyHeaders: "request_too_many_headers", evRespTooManyHeaders: "response_too_many_headers",
	evMethodDelim: "method_delim_non_compliant", evURIDelim: "uri_delim_non_compliant",
	evLeadingSpace: "request_line_leading_whitespace", evTooManyLayers: "too_many_encoding_layers",
	evAbnormalCE: "abnormal_ce_header", evReqRepetition: "request_header_repetition", evRespRepetition: "response_header_repetition",
	evByteRanges: "response_multipart_byteranges", evAbnormalTE: "response_abnormal_transfer_encoding",
	evChunkedOldProto: "response_chunked_old_proto", evRespProtocol: "response_invalid_protocol", evRespStatus: "response_invalid_status",
	evReqLineIncomplete: "request_line_incomplete", evDoubleEncodedURI: "double_encoded_uri",
	evReqLineInvalid: "request_line_invalid", evReqBodyUnexpected: "request_body_unexpected", evRespBodyUnexpected: "response_body_unexpected",
	evLZMAMemory: "lzma_memlimit_reached", evCompressionBomb: "compression_bomb",
	evMultipartError: "multipart_generic_error", evMultipartNoFile: "multipart_no_filedata", evMultipartHeader: "multipart_invalid_header",
	evTooManyWarnings: "too_many_warnings", evFailedProtocolChange: "failed_protocol_change",
	evReqLineNoProtocol: "request_line_missing_protocol", evRangeInvalid: "range_invalid",
	evReqChunkExtension: "request_chunk_extension", evRespChunkExtension: "response_chunk_extension",
	evFileNameTooLong: "file_name_too_long", evReqTooManyLZMA: "request_too_many_lzma_layers", evRespTooManyLZMA: "response_too_many_lzma_layers",
	evSwitchWithLength: "switching_protocol_with_content_length",
}
