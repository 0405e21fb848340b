package http

// method is a request method that makes a difference, or that is known.
type method uint8

const (
	methodUnknown method = iota
	methodOther          // known, but treated like any other
	methodGet
	methodHead
	methodPost
	methodPut
	methodConnect
)

// methodOf tells a method. Names are case sensitive.
func methodOf(b []byte) method {
	switch string(b) {
	case "GET":
		return methodGet
	case "HEAD":
		return methodHead
	case "POST":
		return methodPost
	case "PUT":
		return methodPut
	case "CONNECT":
		return methodConnect
	case "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK",
		"VERSION-CONTROL", "CHECKOUT", "UNCHECKOUT", "CHECKIN", "UPDATE", "LABEL", "REPORT", "MKWORKSPACE", "MKACTIVITY",
		"BASELINE-CONTROL", "MERGE", "INVALID", "SEARCH", "ACL", "BIND", "UNBIND", "REBIND", "LINK", "UNLINK", "QUERY":
		return methodOther
	}
	return methodUnknown
}
