package protocol

// Fields of HTTP, offered by HTTP/1 and HTTP/2 transactions alike. Values of
// header fields that occur more than once are joined with ", ".
const (
	HTTPURI Field = familyHTTP + iota
	HTTPURIRaw
	HTTPMethod
	HTTPProtocol
	HTTPRequestLine
	HTTPResponseLine
	HTTPHeader
	HTTPHeaderRaw
	HTTPHeaderNames
	HTTPRequestHeader
	HTTPResponseHeader
	HTTPCookie
	HTTPUserAgent
	HTTPHost
	HTTPHostRaw
	HTTPAccept
	HTTPAcceptEncoding
	HTTPAcceptLanguage
	HTTPConnection
	HTTPContentLength
	HTTPContentType
	HTTPReferer
	HTTPStart
	HTTPLocation
	HTTPServer
	HTTPStatusCode
	HTTPStatusMessage
	HTTPRequestBody
	HTTPResponseBody
)

func httpFields() []FieldSpec {
	rows := make([]FieldSpec, 0, 32)
	for _, group := range [][]FieldSpec{httpLineFields(), httpHeaderFields(), httpNamedHeaderFields(), httpBodyFields()} {
		for _, f := range group {
			f.On = []ID{HTTP1, HTTP2}
			rows = append(rows, f)
		}
	}
	return rows
}

func httpLineFields() []FieldSpec {
	return []FieldSpec{
		{Field: HTTPURI, Keyword: "http.uri", Modifier: "http_uri", Dirs: ToServerOnly, Stage: StageLine, Doc: "request target, percent-decoded and with its path normalised"},
		{Field: HTTPURIRaw, Keyword: "http.uri.raw", Modifier: "http_raw_uri", Dirs: ToServerOnly, Stage: StageLine, Doc: "request target as sent"},
		{Field: HTTPMethod, Keyword: "http.method", Modifier: "http_method", Dirs: ToServerOnly, Stage: StageLine, Doc: "request method"},
		{Field: HTTPProtocol, Keyword: "http.protocol", Aliases: []string{"http_protocol"}, Dirs: BothWays, Stage: StageLine, Doc: "protocol version of the first line (HTTP/1.1)"},
		{Field: HTTPRequestLine, Keyword: "http.request_line", Aliases: []string{"http_request_line"}, Dirs: ToServerOnly, Stage: StageLine, Doc: "whole request line without its line end"},
		{Field: HTTPResponseLine, Keyword: "http.response_line", Aliases: []string{"http_response_line"}, Dirs: ToClientOnly, Stage: StageLine, Doc: "whole status line without its line end"},
		{Field: HTTPStatusCode, Keyword: "http.stat_code", Modifier: "http_stat_code", Dirs: ToClientOnly, Stage: StageLine, Doc: "status code"},
		{Field: HTTPStatusMessage, Keyword: "http.stat_msg", Modifier: "http_stat_msg", Dirs: ToClientOnly, Stage: StageLine, Doc: "reason phrase"},
	}
}

func httpHeaderFields() []FieldSpec {
	return []FieldSpec{
		{Field: HTTPHeader, Keyword: "http.header", Modifier: "http_header", Dirs: BothWays, Stage: StageHeaders, Doc: "header fields but for cookies, normalised: one \"Name: value\" a line"},
		{Field: HTTPHeaderRaw, Keyword: "http.header.raw", Modifier: "http_raw_header", Dirs: BothWays, Stage: StageHeaders, Doc: "header block as sent"},
		{Field: HTTPHeaderNames, Keyword: "http.header_names", Aliases: []string{"http_header_names"}, Dirs: BothWays, Stage: StageHeaders, Doc: "names of the header fields, one a line, between empty lines"},
		{Field: HTTPRequestHeader, Keyword: "http.request_header", Aliases: []string{"http_request_header"}, Dirs: ToServerOnly, Stage: StageHeaders, Multi: true, Doc: "each request header field as \"Name: value\""},
		{Field: HTTPResponseHeader, Keyword: "http.response_header", Aliases: []string{"http_response_header"}, Dirs: ToClientOnly, Stage: StageHeaders, Multi: true, Doc: "each response header field as \"Name: value\""},
		{Field: HTTPStart, Keyword: "http.start", Aliases: []string{"http_start"}, Dirs: BothWays, Stage: StageHeaders, Doc: "first line and header fields, as they were understood"},
	}
}

func httpNamedHeaderFields() []FieldSpec {
	return []FieldSpec{
		{Field: HTTPCookie, Keyword: "http.cookie", Modifier: "http_cookie", Dirs: BothWays, Stage: StageHeaders, Doc: "value of Cookie (to server) or Set-Cookie (to client)"},
		{Field: HTTPUserAgent, Keyword: "http.user_agent", Modifier: "http_user_agent", Dirs: ToServerOnly, Stage: StageHeaders, Doc: "value of User-Agent"},
		{Field: HTTPHost, Keyword: "http.host", Modifier: "http_host", Dirs: ToServerOnly, Stage: StageHeaders, Doc: "host name in lower case, without port"},
		{Field: HTTPHostRaw, Keyword: "http.host.raw", Modifier: "http_raw_host", Dirs: ToServerOnly, Stage: StageHeaders, Doc: "host as sent"},
		{Field: HTTPAccept, Keyword: "http.accept", Aliases: []string{"http_accept"}, Dirs: ToServerOnly, Stage: StageHeaders, Doc: "value of Accept"},
		{Field: HTTPAcceptEncoding, Keyword: "http.accept_enc", Aliases: []string{"http_accept_enc"}, Dirs: ToServerOnly, Stage: StageHeaders, Doc: "value of Accept-Encoding"},
		{Field: HTTPAcceptLanguage, Keyword: "http.accept_lang", Aliases: []string{"http_accept_lang"}, Dirs: ToServerOnly, Stage: StageHeaders, Doc: "value of Accept-Language"},
		{Field: HTTPReferer, Keyword: "http.referer", Aliases: []string{"http_referer"}, Dirs: ToServerOnly, Stage: StageHeaders, Doc: "value of Referer"},
		{Field: HTTPConnection, Keyword: "http.connection", Aliases: []string{"http_connection"}, Dirs: BothWays, Stage: StageHeaders, Doc: "value of Connection"},
		{Field: HTTPContentLength, Keyword: "http.content_len", Aliases: []string{"http_content_len"}, Dirs: BothWays, Stage: StageHeaders, Doc: "value of Content-Length"},
		{Field: HTTPContentType, Keyword: "http.content_type", Aliases: []string{"http_content_type"}, Dirs: BothWays, Stage: StageHeaders, Doc: "value of Content-Type"},
		{Field: HTTPLocation, Keyword: "http.location", Aliases: []string{"http_location"}, Dirs: ToClientOnly, Stage: StageHeaders, Doc: "value of Location"},
		{Field: HTTPServer, Keyword: "http.server", Aliases: []string{"http_server"}, Dirs: ToClientOnly, Stage: StageHeaders, Doc: "value of Server"},
	}
}

func httpBodyFields() []FieldSpec {
	return []FieldSpec{
		{Field: HTTPRequestBody, Keyword: "http.request_body", Modifier: "http_client_body", Kind: KindStream, Dirs: ToServerOnly, Stage: StageBody, Doc: "request body, without chunk framing"},
		{Field: HTTPResponseBody, Keyword: "http.response_body", Modifier: "http_server_body", Kind: KindStream, Dirs: ToClientOnly, Stage: StageBody, Doc: "response body, without chunk framing and decompressed"},
	}
}
