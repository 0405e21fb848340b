package canon

import (
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// Guess reads an entry of a list that mixes things. Texts made harmless by
// people ("hxxp://", "192.0.2[.]1", "example[.]net") are read as what they were.
// An address or name with a port is an endpoint, what begins with a slash a path
// on every host, "device:maker/model" a device. 32, 40 and 64 hexadecimal digits
// are the hash of a file, with colons the fingerprint of a certificate; a plain
// number is nothing. Errors are *Error.
func Guess(s string) (reputation.Object, error) {
	t := refang(strings.TrimSpace(s))
	if t == "" {
		return reputation.Object{}, refuse(s, "nothing is written", "")
	}
	if o, ok := guessPrint(t); ok {
		return o, nil
	}
	if strings.Contains(t, "://") {
		return URL(t)
	}
	if t[0] == '/' {
		return Path(t)
	}
	if device, ok := strings.CutPrefix(t, "device:"); ok {
		return Device(device)
	}
	slash := strings.IndexByte(t, '/')
	head := t
	if slash >= 0 {
		head = t[:slash]
	}
	switch {
	case slash >= 0 && mayBeAddress(strings.Trim(head, "[]")) && !strings.ContainsAny(t[slash+1:], "/?") && isMask(t[slash+1:]):
		return Address(t)
	case strings.IndexByte(head, '@') > 0 && slash < 0:
		return Email(t)
	case slash > 0:
		return guessURL(s, t, head)
	}
	if o, err := Address(t); err == nil {
		return o, nil
	}
	if _, _, ok := cutPort(t); ok {
		return Endpoint(t)
	}
	if mayBeAddress(strings.Trim(t, "[]")) {
		return Address(t)
	}
	return Domain(t)
}

// guessURL takes a text with a path only when its host is a whole name or an
// address.
func guessURL(s, t, head string) (reputation.Object, error) {
	if strings.IndexByte(head, '.') < 0 && !strings.HasPrefix(head, "[") {
		return reputation.Object{}, refuse(s, "neither an address, a name, a URL nor a hash", "write a URL with its host")
	}
	return URL(t)
}

// guessPrint knows what is told by its form alone.
func guessPrint(t string) (reputation.Object, bool) {
	var o reputation.Object
	var err error
	switch n := len(t); {
	case n > 2 && n < 16 && strings.EqualFold(t[:2], "as") && (isPort(t[2:]) || strings.EqualFold(t[:3], "asn")):
		o, err = ASN(t)
	case n == 32 || n == 40 || n == 64:
		o, err = File(t)
	case n == 70 || n == 72:
		o, err = TLSH(t)
	case n == 36:
		o, err = JA4(t)
	case n == 59 || n == 95:
		if strings.Count(t, ":") < n/3 {
			return o, false
		}
		o, err = Cert(t)
	default:
		return o, false
	}
	return o, err == nil
}

func isPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 10
}

func isMask(s string) bool { return isPort(s) || strings.Count(s, ".") == 3 && mayBeAddress(s) }

// refang undoes what people do to texts so that nobody clicks on them.
func refang(t string) string {
	if strings.IndexByte(t, '[') > 0 || strings.IndexByte(t, '(') >= 0 || strings.IndexByte(t, '{') >= 0 {
		t = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://",
			"[@]", "@", "[at]", "@", "(at)", "@", "[/]", "/").Replace(t)
	}
	if len(t) > 4 && strings.EqualFold(t[:3], "hxx") || len(t) > 4 && strings.EqualFold(t[:3], "fxp") {
		if i := strings.Index(t, "://"); i > 0 && i < 6 {
			switch strings.ToLower(t[:i]) {
			case "hxxp":
				return "http" + t[i:]
			case "hxxps":
				return "https" + t[i:]
			case "fxp":
				return "ftp" + t[i:]
			}
		}
	}
	return t
}
