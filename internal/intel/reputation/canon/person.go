package canon

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Email reads an address of mail: "user@example.net", also with "mailto:" or
// in angle brackets. It becomes lower case (servers that tell cases apart are
// rarer than writers who do not care). Errors are *Error.
func Email(s string) (reputation.Object, error) {
	t := strings.TrimSpace(s)
	t = strings.TrimSuffix(strings.TrimPrefix(t, "<"), ">")
	if len(t) > 7 && strings.EqualFold(t[:7], "mailto:") {
		t = t[7:]
	}
	at := strings.LastIndexByte(t, '@')
	if at <= 0 || at > 64 {
		return reputation.Object{}, refuse(s, "not an address of mail", "write it like user@example.net")
	}
	for _, c := range []byte(t[:at]) {
		if c <= ' ' || c == 0x7f || strings.IndexByte(`()<>,;:\"[]@`, c) >= 0 {
			return reputation.Object{}, refuse(s, "an address of mail with a character that it cannot have", "write it like user@example.net")
		}
	}
	if !utf8.ValidString(t[:at]) {
		return reputation.Object{}, refuse(s, "an address of mail that is not UTF-8", "write it in UTF-8")
	}
	name, e := hostname(s, strings.TrimSuffix(t[at+1:], "."))
	if e != nil {
		return reputation.Object{}, e
	}
	if strings.IndexByte(name, '.') < 0 {
		return reputation.Object{}, refuse(s, "an address of mail without a whole domain", "write it like user@example.net")
	}
	return reputation.Object{Type: reputation.TypeEmail, Text: strings.ToLower(t[:at]) + "@" + name}, nil
}

// maxDevice is the longest "maker/model", in bytes.
const maxDevice = 128

// Device reads the make and model of a device, "Maker/Model 12": lower case,
// runs of spaces become one, none is left around the slash. The first slash
// parts maker and model; "maker/*" is all that the maker makes. Errors are *Error.
func Device(s string) (reputation.Object, error) {
	bad := refuse(s, "not a make and model", "write it like maker/model, at most 128 bytes")
	if len(s) > maxDevice || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return reputation.Object{}, bad
	}
	maker, model, ok := strings.Cut(strings.ToLower(s), "/")
	maker, model = strings.Join(strings.Fields(maker), " "), strings.Join(strings.Fields(model), " ")
	if !ok || maker == "" || model == "" || len(maker)+len(model) >= maxDevice {
		return reputation.Object{}, bad
	}
	if model == "*" {
		return reputation.Object{Type: reputation.TypeDevice, Below: true, Text: maker + "/"}, nil
	}
	return reputation.Object{Type: reputation.TypeDevice, Text: maker + "/" + model}, nil
}
