package protocol

// Fields of HTTP/2 beyond those of HTTP, and of WebSocket. The numbers among
// them are answered by Tx.Uint for the keywords that their parsers declare.
const (
	HTTP2FrameType  Field = familyHTTP + 80 + iota // several
	HTTP2ErrorCode                                 // several
	HTTP2Priority                                  // several
	HTTP2Window                                    // several
	HTTP2SizeUpdate                                // several
	HTTP2Setting                                   // several: identifier<<32 | value
	HTTP2HeaderName
	HTTP2Header

	WebSocketPayload
	WebSocketFlags
	WebSocketMask
	WebSocketOpcode
)

func http2Fields() []FieldSpec {
	h2, ws := []ID{HTTP2}, []ID{WebSocket}
	return []FieldSpec{
		{Field: HTTP2HeaderName, Keyword: "http2.header_name", Aliases: []string{"http2_header_name"}, Dirs: BothWays, On: h2, Stage: StageHeaders, Multi: true, Doc: "name of each header field of HTTP/2"},
		{Field: HTTP2Header, Keyword: "http2.header", Dirs: BothWays, On: h2, Stage: StageHeaders, Multi: true, Doc: "each header field of HTTP/2 as \"name: value\""},
		{Field: WebSocketPayload, Keyword: "websocket.payload", Dirs: BothWays, On: ws, Stage: StageDone, Doc: "payload of a message, unmasked and decompressed"},
		{Field: WebSocketMask, Keyword: "websocket.mask", Kind: KindUint, Width: 32, Dirs: BothWays, On: ws, Stage: StageDone, Doc: "masking key of a message"},
	}
}
