package tls

// element is one value of DER (X.690).
type element struct {
	tag  byte // class, constructed bit and number
	body []byte
	all  []byte // with tag and length
}

// Tags that certificates use.
const (
	tagInteger  = 0x02
	tagOID      = 0x06
	tagUTCTime  = 0x17
	tagTime     = 0x18
	tagSequence = 0x30
	tagSet      = 0x31
	tagContext0 = 0xa0
	tagContext3 = 0xa3
	tagOctets   = 0x04
	tagBoolean  = 0x01
)

// next takes one element off b. Lengths of more than three bytes, indefinite
// ones and tags beyond 30 are refused.
func next(b []byte) (e element, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return e, nil, false
	}
	head, n := 2, int(b[1])
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 3 || len(b) < 2+size {
			return e, nil, false
		}
		n = 0
		for _, c := range b[2 : 2+size] {
			n = n<<8 | int(c)
		}
		head += size
	}
	if n > len(b)-head {
		return e, nil, false
	}
	return element{b[0], b[head : head+n], b[:head+n]}, b[head+n:], true
}

// expect takes one element of the given tag off b.
func expect(b []byte, tag byte) (e element, rest []byte, ok bool) {
	e, rest, ok = next(b)
	return e, rest, ok && e.tag == tag
}

const maxOIDParts = 32

// appendOID appends an object identifier in dotted form.
func appendOID(dst, body []byte) []byte {
	v, first, parts := uint64(0), true, 0
	for _, c := range body {
		v = v<<7 | uint64(c&0x7f)
		if c&0x80 != 0 {
			continue
		}
		if parts++; parts > maxOIDParts {
			break
		}
		if first {
			a := min(v/40, 2)
			dst = appendDecimal(dst, a)
			v -= a * 40
			first = false
		}
		dst = append(dst, '.')
		dst = appendDecimal(dst, v)
		v = 0
	}
	return dst
}

func appendDecimal(dst []byte, v uint64) []byte {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = '0' + byte(v%10)
		if v /= 10; v == 0 {
			return append(dst, b[i:]...)
		}
	}
}

// derTime reads UTCTime or GeneralizedTime as seconds since 1970 (RFC 5280
// section 4.1.2.5).
func derTime(e element) (int64, bool) {
	b := e.body
	year := 0
	switch {
	case e.tag == tagUTCTime && len(b) >= 11:
		year = digits2(b) + 1900
		if year < 1950 {
			year += 100
		}
		b = b[2:]
	case e.tag == tagTime && len(b) >= 13:
		year = digits2(b)*100 + digits2(b[2:])
		b = b[4:]
	default:
		return 0, false
	}
	month, day, hour, minute := digits2(b), digits2(b[2:]), digits2(b[4:]), digits2(b[6:])
	second := 0
	if len(b) >= 10 && b[8] >= '0' && b[8] <= '9' {
		second = digits2(b[8:])
	}
	if year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0, false
	}
	return daysSince1970(year, month, day)*86400 + int64(hour*3600+minute*60+second), true
}

func digits2(b []byte) int {
	if b[0] < '0' || b[0] > '9' || b[1] < '0' || b[1] > '9' {
		return -1 << 20
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

// daysSince1970 counts in the Gregorian calendar, in eras of 400 years that
// begin in March.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	yoe := year - era*400
	doy := (153*(month-3)+2)/5 + day - 1
	return int64(era*146097+yoe*365+yoe/4-yoe/100+doy) - 719468
}

// appendTime appends seconds since 1970 as 2006-01-02T15:04:05.
func appendTime(dst []byte, t int64) []byte {
	days, sec := t/86400, t%86400
	if sec < 0 {
		days, sec = days-1, sec+86400
	}
	z := days + 719468
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	year, month, day := yoe+era*400, mp+3, doy-(153*mp+2)/5+1
	if month > 12 {
		month -= 12
		year++
	}
	dst = append(dst, '0'+byte(year/1000%10), '0'+byte(year/100%10))
	dst = appendTwoDigits(dst, int(year%100))
	dst = appendTwoDigits(append(dst, '-'), int(month))
	dst = appendTwoDigits(append(dst, '-'), int(day))
	dst = appendTwoDigits(append(dst, 'T'), int(sec/3600))
	dst = appendTwoDigits(append(dst, ':'), int(sec/60%60))
	return appendTwoDigits(append(dst, ':'), int(sec%60))
}
